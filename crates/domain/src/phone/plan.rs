//! The numbering plans of countries, as the metadata of libphonenumber describe them.

use phonenumber::metadata::{DATABASE, Metadata};
use phonenumber::{Mode, Type, country};

use super::{DIGITS_MAX, PhoneError};

/// The digits of a calling code at most (ITU-T E.164).
const CALLING_CODE_DIGITS_MAX: usize = 3;

/// What libphonenumber calls the owner of a calling code that is no country's.
const OF_NO_COUNTRY: &str = "001";

/// Mexico's mobiles had a 1 behind the calling code until 2019. WhatsApp still names them so; it is the same line.
const FORMER_MOBILE_DIGIT: (&str, char) = ("52", '1');

/// The country of this name (ISO 3166-1, two letters).
pub(super) fn named(country: &str) -> Option<country::Id> {
    country.to_ascii_uppercase().parse().ok()
}

/// The number that was written with its country's calling code in front.
pub(super) fn international(digits: &str) -> Result<String, PhoneError> {
    let code = calling_code(digits).ok_or(PhoneError::UnknownCountry)?;
    let given = &digits[code.len()..];
    // As it stands first: the crate takes the 8 of Russia's +7 800 for the prefix of calls within the country.
    if let Some(number) = shaped(code, given) {
        return Ok(number);
    }
    if code == FORMER_MOBILE_DIGIT.0
        && let Some(number) = given
            .strip_prefix(FORMER_MOBILE_DIGIT.1)
            .and_then(|rest| shaped(code, rest))
    {
        return Ok(number);
    }
    understood(None, &format!("+{digits}"))
        .or_else(|| prefix_dropped(code, given))
        .ok_or_else(|| misshapen(digits))
}

/// The number as it was written within a country.
pub(super) fn national(country: country::Id, digits: &str) -> Result<String, PhoneError> {
    let plan = DATABASE.by_id(country.as_ref()).ok_or(PhoneError::UnknownCountry)?;
    understood(Some(country), digits)
        .or_else(|| prefix_dropped(&plan.country_code().to_string(), digits))
        .ok_or_else(|| misshapen(digits))
}

fn misshapen(digits: &str) -> PhoneError {
    if digits.len() > DIGITS_MAX {
        PhoneError::Long
    } else {
        PhoneError::Shape
    }
}

/// What the crate makes of a number: prefixes within the country, abroad and of carriers taken off.
fn understood(country: Option<country::Id>, text: &str) -> Option<String> {
    let number = phonenumber::parse(country, text).ok()?;
    let written = number.format().mode(Mode::E164).to_string();
    let digits = written.strip_prefix('+')?;
    let code = calling_code(digits)?;
    shaped(code, &digits[code.len()..])
}

/// The number without the one prefix for calls within the country, of which the crate sometimes takes off two.
fn prefix_dropped(code: &str, national: &str) -> Option<String> {
    plans(code).into_iter().find_map(|plan| {
        let rest = national.strip_prefix(plan.national_prefix()?)?;
        shaped(code, rest)
    })
}

/// The number, if a country of this calling code has numbers like it.
fn shaped(code: &str, national: &str) -> Option<String> {
    let known = code.len() + national.len() <= DIGITS_MAX
        && plans(code)
            .into_iter()
            .any(|plan| is_whole(plan, national) || is_assigned(plan, national));
    known.then(|| format!("+{code}{national}"))
}

/// Whether the plan's general pattern covers all of it.
fn is_whole(plan: &Metadata, national: &str) -> bool {
    let pattern = plan.descriptors().general().national_number();
    pattern
        .find(national)
        .is_some_and(|found| found.start() == 0 && found.end() == national.len())
}

/// Whether it lies in a range that the plan has opened.
fn is_assigned(plan: &Metadata, national: &str) -> bool {
    const KINDS: [Type; 10] = [
        Type::Mobile,
        Type::FixedLine,
        Type::TollFree,
        Type::PremiumRate,
        Type::SharedCost,
        Type::Voip,
        Type::PersonalNumber,
        Type::Pager,
        Type::Uan,
        Type::Voicemail,
    ];
    let descriptors = plan.descriptors();
    KINDS
        .iter()
        .filter_map(|&kind| descriptors.get(kind))
        .any(|range| range.is_match(national))
}

/// Whether a number of a calling code that countries share belongs to this one.
fn owns(plan: &Metadata, national: &str) -> bool {
    match plan.leading_digits() {
        Some(pattern) => pattern.find(national).is_some_and(|found| found.start() == 0),
        None => is_assigned(plan, national),
    }
}

/// The country that a number belongs to (ISO 3166-1, two letters).
pub(super) fn country(code: &str, national: &str) -> Option<&'static str> {
    let regions = DATABASE.region(&code.parse::<u16>().ok()?)?;
    let mut plans = regions.iter().filter_map(|region| DATABASE.by_id(*region));
    let plan = if regions.len() == 1 {
        plans.next()
    } else {
        plans.find(|plan| owns(plan, national))
    };
    plan.map(Metadata::id).filter(|id| *id != OF_NO_COUNTRY)
}

/// The plans of all countries with this calling code.
fn plans(code: &str) -> Vec<&'static Metadata> {
    let plans = code.parse::<u16>().ok().and_then(|code| DATABASE.by_code(&code));
    plans.unwrap_or_default()
}

/// The calling code that the digits begin with. None is the beginning of another.
pub(super) fn calling_code(digits: &str) -> Option<&str> {
    (1..=CALLING_CODE_DIGITS_MAX)
        .filter_map(|len| digits.get(..len))
        .find(|code| !code.starts_with('0') && !plans(code).is_empty())
}
