//! Applying one e-mail event: everything it changes, in one transaction.
//!
//! Many workers record events at once, often of one message or one contact. What keeps them right and out of each
//! other's way on Postgres is one order of locks (SQLite has a single writer):
//!
//! 1. the **message**, by an advisory lock on its id, because at first it has no row to lock;
//! 2. the message's present **contact**;
//! 3. a **better known contact**, when the event names one. Contacts are locked from the least known to the best
//!    known, never the other way, so nobody can wait in a circle;
//! 4. everything else is written under those locks and waits for nobody.
//!
//! A contact may be merged away between being seen and being locked. Then the transaction starts over.
//!
//! The event's id follows from its endpoint and identity. When it is there already, the transaction is rolled back and
//! nothing has changed: not the counters, not even a contact.

use chrono::{DateTime, Utc};
use domain::{
    ContactId, EmailEvent, EmailEventRecord, EndpointId, EventId, InteractionId, MessageId, Progress, TenantId, scoring,
};

use crate::contacts::{self, Rung};
use crate::db::Tx;
use crate::leads::{self, Entry};
use crate::{Store, StoreError, interactions, messages, time};

/// How often a transaction starts over because its contact was merged away, before the job is left to be retried.
const ATTEMPTS_MAX: u32 = 8;

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
        for _ in 0..ATTEMPTS_MAX {
            let mut tx = self.db.begin().await?;
            match self.record(&mut tx, tenant, endpoint, record, now).await? {
                Outcome::Applied(applied) => {
                    tx.commit().await?;
                    return Ok(Recorded::Applied(applied));
                }
                Outcome::Duplicate(message) => {
                    tx.rollback().await?;
                    return Ok(Recorded::Duplicate { message });
                }
                Outcome::ContactMoved => tx.rollback().await?,
            }
        }
        Err(StoreError::Unavailable("the contact kept being merged".into()))
    }

    async fn record(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        endpoint: EndpointId,
        record: &EmailEventRecord,
        now: DateTime<Utc>,
    ) -> Result<Outcome, StoreError> {
        let message = MessageId::derive(tenant, &record.provider, &record.external_id);
        tx.serialise_on(message.0).await?;
        let Some((contact, before)) = self.settle_message(tx, tenant, message, record, now).await? else {
            return Ok(Outcome::ContactMoved);
        };
        let event = EventId::derive(endpoint, &record.identity);
        if !self.insert_event(tx, tenant, message, event, record, now).await? {
            return Ok(Outcome::Duplicate(message));
        }

        let occurred_at = time::stored(record.occurred_at);
        let is_first_open = record.kind == EmailEvent::Opened && before.counters.opened == 0;
        let interaction = is_first_open.then(|| InteractionId::of_first_open(message));
        if let Some(interaction) = interaction {
            interactions::create_for_open(tx, tenant, interaction, contact, now).await?;
        }
        let after = before.after(record.kind, occurred_at);
        self.update_message(tx, tenant, message, &after, interaction, record)
            .await?;
        let (points, score) = award(tx, tenant, contact, message, &before, record.kind, occurred_at, now).await?;
        Ok(Outcome::Applied(Applied {
            message,
            contact,
            points,
            score,
            interaction,
        }))
    }

    /// Makes sure the message exists and belongs to the best known contact, which is locked. `None`: start over.
    async fn settle_message(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        message: MessageId,
        record: &EmailEventRecord,
        now: DateTime<Utc>,
    ) -> Result<Option<(ContactId, Progress)>, StoreError> {
        let known = messages::load_and_lock_contact(tx, tenant, message).await?;
        if let Some(known) = &known
            && Rung::of(record) <= known.rung
        {
            return Ok(Some((known.contact, known.progress)));
        }
        let Some(contact) = self.contact_of(tx, tenant, message, record, now).await? else {
            return Ok(None);
        };
        match known {
            Some(known) => {
                contacts::merge(tx, tenant, known.contact, contact, now).await?;
                Ok(Some((contact, known.progress)))
            }
            None => {
                let inserted = self.insert_message(tx, tenant, message, contact, record, now).await?;
                Ok(inserted.then(|| (contact, Progress::default())))
            }
        }
    }
}

enum Outcome {
    Applied(Applied),
    Duplicate(MessageId),
    ContactMoved,
}

/// Gives the points of an event to a locked contact; answers the points and the score after them.
#[expect(clippy::too_many_arguments, reason = "one call, each argument a different type")]
async fn award(
    tx: &mut Tx,
    tenant: TenantId,
    contact: ContactId,
    message: MessageId,
    before: &Progress,
    event: EmailEvent,
    occurred_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(i64, i64), StoreError> {
    let held = leads::score(tx, tenant, contact).await?;
    let last_event_at = occurred_at.timestamp_millis();
    let last_event_at = held.map_or(last_event_at, |held| held.last_event_at.max(last_event_at));
    let points = scoring::delta(&before.counters, event);
    let score = scoring::apply(held.map_or(0, |held| held.score), points);
    leads::set_score(tx, tenant, contact, score, last_event_at).await?;
    if let Some(award) = scoring::award(&before.counters, event) {
        let entry = Entry {
            reason: award.reason,
            points,
            score_after: score,
            message: Some(message),
        };
        leads::write(tx, tenant, contact, &entry, now).await?;
    }
    Ok((points, score))
}
