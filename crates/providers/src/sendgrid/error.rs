//! Why a batch of events was refused, and why a mail was.

use chrono::{DateTime, Utc};

use crate::http_client::Answer;
use crate::json::{self, Fields as _};
use crate::refusal::{Refusal, Stale, Unreadable};
use crate::send_error::{Class, Failure, Meaning, SendError};

/// Why a request was refused, in the order in which it is checked. No variant repeats what the request contained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendGridWebhookError {
    /// One of the two headers is not there, so nothing vouches for the body.
    #[error("the header {header} is missing")]
    SignatureMissing {
        /// The header's name.
        header: &'static str,
    },
    /// The signature cannot be one.
    #[error("the signature is not base64")]
    SignatureMalformed,
    /// The signature belongs to another text or another key, or is no ASN.1 pair of numbers.
    #[error("the signature does not match the timestamp and the body")]
    SignatureWrong,
    /// Rightly signed, but not a time.
    #[error("the timestamp is not unix seconds")]
    TimestampMalformed,
    /// Rightly signed, but too long ago or too far ahead.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// Rightly signed and timely, but not a list of events.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl SendGridWebhookError {
    /// How far the request came.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::SignatureMissing { .. } | Self::SignatureMalformed | Self::SignatureWrong => Refusal::Unproven,
            Self::TimestampMalformed | Self::Stale(_) => Refusal::Stale,
            Self::Unreadable(_) => Refusal::Unreadable,
        }
    }
}

/// What an answer that is not a success means (documentation, "Errors" and "Rate Limits").
pub(super) fn meaning(answer: &Answer, now: DateTime<Utc>) -> SendError {
    const SENDER: Meaning = rejected(
        Class::Configuration,
        "the sender is not verified, or the key may not send",
    );
    const ADDRESS: Meaning = rejected(Class::Configuration, "the API is not where it was asked for");
    const SIZE: Meaning = rejected(Class::Content, "the mail is too large");
    match answer.status.as_u16() {
        400 => field_at_fault(&answer.body),
        403 => SENDER.error("http_403"),
        status @ (404..=406) => ADDRESS.error(format!("http_{status}")),
        413 => SIZE.error("http_413"),
        _ => answer.error(now),
    }
}

/// SendGrid has no codes. It names the field that it does not like: `from.email`, `personalizations.0.to.0.email`.
const FIELDS: [(&str, Class, &str); 7] = [
    ("from", Class::Configuration, "the sender's address is not taken"),
    ("reply_to", Class::Configuration, "the address for answers is not taken"),
    ("to", Class::Recipient, "the recipient's address is not taken"),
    ("subject", Class::Content, "the subject is not taken"),
    ("content", Class::Content, "the text is not taken"),
    ("attachments", Class::Content, "an attachment is not taken"),
    ("headers", Class::Content, "a header is not taken"),
];

fn field_at_fault(body: &[u8]) -> SendError {
    let body = json::object(body).unwrap_or_default();
    let errors = body.list("errors").iter().filter_map(serde_json::Value::as_object);
    let row = errors.filter_map(|error| row(error.text("field")?)).next();
    match row {
        Some((field, class, detail)) => rejected(*class, detail).error(format!("http_400 {field}")),
        None => rejected(Class::Unknown, "SendGrid does not take the request").error("http_400"),
    }
}

fn row(field: &str) -> Option<&'static (&'static str, Class, &'static str)> {
    let is_place = |part: &&str| *part != "personalizations" && part.parse::<usize>().is_err();
    let name = field.split('.').find(is_place)?;
    FIELDS.iter().find(|row| row.0 == name)
}

const fn rejected(class: Class, detail: &'static str) -> Meaning {
    Meaning::new(Failure::Rejected(class), detail)
}
