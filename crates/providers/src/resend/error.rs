//! Why an event of Resend was refused.

use crate::refusal::{Refusal, Unreadable};
use crate::standard_webhooks::StandardWebhookError;

/// Why a request was refused, in the order in which it is checked. No variant repeats what the request contained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResendWebhookError {
    /// Its Svix headers do not vouch for it.
    #[error(transparent)]
    Signature(#[from] StandardWebhookError),
    /// Rightly signed and timely, but not an event.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl ResendWebhookError {
    /// How far the request came.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::Signature(error) => error.refusal(),
            Self::Unreadable(_) => Refusal::Unreadable,
        }
    }
}
