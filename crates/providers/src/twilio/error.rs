//! Why a request of Twilio was refused.

use crate::refusal::{Refusal, Unreadable};

/// Why a request was refused. No variant repeats what the request contained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TwilioWebhookError {
    /// The header is not there, so nothing vouches for the request.
    #[error("the header {header} is missing")]
    SignatureMissing {
        /// The header's name.
        header: &'static str,
    },
    /// The signature cannot be one.
    #[error("the signature is not base64 of 20 bytes")]
    SignatureMalformed,
    /// The signature belongs to another URL, other parameters or another token.
    #[error("the signature does not match the URL and the parameters")]
    SignatureWrong,
    /// The URL may be genuine, but nothing vouches for the body.
    #[error("the body is not a form, and the URL has no bodySHA256 to vouch for it")]
    BodyHashMissing,
    /// The URL is genuine, but made for another body.
    #[error("bodySHA256 in the URL does not match the body")]
    BodyHashWrong,
    /// Rightly signed, but neither a form nor JSON.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl TwilioWebhookError {
    /// How far the request came.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::SignatureMissing { .. }
            | Self::SignatureMalformed
            | Self::SignatureWrong
            | Self::BodyHashMissing
            | Self::BodyHashWrong => Refusal::Unproven,
            Self::Unreadable(_) => Refusal::Unreadable,
        }
    }
}
