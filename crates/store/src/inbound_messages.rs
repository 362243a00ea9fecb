//! Messages that came in.

use chrono::{DateTime, Utc};
use domain::{Channel, ContactId, InboundId, Intent, InteractionId, MessageId, PersonalText, TenantId};

use crate::{Cursor, Page, Store, StoreError};

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundMessage {
    /// Its id.
    pub id: InboundId,
    /// The way it came.
    pub channel: Channel,
    /// Who brought it.
    pub provider: String,
    /// What the provider calls it.
    pub external_id: String,
    /// Who wrote it.
    pub contact_id: ContactId,
    /// The number or address it came from.
    pub from: PersonalText,
    /// Our number or address.
    pub to: Option<PersonalText>,
    /// What was written, or what stood on the button.
    pub text: Option<PersonalText>,
    /// What it means.
    pub intent: Intent,
    /// Our message that it answers.
    pub answers: Option<MessageId>,
    /// The interaction that it was logged as.
    pub interaction_id: Option<InteractionId>,
    /// When it came in, by the provider's clock.
    pub occurred_at: DateTime<Utc>,
    /// When it was written down here.
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// The messages that came in, newest first; with a contact, only theirs.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when one was sealed under a key that is not in the keyring.
    pub async fn inbound_messages(
        &self,
        tenant: TenantId,
        contact: Option<ContactId>,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<InboundMessage>, StoreError> {
        let _ = (tenant, contact, after, limit);
        Err(crate::not_yet())
    }
}
