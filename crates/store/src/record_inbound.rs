//! Applying a message that came in: whose it is, what it answers, what it means for further messages.

use chrono::{DateTime, Utc};
use domain::{
    ContactId, EndpointId, InboundId, InboundRecord, Intent, InteractionId, MessageId, Suppression, TenantId,
};

use crate::{Store, StoreError};

/// What came of a message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboundRecorded {
    /// It was new, and this is what it did.
    Applied(InboundApplied),
    /// It was known already. Nothing changed.
    Duplicate {
        /// Its id.
        inbound: InboundId,
    },
}

/// What a new message that came in did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundApplied {
    /// Its id.
    pub inbound: InboundId,
    /// Who wrote it.
    pub contact: ContactId,
    /// What it means.
    pub intent: Intent,
    /// Our message that it answers.
    pub answers: Option<MessageId>,
    /// The interaction that it was logged as.
    pub interaction: InteractionId,
    /// Why its sender is not written to from now on, if because of this.
    pub suppressed: Option<Suppression>,
    /// What it lifted.
    pub lifted: Vec<Suppression>,
}

impl Store {
    /// Records a message that `endpoint` of `tenant` received: its contact (of the message that it answers, else of the
    /// latest message to this number, else found or made by the number), the message that it answers (by the provider's id,
    /// else the latest to that number within seven days), one interaction, and what STOP or START asks for. All of it once,
    /// however often it is called.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] to try again later; [`StoreError::Missing`] when the tenant is gone.
    pub async fn record_inbound(
        &self,
        tenant: TenantId,
        endpoint: EndpointId,
        inbound: &InboundRecord,
        now: DateTime<Utc>,
    ) -> Result<InboundRecorded, StoreError> {
        let _ = (tenant, endpoint, inbound, now);
        Err(crate::not_yet())
    }
}
