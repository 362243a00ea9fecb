//! What Resend remembers beyond the ledger.

use std::fmt;

use chrono::{DateTime, Utc};

use super::body::Body;
use super::idempotency::Keys;
use crate::recent::Recent;
use crate::settings::Limits;

/// Mail that was sent, mail that came in, and idempotency keys.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(super) sent: Recent<Mail>,
    pub(super) received: Recent<Mail>,
    pub(super) keys: Keys,
}

impl Memory {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            sent: Recent::new(limits.messages),
            received: Recent::new(limits.messages),
            keys: Keys::new(limits.messages),
        }
    }
}

/// A mail. Its texts are cut, and its attachments left out.
#[derive(Clone)]
pub(super) struct Mail {
    pub(super) id: String,
    pub(super) account: String,
    /// `Message-ID`, with its angle brackets.
    pub(super) message_id: String,
    pub(super) body: Body,
    pub(super) created_at: DateTime<Utc>,
    /// The first effect's.
    pub(super) number: u64,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("id", &self.id).finish_non_exhaustive()
    }
}
