//! Phone numbers. Input: the text; its first two letters name a country, too.

#![no_main]

use domain::E164;
use domain::phone::DIGITS_MAX;
use libfuzzer_sys::fuzz_target;

const COUNTRIES: [&str; 8] = ["FR", "GB", "US", "DE", "IT", "BR", "RU", "KZ"];

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(number) = E164::parse(text) {
        check(&number);
    }
    let named = text.get(..2).map(|country| (country, &text[2..]));
    let numbers = COUNTRIES.map(|country| (country, text)).into_iter().chain(named);
    for (country, text) in numbers {
        if let Ok(number) = E164::parse_in(country, text) {
            check(&number);
        }
    }
});

fn check(number: &E164) {
    let digits = number.expose().strip_prefix('+').expect("E.164 begins with +");
    assert!(
        digits.len() <= DIGITS_MAX && digits.bytes().all(|byte| byte.is_ascii_digit()),
        "no digits"
    );
    assert!(
        E164::parse(number.expose()).as_ref() == Ok(number),
        "another number when it is read again"
    );
    let stored = serde_json::to_string(number).expect("a number is JSON");
    assert!(
        serde_json::from_str::<E164>(&stored).is_ok_and(|read| read == *number),
        "another number when stored"
    );
    if let Some(country) = number.country() {
        assert!(
            E164::parse_in(country, number.expose()).as_ref() == Ok(number),
            "not of its own country"
        );
    }
    // The calling code and two digits, at least four of a number hidden.
    let shown = format!("{number}");
    assert_eq!(shown, format!("{number:?}"));
    let visible = shown.bytes().filter(u8::is_ascii_digit).count();
    assert!(
        visible <= 5 && visible + 2 <= digits.len(),
        "{shown} shows too much of {} digits",
        digits.len()
    );
}
