//! Applying one e-mail event that names its message by what the provider calls it: a report like all others, in the words
//! of e-mail statistics.

use chrono::{DateTime, Utc};
use domain::{ContactId, EmailEventRecord, EndpointId, InteractionId, MessageId, ReportRecord, TenantId};

use crate::record_report::{ReportApplied, ReportRecorded};
use crate::{Store, StoreError};

/// What came of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It was new, and this is what it did.
    Applied(Applied),
    /// It was known already. Nothing changed.
    Duplicate {
        /// The message it belongs to.
        message: MessageId,
    },
}

/// What a new event did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// The message it happened to.
    pub message: MessageId,
    /// Whose message that is.
    pub contact: ContactId,
    /// The points the rule gives for it.
    pub points: i64,
    /// The contact's score now.
    pub score: i64,
    /// The interaction that it created, being the first open.
    pub interaction: Option<InteractionId>,
}

impl Store {
    /// Records an event that `endpoint` of `tenant` received: the event itself, its message's status and counters, the
    /// interaction of a first open, and the lead score with its ledger. All of it once, however often it is called.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] to try again later; [`StoreError::Missing`] when the tenant is gone.
    pub async fn record_email_event(
        &self,
        tenant: TenantId,
        endpoint: EndpointId,
        record: &EmailEventRecord,
        now: DateTime<Utc>,
    ) -> Result<Recorded, StoreError> {
        let report = ReportRecord::from(record.clone());
        let unnamed = || StoreError::Corrupt("an event that names no message".into());
        match self.record_report(tenant, endpoint, &report, now).await? {
            ReportRecorded::Duplicate { message, .. } => Ok(Recorded::Duplicate {
                message: message.ok_or_else(unnamed)?,
            }),
            ReportRecorded::Applied(ReportApplied {
                message: Some(message),
                contact: Some(contact),
                points,
                score,
                interaction,
                ..
            }) => Ok(Recorded::Applied(Applied {
                message,
                contact,
                points,
                score: score.unwrap_or_default(),
                interaction,
            })),
            ReportRecorded::Applied(_) => Err(unnamed()),
        }
    }
}
