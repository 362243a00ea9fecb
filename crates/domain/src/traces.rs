//! By what somebody is found who is to be exported or erased, and whether a text mentions them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::ContactId;
use crate::masking::PersonalText;
use crate::outgoing::Recipient;

/// Fewer digits than this are no telephone number, and are found only where they stand alone.
const DIGITS_MIN: usize = 7;

/// All that somebody is found by. It is kept sealed, and only as long as somebody is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traces {
    /// The contact that was asked for, and those of addresses that are theirs alone.
    pub contacts: BTreeSet<ContactId>,
    /// The tenant's own id of the person.
    pub person_id: Option<PersonalText>,
    /// The tenant's own id of the organisation.
    pub organisation_id: Option<PersonalText>,
    /// Addresses and numbers that are theirs alone, and whatever else they wrote from.
    pub addresses: Vec<PersonalText>,
    /// Keyed hashes of those, also of some that nobody knows in the clear.
    pub hashes: BTreeSet<Vec<u8>>,
}

impl Traces {
    /// These, and others of the same person.
    pub fn join(&mut self, other: Self) {
        self.contacts.extend(other.contacts);
        self.person_id = self.person_id.take().or(other.person_id);
        self.organisation_id = self.organisation_id.take().or(other.organisation_id);
        self.hashes.extend(other.hashes);
        self.addresses.extend(other.addresses);
        self.addresses
            .sort_by(|one, another| one.expose().cmp(another.expose()));
        self.addresses.dedup();
    }

    /// Whether a text names one of their contacts.
    #[must_use]
    pub fn have_contact_in(&self, text: &str) -> bool {
        let read = text.to_lowercase();
        self.contacts.iter().any(|contact| read.contains(&contact.to_string()))
    }

    /// Whether a text has one of their addresses in it, however it is written, and not as a part of somebody else's.
    #[must_use]
    pub fn have_address_in(&self, text: &str) -> bool {
        let read = text.to_lowercase();
        self.addresses.iter().any(|address| is_in(address.expose(), &read))
    }

    /// Whether a field of this name that says this says who they are.
    #[must_use]
    pub fn are_named(&self, field: &str, says: &str) -> bool {
        let id = match field {
            "person_id" => &self.person_id,
            "organisation_id" => &self.organisation_id,
            _ => return false,
        };
        id.as_ref().is_some_and(|id| id.expose() == says.trim())
    }
}

/// Whether an address is in a text, which is in small letters.
fn is_in(address: &str, read: &str) -> bool {
    let Ok(recipient) = Recipient::try_from(address.to_owned()) else {
        // A short code, a sender's name: too little to look for within others.
        return read == address.to_lowercase();
    };
    let folded = recipient.expose_folded().to_lowercase();
    match recipient {
        Recipient::Address(_) => has_address(read, &folded) || has_address(read, &folded.replace('@', "%40")),
        Recipient::Number(_) => has_number(read, folded.trim_start_matches('+')),
    }
}

/// Whether an address stands in a text and is not a part of a longer one. What follows may be the end of a sentence.
fn has_address(read: &str, address: &str) -> bool {
    read.match_indices(address).any(|(at, _)| {
        let (before, after) = (&read[..at], &read[at + address.len()..]);
        let mut next = after.chars();
        let goes_on = match next.next() {
            Some('.') => next.next().is_some_and(char::is_alphanumeric),
            Some(char) => char.is_alphanumeric() || char == '-' || char == '_',
            None => false,
        };
        let is_end_of_longer = |char: char| char.is_alphanumeric() || "._+-".contains(char);
        let began_before = before.ends_with(is_end_of_longer) && !ends_in_escape(before);
        !goes_on && !began_before
    })
}

/// Whether a text ends with a character that is written as `%2C`.
fn ends_in_escape(text: &str) -> bool {
    let mut last = text.bytes().rev();
    let is_hex = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
    is_hex(last.next()) && is_hex(last.next()) && last.next() == Some(b'%')
}

/// Whether these digits stand in a text and are not a part of more.
fn has_number(read: &str, digits: &str) -> bool {
    if digits.len() < DIGITS_MIN {
        return read.trim_start_matches('+') == digits;
    }
    read.match_indices(digits).any(|(at, _)| {
        let goes_on = |side: Option<char>| side.is_some_and(|char| char.is_ascii_digit());
        !goes_on(read[..at].chars().next_back()) && !goes_on(read[at + digits.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn traces() -> Traces {
        let text = |text: &str| PersonalText::new(text);
        Traces {
            contacts: [ContactId(Uuid::from_u128(0xabc))].into(),
            person_id: Some(text("42")),
            addresses: vec![text("+12025550143"), text("Ana.Ruiz@Example.com"), text("36105")],
            ..Traces::default()
        }
    }

    #[test]
    fn an_address_is_found_however_it_is_written() {
        let found = |text: &str| traces().have_address_in(text) || traces().have_contact_in(text);
        let check = |text: &str, expected: bool| assert_eq!(found(text), expected, "{text}");
        for text in [
            "+12025550143",
            "whatsapp:+12025550143",
            "12025550143@c.us",
            "From=%2B12025550143&Body=x",
            r#"{"to":"ana.ruiz@example.com"}"#,
            "ANA.RUIZ@EXAMPLE.COM",
            "to=ana.ruiz%40example.com",
            "to=bob%40example.com%2Cana.ruiz%40example.com&x=1",
            "Write to ana.ruiz@example.com.",
            "Ana <ana.ruiz@example.com>",
            "36105",
            "contact 00000000-0000-0000-0000-000000000abc",
        ] {
            check(text, true);
        }
        for text in [
            "+120255501439",
            "912025550143",
            "2025550143",
            "ruiz@example.com",
            "mariana.ruiz@example.com",
            "mari+ana.ruiz@example.com",
            "ana.ruiz@example.com.br",
            "ana.ruiz@example.community",
            "361051",
            "order 36105",
            "42",
            "",
        ] {
            check(text, false);
        }
    }

    #[test]
    fn a_tenants_own_id_counts_only_where_it_names_somebody() {
        let check = |field, says, expected| assert_eq!(traces().are_named(field, says), expected, "{field} {says}");
        check("person_id", "42", true);
        check("person_id", " 42 ", true);
        check("person_id", "421", false);
        check("organisation_id", "42", false);
        check("hop", "42", false);
    }

    #[test]
    fn what_was_known_stays_known_when_more_is_found() {
        let mut known = traces();
        let more = Traces {
            person_id: Some(PersonalText::new("43")),
            addresses: vec![PersonalText::new("+12025550143"), PersonalText::new("ana@example.org")],
            ..Traces::default()
        };
        known.join(more);
        assert_eq!(known.addresses.len(), 4);
        assert!(known.are_named("person_id", "42") && known.have_address_in("ana@example.org"));
    }
}
