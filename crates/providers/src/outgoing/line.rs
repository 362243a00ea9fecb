//! Texts of one line.

use std::fmt;

use domain::PersonalText;

/// The longest line that is kept. With the longest name of a header in front it still is one line of a mail, which may
/// have 998 bytes (RFC 5322, 2.1.1).
pub const LINE_CHARS_MAX: usize = 900;

/// A text by or about a person that is one line: a subject, a name.
///
/// Line breaks and other control characters count as spaces, and several spaces as one. A template that ends in a line
/// break is thus no error, and nothing behind one becomes a header. What is longer than [`LINE_CHARS_MAX`] is cut.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Line(PersonalText);

impl Line {
    /// Makes one line of a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let is_break = |c: char| c.is_control() || c.is_whitespace();
        let words: Vec<_> = text.split(is_break).filter(|word| !word.is_empty()).collect();
        let line = words.join(" ");
        let line = match line.char_indices().nth(LINE_CHARS_MAX) {
            Some((end, _)) => line[..end].trim_end().to_owned(),
            None => line,
        };
        Self(PersonalText::new(line))
    }

    /// The line itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

/// `<42 bytes>`.
impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn breaks_become_spaces() {
        let check = |text: &str, expected: &str| assert_eq!(Line::new(text).expose(), expected, "{text:?}");
        check("Your appointment", "Your appointment");
        check(" Your \r\n appointment\n", "Your appointment");
        check("Hi\r\nBcc: a@example.com", "Hi Bcc: a@example.com");
        check("a\0b\u{85}c\u{2028}d\te", "a b c d e");
        check("", "");
    }

    #[test]
    fn a_line_is_cut_between_characters() {
        assert_eq!(Line::new(&"é".repeat(2000)).expose(), "é".repeat(LINE_CHARS_MAX));
        let word = "é".repeat(LINE_CHARS_MAX - 1);
        assert_eq!(Line::new(&format!("{word} next")).expose(), word);
    }

    proptest! {
        #[test]
        fn no_text_breaks_a_line(text: String) {
            let line = Line::new(&text);
            prop_assert!(!line.expose().chars().any(char::is_control));
            prop_assert_eq!(Line::new(line.expose()), line);
        }
    }
}
