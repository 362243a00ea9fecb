//! Applying what a provider reports about a message.

use chrono::{DateTime, Utc};
use domain::{ContactId, EndpointId, EventId, InteractionId, MessageId, ReportRecord, Status, Suppression, TenantId};

use crate::{Store, StoreError};

/// What came of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportRecorded {
    /// It was new, and this is what it did.
    Applied(ReportApplied),
    /// It was known already. Nothing changed.
    Duplicate {
        /// Its event.
        event: EventId,
    },
}

/// What a new report did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportApplied {
    /// The event that it was written down as.
    pub event: EventId,
    /// The message that it is about; `None` if it names none.
    pub message: Option<MessageId>,
    /// How far that message came.
    pub status: Option<Status>,
    /// Whose message that is.
    pub contact: Option<ContactId>,
    /// The points the rule gives for it.
    pub points: i64,
    /// The contact's score now, if points are given for such events.
    pub score: Option<i64>,
    /// The interaction that it created, being the first open.
    pub interaction: Option<InteractionId>,
    /// Why its recipient is not written to from now on, if because of this.
    pub suppressed: Option<Suppression>,
}

impl Store {
    /// Records a report that `endpoint` of `tenant` received: the event, its message's status (only forward) and counters,
    /// the day's figures, a suppression, and what opens and clicks are worth. All of it once, however often it is called,
    /// and in whichever order reports arrive.
    ///
    /// A report on a message that nobody here knows yet is kept with a message of its own, which becomes a part of the
    /// message that was sent as soon as that one learns what the provider calls it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] to try again later; [`StoreError::Missing`] when the tenant is gone.
    pub async fn record_report(
        &self,
        tenant: TenantId,
        endpoint: EndpointId,
        report: &ReportRecord,
        now: DateTime<Utc>,
    ) -> Result<ReportRecorded, StoreError> {
        let _ = (tenant, endpoint, report, now);
        Err(crate::not_yet())
    }
}
