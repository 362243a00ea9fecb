//! Personal data that does not leak by accident.
//!
//! `Debug` and `Display` of these types are masked, so a log line, an error or a failed assertion cannot show what
//! they hold. Reading the value takes `expose()`, a word to search for in review. Serde is transparent: they live in
//! payloads, which are sealed at rest.

mod masker;

use std::fmt;

pub use masker::Masker;
use serde::{Deserialize, Serialize};

/// The longest address there is: 64 bytes of local part, `@`, 255 of domain.
pub const ADDRESS_BYTES_MAX: usize = 320;

/// What is wrong with an address. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing was given.
    #[error("an e-mail address must not be empty")]
    Empty,
    /// More than [`ADDRESS_BYTES_MAX`] bytes.
    #[error("an e-mail address has at most {ADDRESS_BYTES_MAX} bytes")]
    Long,
    /// There is no `@`.
    #[error("an e-mail address contains an @")]
    At,
    /// A line break, a tab, a NUL …
    #[error("an e-mail address has no control characters")]
    Control,
}

/// An e-mail address as a provider reported it.
///
/// Only sane, not valid: a provider has already accepted it, and an odd address must not make us lose its event.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Takes an address, without the white space around it.
    ///
    /// # Errors
    /// [`AddressError`] says which of the few demands is not met.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.is_empty() {
            Err(AddressError::Empty)
        } else if text.len() > ADDRESS_BYTES_MAX {
            Err(AddressError::Long)
        } else if text.chars().any(char::is_control) {
            Err(AddressError::Control)
        } else if !text.contains('@') {
            Err(AddressError::At)
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// The address itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The form in which all spellings of one mailbox are the same: a local part without quotes that it does not need (RFC 5322),
    /// a domain in its ASCII form (UTS #46) without the root's dot, and all in lower case. The standard lets a server tell
    /// `Ada@` from `ada@`; no mail service people use does.
    #[must_use]
    pub fn expose_folded(&self) -> String {
        let (local, domain) = self.0.rsplit_once('@').unwrap_or((&self.0, ""));
        let local = unquoted(local).unwrap_or_else(|| local.to_owned());
        let ascii = idna::domain_to_ascii(domain).ok().filter(|ascii| !ascii.is_empty());
        let domain = ascii.as_deref().unwrap_or(domain);
        format!("{local}@{}", domain.strip_suffix('.').unwrap_or(domain)).to_lowercase()
    }
}

/// What stands between quotes that need not be there: the same without them is a dot-atom (RFC 5322, 3.2.3).
fn unquoted(local: &str) -> Option<String> {
    let quoted = local.strip_prefix('"')?.strip_suffix('"')?;
    let (mut plain, mut is_escaped) = (String::with_capacity(quoted.len()), false);
    for c in quoted.chars() {
        is_escaped = c == '\\' && !is_escaped;
        if !is_escaped {
            plain.push(c);
        }
    }
    let is_atom = |atom: &str| {
        let is_text = |c: char| c.is_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(c);
        !atom.is_empty() && atom.chars().all(is_text)
    };
    plain.split('.').all(is_atom).then_some(plain)
}

impl TryFrom<String> for EmailAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

