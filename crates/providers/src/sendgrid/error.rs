//! Why a batch of events was refused.

use crate::refusal::{Refusal, Stale, Unreadable};

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
