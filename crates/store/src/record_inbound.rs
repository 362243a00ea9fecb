//! Applying a message that came in: whose it is, what it answers, what it means for further messages. In one transaction;
//! its contact is the only lock, so it waits for nobody who waits for it.

use chrono::{DateTime, TimeDelta, Utc};
use domain::interaction::{InteractionReason, InteractionStatus};
use domain::{
    Channel, ContactId, EndpointId, InboundId, InboundRecord, Intent, InteractionId, Lift, MessageId, Suppression,
    TenantId,
};
use uuid::Uuid;

use crate::contacts;
use crate::db::Tx;
use crate::inbound_messages::NewInbound;
use crate::interactions::{self, NewInteraction};
use crate::message_names::{self, Name};
use crate::message_state;
use crate::record_report::ATTEMPTS_MAX;
use crate::suppressions::{self, Said};
use crate::{Store, StoreError, time};

/// A reply that does not say what it answers, answers the latest message of at most so long ago.
const ANSWERED_WITHIN: TimeDelta = TimeDelta::days(7);

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
    /// It was written before its writer was erased. Nothing was kept of it but whether they want to be written to.
    OfNobody,
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
        for _ in 0..ATTEMPTS_MAX {
            let mut tx = self.db.begin().await?;
            match self.take_in(&mut tx, tenant, endpoint, inbound, now).await? {
                Outcome::Recorded(recorded @ (InboundRecorded::Applied(_) | InboundRecorded::OfNobody)) => {
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

    async fn take_in(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        endpoint: EndpointId,
        record: &InboundRecord,
        now: DateTime<Utc>,
    ) -> Result<Outcome, StoreError> {
        let sender = record.sender();
        let hash = match &sender {
            Some(sender) => self.recipient_hash(tx, tenant, sender).await?,
            None => self.text_hash(tx, tenant, record.from.expose()).await?,
        };
        let said = Said {
            channel: record.channel,
            hash: &hash,
            recipient: sender.as_ref(),
            source: "reply",
            at: time::happened(record.occurred_at, now),
        };
        let whose = match find_whose(tx, tenant, record, &hash, now).await? {
            Found::Writer(whose) => whose,
            Found::Moved => return Ok(Outcome::ContactMoved),
            Found::Nobody => {
                let said = Said {
                    recipient: None,
                    ..said
                };
                self.hear_writer(tx, tenant, &said, record.intent()).await?;
                return Ok(Outcome::Recorded(InboundRecorded::OfNobody));
            }
        };
        let id = InboundId::derive(endpoint, &record.identity);
        let intent = record.intent();
        let interaction = NewInteraction {
            id: InteractionId::of_reply(id),
            contact: whose.contact,
            status: work_left(intent),
            reason: InteractionReason::Reply,
            intent: Some(intent),
            assignee: None,
            next_action_at: None,
        };
        interactions::create(tx, tenant, &interaction, now).await?;
        let new = NewInbound {
            id,
            record,
            sender_hash: &hash,
            contact: whose.contact,
            intent,
            answers: whose.answers,
            interaction: interaction.id,
        };
        if !self.insert_inbound(tx, tenant, &new, now).await? {
            return Ok(Outcome::Recorded(InboundRecorded::Duplicate { inbound: id }));
        }
        let (suppressed, lifted) = self.hear_writer(tx, tenant, &said, intent).await?;
        Ok(Outcome::Recorded(InboundRecorded::Applied(InboundApplied {
            inbound: id,
            contact: whose.contact,
            intent,
            answers: whose.answers,
            interaction: interaction.id,
            suppressed,
            lifted,
        })))
    }

    /// Does what STOP or START asks for. Answers why nothing goes to them from now on, and what does not stand any more.
    async fn hear_writer(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        said: &Said<'_>,
        intent: Intent,
    ) -> Result<(Option<Suppression>, Vec<Suppression>), StoreError> {
        let suppressed = Suppression::after_reply(intent);
        if let Some(reason) = suppressed {
            self.say_suppressed(tx, tenant, said, reason).await?;
        }
        let lifted = match Lift::by_reply(intent) {
            Some(lift) => self.lift_by_reply(tx, tenant, said, lift).await?,
            None => Vec::new(),
        };
        Ok((suppressed, lifted))
    }

    /// Lifts, and answers what stood until then and does no more.
    async fn lift_by_reply(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        said: &Said<'_>,
        lift: Lift,
    ) -> Result<Vec<Suppression>, StoreError> {
        let stood = suppressions::standing(tx, tenant, said.channel, said.hash).await?;
        self.say_lifted(tx, tenant, said, lift).await?;
        let stands = suppressions::standing(tx, tenant, said.channel, said.hash).await?;
        let gone = stood.into_iter().filter(|stood| !stands.contains(stood));
        Ok(gone.map(|(reason, _)| reason).collect())
    }
}

enum Outcome {
    Recorded(InboundRecorded),
    ContactMoved,
}

/// Whose a message is that came in, and what it answers.
struct Whose {
    contact: ContactId,
    answers: Option<MessageId>,
}

/// Who wrote a message that came in.
enum Found {
    Writer(Whose),
    /// Somebody who was erased since.
    Nobody,
    /// Their contact was merged away meanwhile: start over.
    Moved,
}

/// What a reply leaves for people to do: to stop, to start again and to ask who writes is answered by itself.
const fn work_left(intent: Intent) -> InteractionStatus {
    match intent {
        Intent::Stop | Intent::Start | Intent::Help => InteractionStatus::Done,
        Intent::Yes | Intent::No | Intent::Unclear => InteractionStatus::Todo,
    }
}

/// Finds the contact, which is locked, and the message that is answered. Who was erased and writes again is met anew: what
/// was written to them before is not answered by anybody.
async fn find_whose(
    tx: &mut Tx,
    tenant: TenantId,
    record: &InboundRecord,
    hash: &[u8],
    now: DateTime<Utc>,
) -> Result<Found, StoreError> {
    let occurred_at = time::happened(record.occurred_at, now);
    let named = match record.answers.as_deref() {
        Some(external_id) => {
            let name = Name {
                provider: &record.provider,
                external_id,
            };
            message_names::owner(tx, tenant, name).await?
        }
        None => None,
    };
    let since = occurred_at - ANSWERED_WITHIN;
    let answers = match named {
        Some(message) => Some(message),
        None => latest_to(tx, tenant, hash, Some(record.channel), since).await?,
    };
    let known_by = match answers {
        Some(message) => Some(message),
        None => latest_to(tx, tenant, hash, None, DateTime::UNIX_EPOCH).await?,
    };
    let known = match known_by {
        Some(message) => match message_state::load_and_lock_contact(tx, tenant, message).await? {
            Some(known) => Some(known),
            None => return Ok(Found::Moved),
        },
        None => None,
    };
    if let Some(known) = known.as_ref().filter(|known| !known.is_of_nobody()) {
        let contact = known.contact;
        return Ok(Found::Writer(Whose { contact, answers }));
    }
    let erased_at = contacts::erased_at(tx, tenant, ContactId::of_address(tenant, hash)).await?;
    let erased_at = erased_at.max(known.and_then(|known| known.erased_at));
    if erased_at.is_some_and(|erased_at| occurred_at <= erased_at) {
        return Ok(Found::Nobody);
    }
    let contact = contacts::find_or_make_by_hash(tx, tenant, hash, now).await?;
    Ok(contact.map_or(Found::Moved, |contact| Found::Writer(Whose { contact, answers: None })))
}

pub(crate) const LATEST: &str = "SELECT id FROM messages
     WHERE tenant_id = $1 AND recipient_hash = $2 AND created_at >= $3
     ORDER BY created_at DESC, id DESC LIMIT 1";

pub(crate) const LATEST_BY: &str = "SELECT id FROM messages
     WHERE tenant_id = $1 AND recipient_hash = $2 AND created_at >= $3 AND channel = $4
     ORDER BY created_at DESC, id DESC LIMIT 1";

/// The latest message to a recipient, by this channel or any.
async fn latest_to(
    tx: &mut Tx,
    tenant: TenantId,
    hash: &[u8],
    channel: Option<Channel>,
    since: DateTime<Utc>,
) -> Result<Option<MessageId>, StoreError> {
    let id: Option<Uuid> = on!(tx.connection(), connection => {
        let query = sqlx::query_scalar(if channel.is_some() { LATEST_BY } else { LATEST })
            .bind(tenant.0)
            .bind(hash)
            .bind(since.timestamp_millis());
        match channel {
            Some(channel) => query.bind(channel.as_str()).fetch_optional(connection).await,
            None => query.fetch_optional(connection).await,
        }
    })?;
    Ok(id.map(MessageId))
}