/// `m***@e***.com`: enough to tell two addresses of a conversation apart, too little to write to one.
impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, domain) = self.0.rsplit_once('@').unwrap_or((&self.0, ""));
        let (host, top) = domain.rsplit_once('.').unwrap_or((domain, ""));
        write!(f, "{}***@{}***", hint(local), hint(host))?;
        // Only a plain ending: that of `[192.0.2.1]` would be part of the address.
        if !top.is_empty() && top.chars().all(|c| c.is_ascii_alphabetic()) {
            write!(f, ".{top}")
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The first character, unless it would be all there is.
fn hint(part: &str) -> &str {
    let mut boundaries = part.char_indices().skip(1);
    boundaries.next().map_or("", |(end, _)| &part[..end])
}

/// A text by or about a person: a subject, a body, a link they followed.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonalText(String);

impl PersonalText {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for PersonalText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// `<42 bytes>`.
impl fmt::Display for PersonalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

impl fmt::Debug for PersonalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_shows_its_initials_only() {
        let check = |address: &str, expected: &str| {
            let address = EmailAddress::parse(address).unwrap();
            assert_eq!(format!("{address}"), expected);
            assert_eq!(format!("{address:?}"), expected);
        };
        check("marie@example.com", "m***@e***.com");
        check(" marie@mail.example.co.uk ", "m***@m***.uk");
        check("m@x.org", "***@***.org");
        check("élodie@exemple.fr", "é***@e***.fr");
        check("\"odd @ local\"@example.com", "\"***@e***.com");
        check("root@localhost", "r***@l***");
        check("a.b@[192.0.2.1]", "a***@[***");
        check("@", "***@***");
    }

    #[test]
    fn odd_addresses_pass_and_senseless_ones_are_refused_with_a_reason() {
        let check = |text: &str, expected| assert_eq!(EmailAddress::parse(text).err(), expected);
        check("no-dot@localhost", None);
        check("two@@signs", None);
        check("spaces in@local.part", None);
        check(&format!("{}@x", "a".repeat(318)), None);
        check(&format!("{}@x", "a".repeat(319)), Some(AddressError::Long));
        check("", Some(AddressError::Empty));
        check("  ", Some(AddressError::Empty));
        check("nobody", Some(AddressError::At));
        check("a\r\nBcc: b@example.com", Some(AddressError::Control));
    }

    #[test]
    fn a_refused_address_in_json_names_the_fault_and_not_the_address() {
        let error = serde_json::from_str::<EmailAddress>(r#""very-private-person""#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("contains an @"), "{error}");
        assert!(!error.contains("private"), "{error}");
    }

    #[test]
    fn every_spelling_of_a_mailbox_is_folded_into_one() {
        for spelling in [
            "victim@example.com",
            "VICTIM@Example.com",
            "victim@ｅxample.com",
            "victim@example。com",
            "victim@exam\u{ad}ple.com",
            "victim@example.com.",
            "\"victim\"@example.com",
            "\"vi\\ctim\"@example.com",
        ] {
            let folded = EmailAddress::parse(spelling).unwrap().expose_folded();
            assert_eq!(folded, "victim@example.com", "{spelling:?}");
        }
        for (other, folded) in [
            ("ana@exämple.com", "ana@xn--exmple-cua.com"),
            ("\"a b\"@example.com", "\"a b\"@example.com"),
            ("\"a@b\"@example.com", "\"a@b\"@example.com"),
            ("\"\"@example.com", "\"\"@example.com"),
            ("ana@[192.0.2.1]", "ana@[192.0.2.1]"),
        ] {
            assert_eq!(EmailAddress::parse(other).unwrap().expose_folded(), folded);
        }
    }

    #[test]
    fn both_types_are_plain_strings_in_json() {
        let json = r#"["marie@example.com","Bonjour"]"#;
        let (address, text): (EmailAddress, PersonalText) = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&(&address, &text)).unwrap(), json);
        assert_eq!(text.to_string(), "<7 bytes>");
    }

    proptest! {
        #[test]
        fn masking_never_shows_two_characters_in_a_row(local in "[a-z]{2,20}", host in "[a-z]{2,20}") {
            let shown = EmailAddress::parse(&format!("{local}@{host}.com")).unwrap().to_string();
            prop_assert_eq!(shown, format!("{}***@{}***.com", &local[..1], &host[..1]));
        }

        #[test]
        fn any_text_is_parsed_and_masked_without_a_panic(text: String) {
            if let Ok(address) = EmailAddress::parse(&text) {
                let _ = address.to_string();
                prop_assert_eq!(address.expose(), text.trim());
            }
            prop_assert_eq!(PersonalText::new(text.clone()).to_string(), format!("<{} bytes>", text.len()));
        }
    }
}
