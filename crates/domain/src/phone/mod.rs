//! Phone numbers that can only be valid.
//!
//! A number is kept as E.164 has it: `+`, calling code of the country, national number, at most 15 digits. What counts
//! as valid is the shape that a country's numbering plan gives to its numbers (length and first digits), as the metadata
//! of libphonenumber describe it, and not which ranges are assigned today: ranges are opened faster than a dependency
//! is updated, numbers reserved for examples are in none of them, and a number that nobody has costs one refused call
//! to a provider, while a customer who is refused is lost.

mod plan;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most digits of a number, calling code included (ITU-T E.164).
pub const DIGITS_MAX: usize = 15;

/// The longest text that is looked at; a number needs less, whatever it is spaced with.
const TEXT_BYTES_MAX: usize = 64;

/// Fewer national digits than these, and the last two would be too much to show.
const DIGITS_TO_HINT_AT_MIN: usize = 7;

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
            Written::International(digits) => plan::international(&digits).map(Self),
            Written::National(_) => Err(PhoneError::NoCountry),
        }
    }

    /// Reads a number as people in `country` (ISO 3166-1, two letters) write it: `06 12 34 56 78` in `FR`. One written
    /// with another country, by `+` or by the prefix for calls abroad, keeps it.
    ///
    /// # Errors
    /// [`PhoneError`] says what is wrong.
    pub fn parse_in(country: &str, text: &str) -> Result<Self, PhoneError> {
        let country = plan::named(country).ok_or(PhoneError::UnknownCountry)?;
        match digits(text)? {
            Written::International(digits) => plan::international(&digits).map(Self),
            Written::National(digits) => plan::national(country, &digits).map(Self),
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
        plan::country(code, national)
    }

    /// Calling code and national number.
    fn parts(&self) -> (&str, &str) {
        let digits = &self.0[1..];
        plan::calling_code(digits).map_or(("", digits), |code| digits.split_at(code.len()))
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
