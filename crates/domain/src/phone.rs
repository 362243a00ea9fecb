//! Phone numbers that can only be valid.
//!
//! A number is kept as E.164 has it: `+`, calling code of the country, national number, at most 15 digits. What counts
//! as valid is the shape that a country's numbering plan gives to its numbers (length and first digits), as the metadata
//! of libphonenumber describe it, and not which ranges are assigned today: ranges are opened faster than a dependency
//! is updated, numbers reserved for examples are in none of them, and a number that nobody has costs one refused call
//! to a provider, while a customer who is refused is lost.

use std::fmt;

use phonenumber::metadata::{DATABASE, Metadata};
use phonenumber::{Mode, Type, country};
use serde::{Deserialize, Serialize};

/// The most digits of a number, calling code included (ITU-T E.164).
pub const DIGITS_MAX: usize = 15;

/// The longest text that is looked at; a number needs less, whatever it is spaced with.
const TEXT_BYTES_MAX: usize = 64;

/// The digits of a calling code at most (ITU-T E.164).
const CALLING_CODE_DIGITS_MAX: usize = 3;

/// Fewer national digits than these, and the last two would be too much to show.
const DIGITS_TO_HINT_AT_MIN: usize = 7;

/// Mexico's mobiles had a 1 behind the calling code until 2019. WhatsApp still names them so; it is the same line.
const FORMER_MOBILE_DIGIT: (&str, char) = ("52", '1');

/// What is wrong with a phone number. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Nothing was given.
    #[error("a phone number must not be empty")]
    Empty,
    /// More than any number can need.
    #[error("a phone number has at most {DIGITS_MAX} digits")]
    Long,
    /// Something that is neither a digit nor put between digits.
    #[error("a phone number has only digits, a leading + and spaces, dots, dashes, slashes and brackets between them")]
    Character,
    /// It does not begin with `+`, and nothing says which country it belongs to.
    #[error("a phone number begins with + and the calling code of its country")]
    NoCountry,
    /// No country has this calling code, or the country that was named is none.
    #[error("the country of the phone number is not known")]
    UnknownCountry,
    /// The country has no numbers like it.
    #[error("the country has no phone numbers of this length or with these first digits")]
    Shape,
}

/// A phone number in the form of E.164: `+33612345678`.
///
/// `Debug` and `Display` show the calling code and the last two digits; `expose()` shows all. Two spellings of one
/// number are equal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct E164(String);

impl E164 {
    /// Reads a number written with its country: `+33 6 12 34 56 78`, `+33 (0)6 12-34-56-78`, `+33612345678`.
    ///
    /// # Errors
    /// [`PhoneError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        match digits(text)? {
            Written::International(digits) => international(&digits),
            Written::National(_) => Err(PhoneError::NoCountry),
        }
    }

    /// Reads a number as people in `country` (ISO 3166-1, two letters) write it: `06 12 34 56 78` in `FR`. One written
    /// with another country, by `+` or by the prefix for calls abroad, keeps it.
    ///
    /// # Errors
    /// [`PhoneError`] says what is wrong.
    pub fn parse_in(country: &str, text: &str) -> Result<Self, PhoneError> {
        let country: country::Id = country
            .to_ascii_uppercase()
            .parse()
            .map_err(|_| PhoneError::UnknownCountry)?;
        match digits(text)? {
            Written::International(digits) => international(&digits),
            Written::National(digits) => national(country, &digits),
        }
    }

    /// The number itself: `+33612345678`.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The country it belongs to (ISO 3166-1, two letters), if it is one: some calling codes are of no country, and of
    /// some shared by several an unassigned number cannot be told.
    #[must_use]
    pub fn country(&self) -> Option<&'static str> {
        let (code, national) = self.parts();
        let regions = DATABASE.region(&code.parse::<u16>().ok()?)?;
        let mut plans = regions.iter().filter_map(|region| DATABASE.by_id(*region));
        let plan = if regions.len() == 1 {
            plans.next()
        } else {
            plans.find(|plan| owns(plan, national))
        };
        plan.map(Metadata::id).filter(|id| *id != "001")
    }

    /// Calling code and national number.
    fn parts(&self) -> (&str, &str) {
        let digits = &self.0[1..];
        calling_code(digits).map_or(("", digits), |code| digits.split_at(code.len()))
    }
}

impl TryFrom<String> for E164 {
    type Error = PhoneError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<E164> for String {
    fn from(number: E164) -> Self {
        number.0
    }
}

/// `+33…78`: enough to follow a conversation in a log, too little to call.
impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, national) = self.parts();
        let hint = if national.len() < DIGITS_TO_HINT_AT_MIN {
            ""
        } else {
            &national[national.len() - 2..]
        };
        write!(f, "+{code}…{hint}")
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The digits of a text, which was written with a leading `+` or without.
enum Written {
    International(String),
    National(String),
}

