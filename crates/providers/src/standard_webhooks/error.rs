//! Why a Standard Webhook was refused.

use crate::refusal::{Refusal, Stale, Unreadable};

/// Why a request was refused, in the order in which it is checked. No variant repeats what the request contained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StandardWebhookError {
    /// One of the three headers is not there, so nothing vouches for the body.
    #[error("the header {header} is missing")]
    SignatureMissing {
        /// The header's name.
        header: &'static str,
    },
    /// The id has a dot in it, so it could have taken a piece of the timestamp.
    #[error("the id must not contain a dot")]
    IdMalformed,
    /// None of the signatures is of a kind that we know.
    #[error("there is no signature of the form `v1,{{base64}}` or `v1a,{{base64}}`")]
    SignatureMalformed,
    /// The signatures belong to another text or another key.
    #[error("no signature matches `{{id}}.{{timestamp}}.{{body}}`")]
    SignatureWrong,
    /// Rightly signed, but not a time.
    #[error("the timestamp is not unix seconds")]
    TimestampMalformed,
    /// Rightly signed, but too long ago or too far ahead.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// Rightly signed and timely, but not JSON.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl StandardWebhookError {
    /// How far the request came.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::SignatureMissing { .. } | Self::IdMalformed | Self::SignatureMalformed | Self::SignatureWrong => {
                Refusal::Unproven
            }
            Self::TimestampMalformed | Self::Stale(_) => Refusal::Stale,
            Self::Unreadable(_) => Refusal::Unreadable,
        }
    }
}
