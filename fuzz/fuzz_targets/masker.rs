//! What others write who were told something. Input: lines with what they were told, an empty line, and what they
//! wrote.

#![no_main]

use domain::Masker;
use libfuzzer_sys::fuzz_target;
use relais_fuzz::stands_alone;

/// A number with so many digits may be somebody's.
const NUMBER_DIGITS: usize = 7;
/// What stands around what was hidden.
const HIDDEN: [char; 2] = ['<', '>'];

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (told, written) = text.split_once("\n\n").unwrap_or(("", &text));
    let mut masker = Masker::default();
    told.lines().for_each(|value| masker.tell(value));
    let (masked, id) = (masker.mask(written), masker.mask_id(written));
    assert!(
        !masked.contains('@') && !id.contains('@'),
        "an address shows: {masked} {id}"
    );
    let longest = masked.split(|sign: char| !is_of_number(sign)).map(digits).max();
    assert!(longest.unwrap_or_default() < NUMBER_DIGITS, "a number shows: {masked}");
    for value in told.lines().filter(|value| is_remarkable(value)) {
        for shown in [&masked, &id] {
            assert!(
                !stands_alone(shown, value, &HIDDEN),
                "what was told shows, {value:?}: {shown}"
            );
        }
    }
});

/// Digits, and what people write between them.
fn is_of_number(sign: char) -> bool {
    sign.is_ascii_digit() || "+-.()/ \u{a0}\u{202f}".contains(sign)
}

fn digits(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).count()
}

/// Whether one of its words may be a name or a code, so that it is hidden even by itself. What looks like the mark of
/// something hidden cannot be told from one.
fn is_remarkable(value: &str) -> bool {
    let is_name = |word: &str| word.starts_with(char::is_uppercase) && word.chars().count() >= 3;
    let words = value.split(|sign: char| !sign.is_alphanumeric());
    !value.contains(HIDDEN) && words.into_iter().any(|word| is_name(word) || digits(word) >= 4)
}
