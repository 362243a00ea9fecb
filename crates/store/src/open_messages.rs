//! Messages that stayed open: to be looked up at their provider.

use chrono::{DateTime, Utc};
use domain::{AttemptState, Channel, CredentialId, MessageClass, MessageId, Recipient, Status, TenantId};

use crate::{Store, StoreError};

/// A message of which nobody has heard for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenMessage {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its id.
    pub id: MessageId,
    /// How it went.
    pub channel: Channel,
    /// What kind of message it is.
    pub class: MessageClass,
    /// How far it came.
    pub status: Status,
    /// Who was called last.
    pub provider: String,
    /// With which credentials, if they are stored.
    pub credential: Option<CredentialId>,
    /// What the provider calls it; `None` if the attempt has no result or it is unclear.
    pub external_id: Option<String>,
    /// Where it went, for a look-up by recipient.
    pub recipient: Option<Recipient>,
    /// The number of the last attempt.
    pub attempt: u32,
    /// What is known of it.
    pub attempt_state: AttemptState,
    /// When that attempt was begun.
    pub attempted_at: DateTime<Utc>,
    /// When the message was begun.
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// Messages of all tenants, at most `limit`, that were sent, or may have been, and of which nothing was heard or asked
    /// since `before`; longest silence first. They are marked as looked at `now`, so that they are not among those asked for
    /// next, and two that ask at once get different ones.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn open_messages(
        &self,
        before: DateTime<Utc>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Vec<OpenMessage>, StoreError> {
        let _ = (before, limit, now);
        Err(crate::not_yet())
    }

    /// Takes a message out of what [`open_messages`](Self::open_messages) gives: its provider cannot be asked, or not after
    /// so long. Reports still count. Answers whether it was in.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn stop_looking(&self, tenant: TenantId, message: MessageId) -> Result<bool, StoreError> {
        let _ = (tenant, message);
        Err(crate::not_yet())
    }
}
