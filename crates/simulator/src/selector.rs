//! Which messages something is meant for.

use std::fmt;

use serde::{Deserialize, Deserializer};

use crate::provider::Provider;

/// Some messages: those of one provider or of all, to whoever the pattern fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selector {
    /// Whose messages. Everybody's when none is given.
    pub provider: Option<Provider>,
    /// To whom they go. To anybody when none is given.
    pub recipient: Pattern,
}

impl Selector {
    /// Every message.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Those that `provider` is to send.
    #[must_use]
    pub fn provider(provider: Provider) -> Self {
        Self {
            provider: Some(provider),
            ..Self::default()
        }
    }

    /// Of these, the ones to recipients that fit `pattern`: `*` stands for anything, capitals do not matter.
    #[must_use]
    pub fn to(self, pattern: &str) -> Self {
        Self {
            recipient: Pattern::new(pattern),
            ..self
        }
    }

    pub(crate) fn fits(&self, provider: Provider, recipient: &str) -> bool {
        self.provider.is_none_or(|wanted| wanted == provider) && self.recipient.fits(recipient)
    }
}

/// A text with `*` in it for anything: `+1202*`, `*@bounce.example.com`.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Takes any text. Capitals do not matter.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    /// Whether `text` as a whole is of this form.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        if self.0 == "*" {
            return true;
        }
        let text = text.to_lowercase();
        let Some((first, others)) = self.0.split_once('*') else {
            return self.0 == text;
        };
        let Some(mut rest) = text.strip_prefix(first) else {
            return false;
        };
        let (middle, last) = others.rsplit_once('*').unwrap_or(("", others));
        for piece in middle.split('*') {
            match rest.split_once(piece) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

/// Fits everything.
impl Default for Pattern {
    fn default() -> Self {
        Self::new("*")
    }
}

/// Patterns are often somebody's address.
impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 == "*" { "*" } else { "***" })
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::new(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(Pattern::new(pattern).fits(text), expected, "{pattern} {text}");
    }

    #[test]
    fn a_star_stands_for_anything_and_everything_else_for_itself() {
        check("*", "", true);
        check("+1202*", "+12025550143", true);
        check("+1202*", "+13055550143", false);
        check("*@bounce.test", "ana@bounce.test", true);
        check("*@bounce.test", "ana@bounce.test.example.com", false);
        check("ana@example.com", "Ana@Example.com", true);
        check("ana@example.com", "xana@example.com", false);
        check("a*b*c", "a1b2c", true);
        check("a*b*c", "a1c2b", false);
        check("ab*ba", "aba", false);
        check("a**c", "abc", true);
        check("", "x", false);
    }
}
