//! What a request to send says, as it is written.

use domain::{Channel, Fingerprint, Language, MessageClass};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::api::body::{objects, optional_object};
use crate::api::moment::Moment;
use crate::api::render::Variables;

/// A message to one recipient.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct MessageRequest {
    /// `email`, `sms` or `whatsapp`.
    #[schema(value_type = String)]
    pub(super) channel: Channel,
    /// An e-mail address, or a phone number with + and its country's code.
    pub(super) to: String,
    /// Who it comes from; the tenant's sender for this channel if not given. Mail: an address or `Name <address>`. Otherwise a
    /// number, or a messaging service of Twilio; SMS also a name of at most 11 letters, digits and spaces, which nobody can answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    /// A template of the tenant's, instead of `content`.
    #[serde(
        default,
        deserialize_with = "optional_object",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) template: Option<TemplateRequest>,
    /// What it says, instead of `template`. The texts are templates themselves, for `variables`.
    #[serde(
        default,
        deserialize_with = "optional_object",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) content: Option<ContentRequest>,
    /// What stands for placeholders. One that is missing is a 422 that names it.
    #[serde(default, skip_serializing_if = "Variables::is_empty")]
    #[schema(value_type = Object)]
    pub(super) variables: Variables,
    /// `en` or `fr`; the tenant's language if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) language: Option<Language>,
    /// The providers to go by, in the order in which they are tried; the tenant's route if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) providers: Option<Vec<String>>,
    /// When it is to go, at most a year ahead; at once if not given or past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<chrono::DateTime<chrono::Utc>>)]
    pub(super) scheduled_at: Option<Moment>,
    /// The caller's own id of the person it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) person_id: Option<String>,
    /// The caller's own id of the organisation it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) organisation_id: Option<String>,
    /// Words of the caller's for it. No place for what is personal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<String>,
    /// `transactional` (if not given), `code`, `marketing` or `critical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) class: Option<MessageClass>,
    /// Whether opens and clicks of a mail are followed, where the provider does not do that itself; as the tenant has it if
    /// not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tracking: Option<bool>,
    /// Where answers to a mail go, if not to its sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reply_to: Option<String>,
    /// A link that unsubscribes, for the button of mail programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unsubscribe_url: Option<String>,
    /// Files that go with a mail, at most 10 and 10 MiB together.
    #[serde(default, deserialize_with = "objects", skip_serializing_if = "Vec::is_empty")]
    pub(super) attachments: Vec<AttachmentRequest>,
    /// In a batch: what makes this message the same as another, as the header Idempotency-Key does for a single one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) idempotency_key: Option<String>,
}

/// Which template.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct TemplateRequest {
    /// Its name.
    pub(super) name: String,
    /// Which version; the latest if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<u32>,
}

/// Texts.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ContentRequest {
    /// Of a mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    /// Plain text. Made of `html` if only that is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    /// A mail's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) html: Option<String>,
}

/// A file, fetched when the mail is sent.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AttachmentRequest {
    /// Where it lies: https, and on no private network.
    pub(super) url: String,
    /// What it is to be called; the last part of the address if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// Its media type; what its server says if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) media_type: Option<String>,
    /// How large it is at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) size_bytes: Option<u64>,
}

/// One message, or `{"messages":[…]}` with up to 1,000.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct BatchRequest {
    /// The messages. Each is accepted or refused by itself.
    #[schema(value_type = Vec<MessageRequest>)]
    pub(super) messages: Vec<serde_json::Value>,
}

impl MessageRequest {
    /// What it asks for, in short: the same wish, however it is spaced and ordered, has the same.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let wish = Self {
            idempotency_key: None,
            ..self.clone()
        };
        let written = serde_json::to_vec(&wish).unwrap_or_default();
        Fingerprint(Sha256::digest(written).into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fingerprint(json: &str) -> Fingerprint {
        serde_json::from_str::<MessageRequest>(json).unwrap().fingerprint()
    }

    #[test]
    fn the_same_wish_has_the_same_fingerprint_and_another_wish_another() {
        let wish =
            r#"{"channel":"sms","to":"+33612345678","content":{"text":"a"},"variables":{"b":1,"a":{"d":1,"c":2}}}"#;
        let again = r#"{"variables":{"a":{"c":2,"d":1},"b":1}, "idempotency_key":"k",
            "content":{"text":"a"},"to":"+33612345678","channel":"sms"}"#;
        assert_eq!(fingerprint(wish), fingerprint(again));
        for other in [
            wish.replace("\"a\"}", "\"b\"}"),
            wish.replace("sms", "whatsapp"),
            wish.replace("78\"", "79\""),
            wish.replace("\"b\":1", "\"b\":2"),
        ] {
            assert_ne!(fingerprint(wish), fingerprint(&other), "{other}");
        }
    }
}
