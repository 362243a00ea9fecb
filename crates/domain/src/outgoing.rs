//! A message that goes out: to whom, what kind of message it is, and what came of trying to send it.

mod attempt;
mod recipient;

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use attempt::{AttemptResult, AttemptState, MessageEnd};
pub use recipient::{Recipient, RecipientError};

use crate::channel::{Channel, Language};
use crate::ids::MessageId;
use crate::masking::PersonalText;

stored! {
    /// What kind of message it is, which decides when it may go and what follows if nobody knows whether it went.
    MessageClass {
        /// Somebody asked for it by what they did: a receipt, an appointment. A second one would confuse.
        Transactional = "transactional",
        /// A one-time code. Useless when late; a second one says the same.
        Code = "code",
        /// Nobody asked for it. Waits for the end of quiet hours.
        Marketing = "marketing",
        /// Must arrive, and once: an invoice, an alarm. When it is unclear whether it went, a person decides.
        Critical = "critical",
    }
}

/// SHA-256 of a request, by which a second request with the same key and another wish is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub [u8; 32]);

/// One version of a template.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TemplateVersion {
    /// The template's name.
    pub name: String,
    /// Counted from 1.
    pub version: u32,
}

/// A message that is about to be sent, as it is written down before anybody is called.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingRecord {
    /// Its id, derived from the request ([`MessageId::of_request`]), so that the request's answer can name it.
    pub id: MessageId,
    /// What the request asked for, in short.
    pub fingerprint: Fingerprint,
    /// How it goes.
    pub channel: Channel,
    /// Where it goes.
    pub recipient: Recipient,
    /// What kind of message it is.
    pub class: MessageClass,
    /// The language it is written in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// What it is written with, if with a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateVersion>,
    /// The tenant's own words for it. Not sealed: no place for what is personal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// When it was to go, if not at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<DateTime<Utc>>,
    /// The tenant's own id of the person it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_id: Option<String>,
    /// The tenant's own id of the organisation it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation_id: Option<String>,
    /// A mail's subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<PersonalText>,
    /// What it says, in whatever form the sender reads again. None for a code: it is computed when it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<PersonalText>,
    /// Whether it goes to somebody who works for the tenant: a reminder, a link to sign in. What they do with it says
    /// nothing about a lead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub to_member: bool,
}

/// Shows the kind of message and the masked recipient. Callers' ids are left out, because some are addresses.
impl fmt::Debug for OutgoingRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingRecord")
            .field("id", &self.id)
            .field("channel", &self.channel)
            .field("recipient", &self.recipient)
            .field("class", &self.class)
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The form that lies in job payloads.
    const FIRST_FORM: &str = r#"{"id":"00000000-0000-0000-0000-000000000001","fingerprint":[7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7],"channel":"sms","recipient":"+33612345678","class":"code"}"#;

    #[test]
    fn the_smallest_form_parses_and_comes_out_the_same() {
        let record: OutgoingRecord = serde_json::from_str(FIRST_FORM).unwrap();
        assert_eq!((record.class, record.content.is_none()), (MessageClass::Code, true));
        assert_eq!(serde_json::to_string(&record).unwrap(), FIRST_FORM);
    }

    #[test]
    fn nothing_personal_shows_in_debug() {
        let json = FIRST_FORM.replacen(
            '{',
            r#"{"person_id":"ada-17","subject":"Bonjour","content":"Bonsoir","#,
            1,
        );
        let shown = format!("{:?}", serde_json::from_str::<OutgoingRecord>(&json).unwrap());
        for private in ["ada-17", "Bonjour", "Bonsoir", "612345"] {
            assert!(!shown.contains(private), "{shown}");
        }
    }

    #[test]
    fn stored_words_are_what_they_always_were() {
        let words: Vec<_> = MessageClass::ALL.iter().map(|class| class.as_str()).collect();
        assert_eq!(words.join(" "), "transactional code marketing critical");
    }
}
