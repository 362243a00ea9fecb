//! Who a mail comes from and goes to.

use domain::EmailAddress;
use lettre::Address;

use super::Line;

/// An address that no mail can be sent to. Never repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the e-mail address has no form that mail can be sent to")]
pub struct UnusableAddress;

/// An address that mail can be sent to, with or without a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    shown: EmailAddress,
    address: Sendable,
    name: Option<Line>,
}

/// Local part and domain as RFC 5321 has them, the domain in ASCII.
#[derive(Clone, PartialEq, Eq)]
struct Sendable(Address);

impl Mailbox {
    /// An address without a name.
    ///
    /// # Errors
    /// [`UnusableAddress`] when it is only sane, as [`EmailAddress`] asks, but not valid.
    pub fn new(address: &EmailAddress) -> Result<Self, UnusableAddress> {
        let (local, domain) = address.expose().rsplit_once('@').ok_or(UnusableAddress)?;
        let domain = ascii(domain).ok_or(UnusableAddress)?;
        Ok(Self {
            shown: address.clone(),
            address: Sendable(Address::new(local, domain).map_err(|_| UnusableAddress)?),
            name: None,
        })
    }

    /// The same with a name; an empty one is none.
    #[must_use]
    pub fn named(self, name: &Line) -> Self {
        Self {
            name: (!name.is_empty()).then(|| name.clone()),
            ..self
        }
    }

    /// The address, its domain in ASCII.
    #[must_use]
    pub fn address(&self) -> &str {
        self.address.0.as_ref()
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_ref().map(Line::expose)
    }

    /// What stands behind the `@`, in ASCII.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.address.0.domain()
    }

    pub(crate) fn to_address(&self) -> Address {
        self.address.0.clone()
    }

    /// As headers are built from it.
    pub(crate) fn to_lettre(&self) -> lettre::message::Mailbox {
        lettre::message::Mailbox::new(self.name().map(str::to_owned), self.to_address())
    }

    /// `"Ana, of Example" <ana@example.com>`, for providers that take one text. Quoted where RFC 5322 asks for it.
    pub(crate) fn to_text(&self) -> String {
        self.to_lettre().to_string()
    }
}

/// Masked, as `EmailAddress` is.
impl std::fmt::Debug for Sendable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// Not every server takes a domain in other letters; all of them take its ASCII form (RFC 5890).
fn ascii(domain: &str) -> Option<String> {
    if domain.is_ascii() {
        return Some(domain.to_owned());
    }
    match url::Host::parse(domain).ok()? {
        url::Host::Domain(domain) => Some(domain),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn mailbox(address: &str) -> Result<Mailbox, UnusableAddress> {
        Mailbox::new(&EmailAddress::parse(address).unwrap())
    }

    #[test]
    fn addresses_that_are_only_sane_are_refused() {
        let check = |address: &str, expected: Option<&str>| {
            let mailbox = mailbox(address).ok();
            assert_eq!(mailbox.as_ref().map(Mailbox::address), expected, "{address}");
        };
        check("ana@example.com", Some("ana@example.com"));
        check("ana+tag@mail.example.co.uk", Some("ana+tag@mail.example.co.uk"));
        check("\"odd local\"@example.com", Some("\"odd local\"@example.com"));
        check("ana@exämple.com", Some("ana@xn--exmple-cua.com"));
        check("ana@[192.0.2.1]", Some("ana@[192.0.2.1]"));
        for odd in [
            "two@@signs.example",
            "spaces in@example.com",
            "@example.com",
            "ana@",
            "Ana <ana@example.com>",
            "a@example.com, b@example.com",
            "a@b> SIZE=1@example.com",
        ] {
            check(odd, None);
        }
    }

    #[test]
    fn names_are_quoted_in_text_and_an_empty_one_is_none() {
        let check = |name: &str, expected: &str| {
            let named = mailbox("ana@example.com").unwrap().named(&Line::new(name));
            assert_eq!(named.to_text(), expected);
        };
        check("Ana Example", "Ana Example <ana@example.com>");
        check("Example, Ana", "\"Example, Ana\" <ana@example.com>");
        check("a <b@example.com>", "\"a <b@example.com>\" <ana@example.com>");
        check("A \"quoted\" \\ name", r#""A \"quoted\" \\ name" <ana@example.com>"#);
        check("\r\n", "ana@example.com");
    }

    #[test]
    fn nothing_personal_shows() {
        let mailbox = mailbox("ana@example.com").unwrap().named(&Line::new("Ana"));
        let shown = format!("{mailbox:?}");
        assert!(!shown.contains("ana@") && !shown.contains("Ana"), "{shown}");
    }

    proptest! {
        #[test]
        fn what_is_taken_for_an_address_cannot_break_out_of_a_command(text in "[a-z@<> .\"\\\\é,;:\\[\\]]{1,30}") {
            if let Ok(mailbox) = Mailbox::new(&EmailAddress::parse(&format!("{text}@example.com")).unwrap()) {
                let (local, domain) = mailbox.address().rsplit_once('@').unwrap();
                let quoted = local.starts_with('"') && local.ends_with('"') && local.len() > 1;
                prop_assert!(quoted || !local.contains(['<', '>', ' ', '"', ',', ';', ':', '@']), "{}", local);
                prop_assert_eq!(domain, "example.com");
            }
        }
    }
}
