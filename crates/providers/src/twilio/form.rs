//! `application/x-www-form-urlencoded`, byte by byte.
//!
//! By hand, because the usual reader replaces bytes that are no UTF-8 by one and the same sign: then two different bodies
//! would be signed alike.

use std::borrow::Cow;

/// Parameters in the order in which they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form(Vec<Pair>);

type Pair = (Vec<u8>, Vec<u8>);

impl Form {
    pub(super) fn read(text: &[u8]) -> Self {
        let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        Self(pairs.map(pair).collect())
    }

    /// In the order in which they are signed: by name, then by value, byte by byte, and none twice. (So do Twilio's
    /// libraries for Python, Node and PHP; the others differ on repeated names only.)
    pub(super) fn sorted(&self) -> Vec<&Pair> {
        let mut pairs: Vec<_> = self.0.iter().collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }

    /// The first value of a parameter, unless it is empty.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, value) = self.0.iter().find(|(other, _)| other == name.as_bytes())?;
        (!value.is_empty()).then(|| String::from_utf8_lossy(value))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name.as_bytes())
    }
}

fn pair(text: &[u8]) -> Pair {
    let mut halves = text.splitn(2, |byte| *byte == b'=');
    let mut half = || decode(halves.next().unwrap_or_default());
    (half(), half())
}

/// `+` is a space, `%2C` a comma; what looks like an escape but is none stands for itself.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let (byte, left) = match (first, after) {
            (b'+', _) => (b' ', after),
            (b'%', [high, low, left @ ..]) => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, left),
                _ => (b'%', after),
            },
            _ => (*first, after),
        };
        decoded.push(byte);
        rest = left;
    }
    decoded
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| value.try_into().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected = expected
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        assert_eq!(Form::read(text.as_bytes()), Form(expected.collect()), "{text}");
    }

    #[test]
    fn names_and_values_are_decoded_and_nothing_is_dropped() {
        check("", &[]);
        check("Body=Yes%2C+at+14%3A30", &[("Body", "Yes, at 14:30")]);
        check("A=&B&=c", &[("A", ""), ("B", ""), ("", "c")]);
        check("a=1&a=2&a=1", &[("a", "1"), ("a", "2"), ("a", "1")]);
        check("a=b=c&&d=%F0%9F%91%8B%0A", &[("a", "b=c"), ("d", "👋\n")]);
        check(
            "a=100%&b=%zz&c=%2&d=%+1",
            &[("a", "100%"), ("b", "%zz"), ("c", "%2"), ("d", "% 1")],
        );
    }

    #[test]
    fn parameters_are_sorted_by_their_bytes_capitals_first_and_none_is_there_twice() {
        let form = Form::read(b"b=2&a=1&B=0&a=1&a=0&ab=");
        let sorted: Vec<_> = form
            .sorted()
            .into_iter()
            .map(|(name, value)| [name.as_slice(), value].concat())
            .collect();
        assert_eq!(sorted, [b"B0".as_slice(), b"a0", b"a1", b"ab", b"b2"]);
    }

    proptest! {
        #[test]
        fn valid_text_is_read_as_the_usual_reader_does(text in "[ab+%0-9A-F=&é]{0,30}") {
            let usual: Vec<_> = url::form_urlencoded::parse(text.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
            let ours: Vec<_> = Form::read(text.as_bytes()).0.into_iter()
                .map(|(name, value)| (String::from_utf8_lossy(&name).into_owned(), String::from_utf8_lossy(&value).into_owned()))
                .collect();
            prop_assert_eq!(ours, usual);
        }
    }
}
