#![allow(clippy::unwrap_used)]

use phonenumber::Type;
use phonenumber::metadata::DATABASE;
use proptest::prelude::*;

use super::{DIGITS_MAX, E164, PhoneError};

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
    check("+7 (8) 800 123-45-67", "+78001234567");
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
