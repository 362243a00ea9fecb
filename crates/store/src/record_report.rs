//! Applying what a provider reports about a message: everything it changes, in one transaction.
//!
//! Many workers record reports at once, often of one message or one contact. What keeps them right and out of each
//! other's way on Postgres is one order of locks (SQLite has a single writer):
//!
//! 1. what the provider calls the **message**, then the message, as `message_names.rs` says: by advisory locks on their
//!    ids, because at first there is no row to lock;
//! 2. the message's present **contact**;
//! 3. a **better known contact**, when the report names one. Contacts are locked from the least known to the best
//!    known, never the other way, so nobody can wait in a circle;
//! 4. the message's row and all that hangs on it, which wait for nobody under those locks; then what is said of the
//!    **recipient**; last the **figures of the day**, row by row in one order.
//!
//! What works on many contacts at once, step by step (`score_decay.rs`, `retention.rs`), locks only those that are free and waits
//! for nobody, so it stands outside that order.
//!
//! A contact may be merged away between being seen and being locked. Then the transaction starts over.
//!
//! The event's id follows from its endpoint and identity. When it is there already, the transaction is rolled back and
//! nothing has changed: not the counters, not even a contact.
//!
//! What is told of somebody who was erased counts, and is written without them: what is told of their messages whenever it
//! happened, and all else that happened until then. What they said of being written to is heard all the same.

use chrono::{DateTime, Utc};
use domain::interaction::{InteractionReason, InteractionStatus};
use domain::{
    Channel, ContactId, EndpointId, EventId, EventKind, Figures, InteractionId, MessageId, Progress, ReportRecord,
    Status, Suppression, TenantId,
};

use crate::contacts::{self, Who};
use crate::db::Tx;
use crate::delivery_daily::Daily;
use crate::interactions::{self, NewInteraction};
use crate::message_events::NewEvent;
use crate::message_names::Located;
use crate::message_state::{self, Change, Known};
use crate::suppressions::Said;
use crate::{Store, StoreError, score_changes, time};

/// How often a transaction starts over because its contact was merged away, before the job is left to be retried.
pub(crate) const ATTEMPTS_MAX: u32 = 8;

