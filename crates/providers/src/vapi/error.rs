//! Why a message of Vapi was refused.

use crate::refusal::{Refusal, Stale, Unreadable};

/// Why a request was refused, in the order in which it is checked. No variant repeats what the request contained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VapiWebhookError {
    /// A header that vouches for the request, or is part of what is signed, is not there.
    #[error("the header {header} is missing")]
    ProofMissing {
        /// The header's name, as configured.
        header: String,
    },
    /// It is another secret or token.
    #[error("the secret is not that of the endpoint")]
    SecretWrong,
    /// The signature cannot be one.
    #[error("the signature is not of the configured prefix and encoding")]
    SignatureMalformed,
    /// The signature belongs to another text or another secret.
    #[error("the signature does not match the configured payload")]
    SignatureWrong,
    /// Rightly signed, but not a time.
    #[error("the timestamp is neither unix seconds nor milliseconds")]
    TimestampMalformed,
    /// Rightly signed, but too long ago or too far ahead.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// Genuine, but no message.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl VapiWebhookError {
    /// How far the request came.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::ProofMissing { .. } | Self::SecretWrong | Self::SignatureMalformed | Self::SignatureWrong => {
                Refusal::Unproven
            }
            Self::TimestampMalformed | Self::Stale(_) => Refusal::Stale,
            Self::Unreadable(_) => Refusal::Unreadable,
        }
    }
}