fn digits(text: &str) -> Result<Written, PhoneError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(PhoneError::Long);
    }
    let mut digits = String::with_capacity(DIGITS_MAX);
    let mut plus = false;
    for char in text.trim().chars() {
        match char {
            '0'..='9' => digits.push(char),
            '+' if digits.is_empty() && !plus => plus = true,
            char if separates(char) => {}
            _ => return Err(PhoneError::Character),
        }
    }
    if digits.is_empty() {
        return Err(PhoneError::Empty);
    }
    Ok(if plus {
        Written::International(digits)
    } else {
        Written::National(digits)
    })
}

/// What people put between digits, and the invisible marks of direction that come along when numbers are copied from
/// address books.
const fn separates(char: char) -> bool {
    matches!(
        char,
        ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}' | '-' | '\u{2010}'..='\u{2013}' | '.' | '/' | '(' | ')'
            | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

fn international(digits: &str) -> Result<E164, PhoneError> {
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

fn national(country: country::Id, digits: &str) -> Result<E164, PhoneError> {
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
fn understood(country: Option<country::Id>, text: &str) -> Option<E164> {
    let number = phonenumber::parse(country, text).ok()?;
    let written = number.format().mode(Mode::E164).to_string();
    let digits = written.strip_prefix('+')?;
    let code = calling_code(digits)?;
    shaped(code, &digits[code.len()..])
}

/// The number without the one prefix for calls within the country, of which the crate sometimes takes off two.
fn prefix_dropped(code: &str, national: &str) -> Option<E164> {
    plans(code).into_iter().find_map(|plan| {
        let rest = national.strip_prefix(plan.national_prefix()?)?;
        shaped(code, rest)
    })
}

/// The number, if a country of this calling code has numbers like it.
fn shaped(code: &str, national: &str) -> Option<E164> {
    let known = code.len() + national.len() <= DIGITS_MAX
        && plans(code)
            .into_iter()
            .any(|plan| is_whole(plan, national) || is_assigned(plan, national));
    known.then(|| E164(format!("+{code}{national}")))
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

/// The plans of all countries with this calling code.
fn plans(code: &str) -> Vec<&'static Metadata> {
    let plans = code.parse::<u16>().ok().and_then(|code| DATABASE.by_code(&code));
    plans.unwrap_or_default()
}

/// The calling code that the digits begin with. None is the beginning of another.
fn calling_code(digits: &str) -> Option<&str> {
    (1..=CALLING_CODE_DIGITS_MAX)
        .filter_map(|len| digits.get(..len))
        .find(|code| !code.starts_with('0') && !plans(code).is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> E164 {
        E164::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_number_has_one_form_however_it_is_spaced() {
        let check = |text: &str, expected: &str| assert_eq!(number(text).expose(), expected, "{text}");
        for text in [
            "+33612345678",
            "+33 6 12 34 56 78",
            " +33 (0)6 12-34-56-78\n",
            "+33.6.12.34.56.78",
            "+33/6/12345678",
            "+330612345678",
            "\u{202a}+33\u{a0}6\u{202f}12\u{a0}34 56 78\u{202c}",
        ] {
            check(text, "+33612345678");
        }
        check("+1 (202) 555-0123", "+12025550123");
        check("+44 (0)20 7946 0958", "+442079460958");
        check("+49 (0)30 123456", "+4930123456");
    }

    #[test]
    fn digits_that_belong_to_a_number_are_never_taken_for_a_prefix() {
        let check = |text: &str| assert_eq!(number(text).expose(), text);
        check("+390236618300");
        check("+2250101020304");
        check("+78001234567");
        check("+37080012345");
        check("+5491123456789");
    }

    #[test]
    fn a_mexican_mobile_is_the_same_with_and_without_its_former_digit() {
        assert_eq!(number("+5215512345678"), number("+525512345678"));
    }

    #[test]
    fn numbers_for_examples_and_from_ranges_not_yet_known_are_taken() {
        for text in ["+33639981234", "+33199001234", "+15555550100", "+15005550006"] {
            assert_eq!(number(text).expose(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |text: &str, expected| assert_eq!(E164::parse(text).unwrap_err(), expected, "{text}");
        check("", PhoneError::Empty);
        check(" + ", PhoneError::Empty);
        check("06 12 34 56 78", PhoneError::NoCountry);
        check("0033612345678", PhoneError::NoCountry);
        check("33612345678", PhoneError::NoCountry);
        check("+999123456", PhoneError::UnknownCountry);
        check("+0612345678", PhoneError::UnknownCountry);
        check("+33 1234", PhoneError::Shape);
        check("+33 6 12 34 56 789", PhoneError::Shape);
        check("+1 202 555", PhoneError::Shape);
        check("+33", PhoneError::Shape);
        check("+336123456781234567", PhoneError::Long);
        check(&format!("+33612345678{}", " ".repeat(90)), PhoneError::Long);
        check("+33 6 12 34 56 78 ext. 4", PhoneError::Character);
        check("++33612345678", PhoneError::Character);
        check("33+612345678", PhoneError::Character);
        check("+1-800-FLOWERS", PhoneError::Character);
        check("anonymous", PhoneError::Character);
        check("whatsapp:+33612345678", PhoneError::Character);
        check("+33612345678\0", PhoneError::Character);
    }

    #[test]
    fn a_national_number_is_read_as_its_country_writes_it() {
        let check = |country: &str, text: &str, expected| {
            let number = E164::parse_in(country, text);
            assert_eq!(
                number.as_ref().map(E164::expose).map_err(|error| *error),
                expected,
                "{text}"
            );
        };
        check("FR", "06 12 34 56 78", Ok("+33612345678"));
        check("fr", "6 12 34 56 78", Ok("+33612345678"));
        check("FR", "+44 20 7946 0958", Ok("+442079460958"));
        check("FR", "00 44 20 7946 0958", Ok("+442079460958"));
        check("US", "(202) 555-0123", Ok("+12025550123"));
        check("US", "1 202 555 0123", Ok("+12025550123"));
        check("IT", "02 3661 8300", Ok("+390236618300"));
        check("RU", "8 800 123-45-67", Ok("+78001234567"));
        check("FR", "", Err(PhoneError::Empty));
        check("FR", "112", Err(PhoneError::Shape));
        check("FR", "06 12 34 56", Err(PhoneError::Shape));
        check("FR", "call me", Err(PhoneError::Character));
        check("XX", "06 12 34 56 78", Err(PhoneError::UnknownCountry));
        check("France", "06 12 34 56 78", Err(PhoneError::UnknownCountry));
    }

    #[test]
    fn the_country_is_told_if_the_number_has_one() {
        let check = |text: &str, expected| assert_eq!(number(text).country(), expected, "{text}");
        check("+33612345678", Some("FR"));
        check("+33639981234", Some("FR"));
        check("+12025550123", Some("US"));
        check("+14165550123", Some("CA"));
        check("+18765230123", Some("JM"));
        check("+390236618300", Some("IT"));
        check("+390669812345", Some("VA"));
        check("+442079460958", Some("GB"));
        check("+441481960194", Some("GG"));
        check("+78001234567", Some("RU"));
        check("+77710009998", Some("KZ"));
        check("+80012345678", None);
        check("+15555550100", None);
    }

    #[test]
    fn only_calling_code_and_last_two_digits_show() {
        let check = |text: &str, expected: &str| {
            assert_eq!(number(text).to_string(), expected);
            assert_eq!(format!("{:?}", number(text)), expected);
        };
        check("+33612345678", "+33…78");
        check("+12025550123", "+1…23");
        // Niue: four digits, of which two would be half.
        check("+6834002", "+683…");
    }

    #[test]
    fn in_json_it_is_a_string_that_is_checked_and_not_repeated_when_refused() {
        let parsed: E164 = serde_json::from_str(r#""+33 6 12 34 56 78""#).unwrap();
        assert_eq!(serde_json::to_string(&parsed).unwrap(), r#""+33612345678""#);
        let error = serde_json::from_str::<E164>(r#""+33 6 12 34 56 789""#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("of this length"), "{error}");
        assert!(!error.contains("12"), "{error}");
    }

    /// Every example number that libphonenumber gives, in every country and for every kind of line.
    #[test]
    fn the_numbers_of_every_country_are_taken_as_they_are() {
        let mut count = 0;
        for plan in DATABASE.iter() {
            for kind in [
                Type::FixedLine,
                Type::Mobile,
                Type::TollFree,
                Type::PremiumRate,
                Type::Voip,
            ] {
                let Some(example) = plan.descriptors().get(kind).and_then(|range| range.example()) else {
                    continue;
                };
                let text = format!("+{}{example}", plan.country_code());
                assert_eq!(number(&text).expose(), text, "{} {kind:?}", plan.id());
                count += 1;
            }
        }
        assert!(count > 800, "{count}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String, digits in "[+0-9 ()-]{0,24}") {
            for text in [text, digits] {
                let _ = E164::parse(&text);
                let _ = E164::parse_in("FR", &text);
                let _ = E164::parse_in("AR", &text);
            }
        }

        #[test]
        fn a_number_read_again_is_the_same_number(digits in "[1-9][0-9]{4,16}") {
            if let Ok(number) = E164::parse(&format!("+{digits}")) {
                prop_assert_eq!(E164::parse(number.expose()).unwrap(), number.clone());
                prop_assert!(number.expose().len() <= DIGITS_MAX + 1);
                prop_assert!(number.to_string().chars().filter(char::is_ascii_digit).count() <= 5);
            }
        }

        #[test]
        fn a_french_number_is_the_same_with_its_country_and_without(rest in "[1-9][0-9]{8}") {
            let known = E164::parse(&format!("+33{rest}")).unwrap();
            prop_assert_eq!(E164::parse_in("FR", &format!("0{rest}")).unwrap(), known.clone());
            prop_assert_eq!(E164::parse_in("GB", &format!("0033{rest}")).unwrap(), known);
        }
    }
}
