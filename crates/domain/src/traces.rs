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
    /// What work with them is called, which reminders repeat.
    pub titles: Vec<PersonalText>,
}

impl Traces {
    /// These, and others of the same person.
    pub fn join(&mut self, other: Self) {
        self.contacts.extend(other.contacts);
        self.person_id = self.person_id.take().or(other.person_id);
        self.organisation_id = self.organisation_id.take().or(other.organisation_id);
        self.hashes.extend(other.hashes);
        for (texts, more) in [(&mut self.addresses, other.addresses), (&mut self.titles, other.titles)] {
            texts.extend(more);
            texts.sort_by(|one, another| one.expose().cmp(another.expose()));
            texts.dedup();
        }
    }

    /// Whether a text names one of their contacts or has one of their addresses in it, however it is written.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        let read = text.to_lowercase();
        let names = |contact: &ContactId| read.contains(&contact.to_string());
        self.contacts.iter().any(names) || self.addresses.iter().any(|address| is_in(address.expose(), &read))
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

    /// Whether a text repeats what work with them is called.
    #[must_use]
    pub fn are_titled(&self, text: &str) -> bool {
        let has = |title: &PersonalText| !title.expose().trim().is_empty() && text.contains(title.expose().trim());
        self.titles.iter().any(has)
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
        Recipient::Address(_) => read.contains(&folded) || read.contains(&folded.replace('@', "%40")),
        Recipient::Number(_) => has_number(read, folded.trim_start_matches('+')),
    }
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
            titles: vec![text("Ask about the wedding")],
            ..Traces::default()
        }
    }

    #[test]
    fn an_address_is_found_however_it_is_written() {
        let check = |text: &str, expected: bool| assert_eq!(traces().are_in(text), expected, "{text}");
        for text in [
            "+12025550143",
            "whatsapp:+12025550143",
            "12025550143@c.us",
            "From=%2B12025550143&Body=x",
            r#"{"to":"ana.ruiz@example.com"}"#,
            "ANA.RUIZ@EXAMPLE.COM",
            "to=ana.ruiz%40example.com",
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
        assert!(known.are_named("person_id", "42") && known.are_in("ana@example.org"));
        assert!(known.are_titled("Reminder: “Ask about the wedding” was due"));
    }
}
