//! The six digits themselves: how they are computed, and how they are read from what a person typed.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::ids::ChallengeId;
use crate::words::narrowed;

/// The digits of a code.
pub(super) const DIGITS: usize = 6;

/// How many codes there are.
const CODES: u64 = 1_000_000;

/// What a key is used for, in front of what is hashed, so that a key used elsewhere too gives nothing away.
const PURPOSE: &[u8] = b"relais one-time code\0";

/// The longest text that is read as a code.
const TEXT_BYTES_MAX: usize = 64;

/// The secret that codes follow from. Whoever has it knows every code.
#[derive(Clone)]
pub struct CodeKey([u8; 32]);

impl CodeKey {
    /// Takes 256 random bits.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeKey(…)")
    }
}

/// Why a text is not a code. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Nothing was given.
    #[error("a code must not be empty")]
    Empty,
    /// Fewer or more than six digits.
    #[error("a code has six digits")]
    Length,
    /// Something that is neither a digit nor a space or a dash.
    #[error("a code has only digits")]
    Character,
}

/// A one-time code: six digits, of which leading ones may be zero.
///
/// `Debug` and `Display` show none of them, it has no form in JSON, and two are compared in constant time.
#[derive(Clone)]
pub struct Code(String);

impl Code {
    /// The code of a challenge.
    ///
    /// HMAC-SHA256 over the purpose and the challenge's id; its first 64 bits, modulo a million. The lower codes are
    /// more likely by one part in 10^13, which no number of guesses turns into an advantage.
    #[must_use]
    pub fn derive(key: &CodeKey, challenge: ChallengeId) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).expect("HMAC takes a key of any length");
        mac.update(PURPOSE);
        mac.update(challenge.0.as_bytes());
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        let number = tag[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Self(format!("{:06}", number % CODES))
    }

    /// Reads what a person typed where a code was asked for: `123456`, `123 456`, `12-34-56`, `１２３４５６`, `١٢٣٤٥٦`.
    ///
    /// # Errors
    /// [`CodeError`] says what is wrong. That is no try: nothing was compared.
    pub fn read(text: &str) -> Result<Self, CodeError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(CodeError::Length);
        }
        let mut digits = String::with_capacity(DIGITS);
        for char in text.chars() {
            match digit(char) {
                Some(digit) => digits.push(digit),
                None if char.is_whitespace() || is_dash(char) || is_invisible(char) => {}
                None => return Err(CodeError::Character),
            }
        }
        match digits.len() {
            DIGITS => Ok(Self(digits)),
            0 => Err(CodeError::Empty),
            _ => Err(CodeError::Length),
        }
    }

    /// The digits: for the message that carries them, and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// In constant time, so that the time an answer takes does not tell how many digits were right.
impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Code {}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("••••••")
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The ASCII digit that a digit of a phone's keyboard stands for: full width, Arabic, Persian.
pub(super) fn digit(char: char) -> Option<char> {
    let value = match narrowed(char) {
        char @ '0'..='9' => return Some(char),
        char @ '\u{660}'..='\u{669}' => char as u32 - 0x660,
        char @ '\u{6f0}'..='\u{6f9}' => char as u32 - 0x6f0,
        _ => return None,
    };
    char::from_digit(value, 10)
}

/// The hyphens and dashes of keyboards.
pub(super) const fn is_dash(char: char) -> bool {
    matches!(char, '-' | '\u{2010}'..='\u{2014}')
}

/// The marks of direction and joining that come along when text is copied.
pub(super) const fn is_invisible(char: char) -> bool {
    matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn code(key: u8, challenge: u128) -> Code {
        Code::derive(&CodeKey::new([key; 32]), ChallengeId(Uuid::from_u128(challenge)))
    }

    /// Written out, because a change of the derivation would turn away everybody who has just got a code. Computed
    /// apart from this program, with OpenSSL.
    #[test]
    fn a_code_is_the_same_whenever_it_is_derived() {
        assert_eq!(code(1, 7).expose(), "512178");
    }

    #[test]
    fn another_key_or_challenge_has_another_code() {
        assert_ne!(code(1, 7), code(2, 7));
        assert_ne!(code(1, 7), code(1, 8));
    }

    #[test]
    fn every_code_has_six_digits_and_all_first_digits_are_as_frequent() {
        let mut first = [0; 10];
        for challenge in 0..10_000 {
            let code = code(3, challenge);
            assert_eq!(code.expose().len(), DIGITS);
            first[usize::from(code.expose().as_bytes()[0] - b'0')] += 1;
        }
        // Six standard deviations (30) around the mean.
        assert!(first.iter().all(|count| (820..1180).contains(count)), "{first:?}");
    }

    #[test]
    fn nothing_of_a_code_or_a_key_shows() {
        let code = code(1, 7);
        assert_eq!(format!("{code} {code:?}"), "•••••• ••••••");
        assert_eq!(format!("{:?}", CodeKey::new([1; 32])), "CodeKey(…)");
    }

    #[test]
    fn a_typed_code_is_read_however_it_is_spaced_and_in_whichever_digits() {
        for text in [
            "012345",
            " 012 345\n",
            "012-345",
            "01-23-45",
            "0 1 2 3 4 5",
            "012\u{a0}345",
            "012–345",
            "０１２３４５",
            "٠١٢٣٤٥",
            "۰۱۲۳۴۵",
            "\u{200f}٠١٢٣٤٥\u{202c}",
        ] {
            assert_eq!(Code::read(text).unwrap().expose(), "012345", "{text}");
        }
    }

    #[test]
    fn what_is_not_a_code_is_refused_with_its_fault() {
        let check = |text: &str, expected| assert_eq!(Code::read(text).unwrap_err(), expected, "{text}");
        check("", CodeError::Empty);
        check(" - ", CodeError::Empty);
        check("12345", CodeError::Length);
        check("1234567", CodeError::Length);
        check(&"1 ".repeat(40), CodeError::Length);
        check("12345a", CodeError::Character);
        check("G-123456", CodeError::Character);
        check("123.456", CodeError::Character);
        check("123456€", CodeError::Character);
        check("+123456", CodeError::Character);
        check("①②③④⑤⑥", CodeError::Character);
        check("१२३४५६", CodeError::Character);
        check("code 123456", CodeError::Character);
    }

    proptest! {
        #[test]
        fn a_code_typed_back_is_the_code(key: u8, challenge: u128, cut in 0_usize..=6, space in "[ \\-]{0,2}") {
            let code = code(key, challenge);
            let (left, right) = code.expose().split_at(cut);
            prop_assert_eq!(Code::read(&format!("{left}{space}{right}")).unwrap(), code);
        }

        #[test]
        fn codes_are_equal_when_their_digits_are(one in "[0-9]{6}", other in "[0-9]{6}") {
            let [first, second] = [&one, &other].map(|text| Code::read(text).unwrap());
            prop_assert_eq!(first == second, one == other);
            prop_assert_eq!(&first, &first.clone());
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String) {
            if let Ok(code) = Code::read(&text) {
                prop_assert!(code.expose().len() == DIGITS && code.expose().bytes().all(|byte| byte.is_ascii_digit()));
            }
        }
    }
}
