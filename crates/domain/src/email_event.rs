//! One e-mail event: parsed by a provider, carried by a job, applied by the store.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::delivery::EmailEvent;
use crate::masking::{EmailAddress, PersonalText};

/// What happened to one e-mail, in our words.
///
/// It lies in job payloads, so a form once shipped must parse for ever: new fields are optional.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailEventRecord {
    /// Who reports it, as one word: `sendgrid`.
    pub provider: String,
    /// What the provider calls the message.
    pub external_id: String,
    /// What happened.
    pub kind: EmailEvent,
    /// What makes this event itself: the same text at the same endpoint is the same event. Made by the provider's parser.
    pub identity: String,
    /// When it happened, by the provider's clock.
    pub occurred_at: DateTime<Utc>,
    /// Who the message went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<EmailAddress>,
    /// The message's subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<PersonalText>,
    /// The caller's own id of the person it went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_id: Option<String>,
    /// The caller's own id of the organisation it went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation_id: Option<String>,
    /// The link that was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<PersonalText>,
}

/// Shows what kind of event it is and whose report. Callers' ids are left out, because some are addresses, and so is
/// the identity, because it may contain a link.
impl fmt::Debug for EmailEventRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailEventRecord")
            .field("provider", &self.provider)
            .field("kind", &self.kind)
            .field("occurred_at", &self.occurred_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FIRST_FORM: &str = r#"{"provider":"sendgrid","external_id":"abc","kind":"opened","identity":"evt-1","occurred_at":"2026-01-02T03:04:05Z"}"#;

    #[test]
    fn the_smallest_form_parses_and_comes_out_the_same() {
        let record: EmailEventRecord = serde_json::from_str(FIRST_FORM).unwrap();
        assert_eq!(record.kind, EmailEvent::Opened);
        assert_eq!(record.recipient, None);
        assert_eq!(serde_json::to_string(&record).unwrap(), FIRST_FORM);
    }

    #[test]
    fn a_field_of_a_later_version_is_ignored() {
        let later = FIRST_FORM.replacen('{', r#"{"campaign":"spring","#, 1);
        assert!(serde_json::from_str::<EmailEventRecord>(&later).is_ok());
    }

    #[test]
    fn an_unknown_kind_is_refused_with_the_list_of_known_ones() {
        let odd = FIRST_FORM.replace("opened", "teleported");
        let error = serde_json::from_str::<EmailEventRecord>(&odd).unwrap_err().to_string();
        assert!(error.contains("not one of: sent, delivered, opened"), "{error}");
    }

    #[test]
    fn nothing_personal_shows_in_debug() {
        let json = FIRST_FORM.replacen(
            '{',
            r#"{"recipient":"marie@example.com","subject":"Bonjour","person_id":"p-17","#,
            1,
        );
        let shown = format!("{:?}", serde_json::from_str::<EmailEventRecord>(&json).unwrap());
        for private in ["marie", "Bonjour", "p-17", "evt-1"] {
            assert!(!shown.contains(private), "{shown}");
        }
    }
}