/// What came of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportRecorded {
    /// It was new, and this is what it did.
    Applied(ReportApplied),
    /// It was known already. Nothing changed.
    Duplicate {
        /// Its event.
        event: EventId,
        /// The message it is about; `None` if it names none.
        message: Option<MessageId>,
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
        for _ in 0..ATTEMPTS_MAX {
            let mut tx = self.db.begin().await?;
            match self.apply(&mut tx, tenant, endpoint, report, now).await? {
                Outcome::Recorded(recorded @ ReportRecorded::Applied(_)) => {
                    tx.commit().await?;
                    return Ok(recorded);
                }
                Outcome::Recorded(recorded) => {
                    tx.rollback().await?;
                    return Ok(recorded);
                }
                Outcome::ContactMoved => tx.rollback().await?,
            }
        }
        Err(StoreError::Unavailable("the contact kept being merged".into()))
    }

    async fn apply(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        endpoint: EndpointId,
        report: &ReportRecord,
        now: DateTime<Utc>,
    ) -> Result<Outcome, StoreError> {
        let mut daily = Daily::default();
        let hash = match &report.recipient {
            Some(recipient) => Some(self.recipient_hash(tx, tenant, recipient).await?),
            None => None,
        };
        let message = match self.locate(tx, tenant, report, &mut daily, now).await? {
            Located::Message(message) => Some(message),
            Located::Nobody => None,
            Located::Moved => return Ok(Outcome::ContactMoved),
        };
        let who = Who::new(
            report.person_id.as_deref(),
            report.organisation_id.as_deref(),
            hash.as_deref(),
        );
        let is_late = is_late(tx, tenant, &who, time::happened(report.occurred_at, now)).await?;
        let settled = match message {
            Some(message) => {
                let who = if is_late { None } else { Some(&who) };
                let Some(known) = self.settle_message(tx, tenant, message, report, who, now).await? else {
                    return Ok(Outcome::ContactMoved);
                };
                Some((message, known))
            }
            None => None,
        };
        let is_of_nobody = is_late || settled.as_ref().is_some_and(|(_, known)| known.is_of_nobody());
        let counted = is_of_nobody.then(|| report.of_nobody());
        let report = counted.as_ref().unwrap_or(report);
        let written_hash = hash.as_deref().filter(|_| !is_of_nobody);
        let event = EventId::derive(endpoint, &report.identity);
        let new = NewEvent {
            id: event,
            message,
            kind: report.kind,
            occurred_at: time::happened(report.occurred_at, now),
            error_code: report.error_code.as_deref(),
            provider: Some(&report.provider),
            report: Some(report),
            recipient_hash: written_hash,
        };
        if !self.insert_event(tx, tenant, &new, now).await? {
            return Ok(Outcome::Recorded(ReportRecorded::Duplicate { event, message }));
        }
        let mut applied = ReportApplied::of(event);
        if let Some((message, known)) = &settled {
            self.advance(tx, tenant, *message, known, report, written_hash, &mut applied, now)
                .await?;
            daily.gain(*message, known, figures_of(report).without(known.figures));
        }
        let known_hash = settled.as_ref().and_then(|(_, known)| known.recipient_hash.as_deref());
        if let Some(hash) = hash.as_deref().or(known_hash) {
            applied.suppressed = self.hear(tx, tenant, report, hash, now).await?;
            if let Some((message, known)) = &settled
                && !is_of_nobody
                && known_hash.is_none()
                && known.progress.events.is_some()
            {
                // What was said before of a recipient whom nobody had named.
                self.hear_earlier(tx, tenant, *message, known.channel, hash, report.recipient.as_ref())
                    .await?;
            }
        }
        daily.write(tx, tenant).await?;
        Ok(Outcome::Recorded(ReportRecorded::Applied(applied)))
    }

    /// Makes sure the message exists and belongs to the best known contact, which is locked; to nobody if `who` is not to be
    /// written. `None`: start over.
    async fn settle_message(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        message: MessageId,
        report: &ReportRecord,
        who: Option<&Who<'_>>,
        now: DateTime<Utc>,
    ) -> Result<Option<Known>, StoreError> {
        let known = message_state::load_and_lock_contact(tx, tenant, message).await?;
        if known
            .as_ref()
            .is_some_and(|known| who.is_none_or(|who| who.rung() <= known.rung))
        {
            return Ok(known);
        }
        let Some(who) = who else {
            let nobody = ContactId::of_message(message);
            contacts::make_nobody(tx, tenant, nobody, now).await?;
            let stray = self.insert_stray(tx, tenant, message, nobody, report, now).await?;
            return Ok(stray.map(|stray| stray.of_nobody(now)));
        };
        let Some(contact) = contacts::find_or_make(tx, tenant, message, who, now).await? else {
            return Ok(None);
        };
        match known {
            Some(known) => {
                contacts::merge(tx, tenant, known.contact, contact, now).await?;
                Ok(Some(Known { contact, ..known }))
            }
            None => self.insert_stray(tx, tenant, message, contact, report, now).await,
        }
    }

    /// Makes a message of one that was only ever reported. `None`: somebody else did meanwhile.
    async fn insert_stray(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        id: MessageId,
        contact: ContactId,
        report: &ReportRecord,
        now: DateTime<Utc>,
    ) -> Result<Option<Known>, StoreError> {
        let inserted = on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO messages (tenant_id, id, channel, provider, external_id, contact_id, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING")
                .bind(tenant.0)
                .bind(id.0)
                .bind(report.channel.as_str())
                .bind(&report.provider)
                .bind(&report.external_id)
                .bind(contact.0)
                .bind(now.timestamp_millis())
                .execute(connection)
                .await
                .map(|done| done.rows_affected()))?;
        Ok((inserted > 0).then(|| Known {
            progress: Progress::default(),
            figures: Figures::NONE,
            channel: report.channel,
            provider: Some(report.provider.clone()),
            recipient_hash: None,
            interaction: None,
            attempts: 0,
            created_at: time::stored(now),
            contact,
            rung: contacts::Rung::Anonymous,
            warms: true,
            erased_at: None,
        }))
    }

    /// Moves a message forward: status, counters, figures; the interaction of a first open; what opens and clicks are worth.
    #[expect(
        clippy::too_many_arguments,
        reason = "one step of one transaction, each argument a different type"
    )]
    async fn advance(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        message: MessageId,
        known: &Known,
        report: &ReportRecord,
        hash: Option<&[u8]>,
        applied: &mut ReportApplied,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let occurred_at = time::happened(report.occurred_at, now);
        let progress = known.progress.after_event(report.kind, report.by_machine, occurred_at);
        // Only people warm up, and only by mail: a text message's receipts say that a handset showed it. Who works for the
        // tenant is no lead.
        let counted = report.kind.counted();
        let counted = counted.filter(|_| known.warms && !report.by_machine && report.channel == Channel::Email);
        // Nobody is no lead, and nobody's work.
        let counted = counted.filter(|_| !known.is_of_nobody());
        if report.kind == EventKind::Opened && counted.is_some() && known.progress.counters.opened == 0 {
            let id = InteractionId::of_first_open(message);
            let new = NewInteraction {
                id,
                contact: known.contact,
                status: InteractionStatus::Todo,
                reason: InteractionReason::EmailOpened,
                intent: None,
                assignee: None,
                next_action_at: None,
            };
            interactions::create(tx, tenant, &new, now).await?;
            applied.interaction = Some(id);
        }
        let change = Change {
            interaction: applied.interaction,
            subject: report.subject.as_ref(),
            recipient: report.recipient.as_ref(),
            recipient_hash: hash,
            ..Change::new(progress, known.figures.and(figures_of(report)))
        };
        let change = change.with_code(report.kind, report.error_code.as_deref());
        self.change_message(tx, tenant, message, &change).await?;
        applied.message = Some(message);
        applied.status = Some(progress.status);
        applied.contact = Some(known.contact);
        if let Some(event) = counted {
            let before = &known.progress.counters;
            let (points, score) =
                score_changes::award(tx, tenant, known.contact, message, before, event, occurred_at, now).await?;
            applied.points = points;
            applied.score = Some(score);
        }
        Ok(())
    }

    /// Writes down what a report says of the recipient. Answers why they are not written to from now on.
    async fn hear(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        report: &ReportRecord,
        hash: &[u8],
        now: DateTime<Utc>,
    ) -> Result<Option<Suppression>, StoreError> {
        let said = Said {
            channel: report.channel,
            hash,
            recipient: report.recipient.as_ref(),
            source: &report.provider,
            at: time::happened(report.occurred_at, now),
        };
        if let Some(lift) = report.kind.lift() {
            self.say_lifted(tx, tenant, &said, lift).await?;
        }
        let reason = report.suppression();
        if let Some(reason) = reason {
            self.say_suppressed(tx, tenant, &said, reason).await?;
        }
        Ok(reason)
    }
}

enum Outcome {
    Recorded(ReportRecorded),
    ContactMoved,
}

impl ReportApplied {
    /// It was written down, and did nothing yet.
    const fn of(event: EventId) -> Self {
        Self {
            event,
            message: None,
            status: None,
            contact: None,
            points: 0,
            score: None,
            interaction: None,
            suppressed: None,
        }
    }
}

/// Whether it happened before somebody was erased whom it names.
async fn is_late(tx: &mut Tx, tenant: TenantId, who: &Who<'_>, occurred_at: DateTime<Utc>) -> Result<bool, StoreError> {
    let Some(id) = who.id(tenant) else { return Ok(false) };
    let erased_at = contacts::erased_at(tx, tenant, id).await?;
    Ok(erased_at.is_some_and(|erased_at| occurred_at <= erased_at))
}

fn figures_of(report: &ReportRecord) -> Figures {
    Figures::of(report.kind, report.by_machine)
}
