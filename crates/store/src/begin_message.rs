//! Writing a message down before anybody is called.

use chrono::{DateTime, Utc};
use domain::{OutgoingRecord, TenantId};

use crate::{Store, StoreError};

/// What [`Store::begin_message`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageBegun {
    /// It is written down now.
    New,
    /// It was written down before, for the same request.
    Known,
    /// A message of this id was written down for another request. Nothing changed.
    OtherRequest,
}

impl Store {
    /// Writes a message down, as queued, with its contact. Once more is harmless.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] to try again later; [`StoreError::Missing`] when the tenant is gone.
    pub async fn begin_message(
        &self,
        tenant: TenantId,
        message: &OutgoingRecord,
        now: DateTime<Utc>,
    ) -> Result<MessageBegun, StoreError> {
        let _ = (tenant, message, now);
        Err(crate::not_yet())
    }
}
