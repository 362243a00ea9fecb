//! Why a signed e-mail event was refused.

use std::borrow::Cow;

use super::webhook::TIMESTAMP_AGE_SECONDS_MAX;
use crate::refusal::{Stale, Unreadable};

/// Why a request was refused, in the order in which it is checked. No variant repeats what the request contained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailWebhookError {
    /// One of the two headers is not there, so nothing vouches for the body.
    #[error("the header {header} is missing")]
    SignatureMissing {
        /// The header's name.
        header: &'static str,
    },
    /// The signature cannot be one.
    #[error("X-Signature is not 64 hex digits, with or without `sha256=` in front")]
    SignatureMalformed,
    /// The signature belongs to another text or another secret.
    #[error("the signature does not match `{{X-Timestamp}}.{{body}}`")]
    SignatureWrong,
    /// Rightly signed, but not a time.
    #[error("X-Timestamp is neither unix seconds nor RFC 3339")]
    TimestampMalformed,
    /// Rightly signed, but too long ago or too far ahead: perhaps recorded and sent again.
    #[error("{}", stale(*age_seconds))]
    TimestampStale {
        /// How old it is. Negative when it lies in the future.
        age_seconds: i64,
    },
    /// Rightly signed and timely, but not an e-mail event.
    #[error("{field} {reason}")]
    Unreadable {
        /// The field at fault; `body` for the whole.
        field: &'static str,
        /// What is wrong with it, to be read after the field's name.
        reason: Cow<'static, str>,
    },
}

impl From<Stale> for EmailWebhookError {
    fn from(stale: Stale) -> Self {
        Self::TimestampStale {
            age_seconds: stale.age_seconds,
        }
    }
}

impl From<Unreadable> for EmailWebhookError {
    fn from(Unreadable { field, reason }: Unreadable) -> Self {
        Self::Unreadable { field, reason }
    }
}

fn stale(age_seconds: i64) -> String {
    let distance = age_seconds.unsigned_abs();
    let direction = if age_seconds < 0 { "ahead" } else { "old" };
    format!("X-Timestamp is {distance} seconds {direction}; at most {TIMESTAMP_AGE_SECONDS_MAX} are accepted")
}
