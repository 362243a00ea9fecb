//! Why a notification was refused.

use crate::refusal::{Refusal, Unreadable};

/// Why a request was refused, in the order in which it is checked. No variant repeats what the request contained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GreenApiWebhookError {
    /// The header is not there, so nothing vouches for the request.
    #[error("the header Authorization is missing")]
    TokenMissing,
    /// It is another token.
    #[error("the token in Authorization is not that of the endpoint")]
    TokenWrong,
    /// The token is right, but the body is no notification.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The token is right, but the notification is another instance's.
    #[error("instanceData.idInstance is not the endpoint's instance")]
    InstanceWrong,
}

impl GreenApiWebhookError {
    /// How far the request came.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::TokenMissing | Self::TokenWrong | Self::InstanceWrong => Refusal::Unproven,
            Self::Unreadable(_) => Refusal::Unreadable,
        }
    }
}
