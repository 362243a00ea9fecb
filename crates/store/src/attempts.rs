//! Attempts: the intent written before a provider is called, and what came of it.

use chrono::{DateTime, Utc};
use domain::outgoing::{AttemptResult, AttemptState, MessageEnd};
use domain::{CredentialId, EventId, EventKind, Figures, MessageId, Recipient, Status, Suppression, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::db::Tx;
use crate::delivery_daily::Daily;
use crate::message_events::NewEvent;
use crate::message_names::Name;
use crate::message_state::{self, Change, Known};
use crate::messages::{text, word};
use crate::record_report::ATTEMPTS_MAX;
use crate::suppressions::{self, Said};
use crate::{Store, StoreError, time};

/// One call to a provider that was to send a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Counted from 1 within its message.
    pub number: u32,
    /// Who was called.
    pub provider: String,
    /// With which credentials, if they are stored.
    pub credential: Option<CredentialId>,
    /// What is known of it.
    pub state: AttemptState,
    /// What the provider calls the message.
    pub external_id: Option<String>,
    /// What went wrong, as the provider's code.
    pub code: Option<String>,
    /// When the intent was written.
    pub started_at: DateTime<Utc>,
    /// When what came of it was written.
    pub ended_at: Option<DateTime<Utc>>,
}

/// An attempt about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAttempt {
    /// Who is to be called.
    pub provider: String,
    /// With which credentials, if they are stored.
    pub credential: Option<CredentialId>,
    /// Send it although it is unclear whether an earlier attempt did. For codes, which say the same twice; for an operator
    /// who decided so.
    pub although_unclear: bool,
}

/// What [`Store::begin_attempt`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptBegun {
    /// The intent is written: call the provider now, then [`Store::end_attempt`] with this number.
    Go {
        /// The attempt's number.
        number: u32,
    },
    /// An earlier run wrote an intent and no result. Find out what became of it, then end *that* attempt.
    Open(Attempt),
    /// Nobody knows whether this attempt sent it.
    Unclear(Attempt),
    /// This attempt sent it: nothing is left to do.
    Sent(Attempt),
    /// The message has come to an end.
    Ended(Status),
    /// Nothing goes to this recipient. The message stays as it is until [`Store::end_message`].
    Suppressed {
        /// Why; if for several reasons, the oldest.
        reason: Suppression,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// There is no such message.
    Unknown,
}

impl Store {
    /// Writes down that a provider is about to be called, unless that should not be: all in one transaction, so that of
    /// several at once one goes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] to try again later.
    pub async fn begin_attempt(
        &self,
        tenant: TenantId,
        message: MessageId,
        attempt: &NewAttempt,
        now: DateTime<Utc>,
    ) -> Result<AttemptBegun, StoreError> {
        let mut tx = self.db.begin().await?;
        tx.serialise_on(message.0).await?;
        let begun = begin(&mut tx, tenant, message, attempt, now).await?;
        if matches!(begun, AttemptBegun::Go { .. }) {
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        Ok(begun)
    }

    /// Writes down what came of an attempt: its result, what the provider calls the message, the message's status and
    /// event, what a refusal says of the recipient; and applies reports that came in before. In one transaction; once more
    /// is harmless. What was surely sent, or surely not, is not overwritten. Answers the attempt as it now stands; `None`:
    /// there is no such attempt.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] to try again later: nothing was written.
    pub async fn end_attempt(
        &self,
        tenant: TenantId,
        message: MessageId,
        number: u32,
        result: &AttemptResult,
        now: DateTime<Utc>,
    ) -> Result<Option<Attempt>, StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut tx = self.db.begin().await?;
            match self.end(&mut tx, tenant, message, number, result, now).await? {
                Ended::Written(attempt) => {
                    tx.commit().await?;
                    return Ok(Some(attempt));
                }
                Ended::Stands(attempt) => {
                    tx.rollback().await?;
                    return Ok(attempt);
                }
                Ended::ContactMoved => tx.rollback().await?,
            }
        }
        Err(StoreError::Unavailable("the contact kept being merged".into()))
    }

    /// Gives a message up that no attempt sent, or may have sent. Answers its status now: the one asked for, or the one that
    /// was in the way; `None`: there is no such message. Once more is harmless.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] to try again later.
    pub async fn end_message(
        &self,
        tenant: TenantId,
        message: MessageId,
        end: &MessageEnd,
        now: DateTime<Utc>,
    ) -> Result<Option<Status>, StoreError> {
        let mut tx = self.db.begin().await?;
        tx.serialise_on(message.0).await?;
        let Some(known) = message_state::load(&mut tx, tenant, message).await? else {
            tx.rollback().await?;
            return Ok(None);
        };
        let went = attempts_of(&mut tx, tenant, message).await?;
        if known.progress.status != Status::Queued || went.iter().any(|attempt| attempt.state.may_have_gone()) {
            tx.rollback().await?;
            return Ok(Some(known.progress.status));
        }
        let own = Own {
            kind: end.event(),
            code: end.code(),
            number: 0,
        };
        let mut daily = Daily::default();
        let status = self
            .happened(&mut tx, tenant, message, &known, &own, &mut daily, now)
            .await?;
        daily.write(&mut tx, tenant).await?;
        tx.commit().await?;
        Ok(Some(status))
    }

    /// A message's attempts, the first one first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn attempts(&self, tenant: TenantId, message: MessageId) -> Result<Vec<Attempt>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(OF_MESSAGE).bind(tenant.0).bind(message.0).fetch_all(pool).await)?;
        rows.into_iter().map(Attempt::try_from).collect()
    }

    async fn end(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        message: MessageId,
        number: u32,
        result: &AttemptResult,
        now: DateTime<Utc>,
    ) -> Result<Ended, StoreError> {
        // Who is called never changes, so it may be read before the locks.
        let Some(attempt) = attempt_of(tx, tenant, message, number).await? else {
            return Ok(Ended::Stands(None));
        };
        let name = match result {
            AttemptResult::Sent { external_id, .. } => Some(Name {
                provider: &attempt.provider,
                external_id,
            }),
            _ => None,
        };
        if let Some(name) = name {
            tx.serialise_on(name.id(tenant).0).await?;
        }
        tx.serialise_on(message.0).await?;
        let Some(attempt) = attempt_of(tx, tenant, message, number).await? else {
            return Ok(Ended::Stands(None));
        };
        if !attempt.state.gives_way_to(result.state()) {
            return Ok(Ended::Stands(Some(attempt)));
        }
        let mut daily = Daily::default();
        if let Some(name) = name
            && !self.learn(tx, tenant, message, name, true, &mut daily, now).await?
        {
            return Ok(Ended::ContactMoved);
        }
        let name = name.map(|name| name.external_id.to_owned());
        set_result(
            tx,
            tenant,
            message,
            number,
            result.state(),
            name.as_deref(),
            result.code(),
            now,
        )
        .await?;
        let Some(known) = message_state::load(tx, tenant, message).await? else {
            return Ok(Ended::Stands(None));
        };
        let own = Own {
            kind: result.event(),
            code: result.code(),
            number,
        };
        self.happened(tx, tenant, message, &known, &own, &mut daily, now)
            .await?;
        if let (Some(reason), Some(hash)) = (result.suppression(known.channel), &known.recipient_hash) {
            let recipient = self.recipient_of(tx, tenant, message).await?;
            let said = Said {
                channel: known.channel,
                hash,
                recipient: recipient.as_ref(),
                source: &attempt.provider,
                at: time::stored(now),
            };
            self.say_suppressed(tx, tenant, &said, reason).await?;
        }
        daily.write(tx, tenant).await?;
        let ended = attempt_of(tx, tenant, message, number).await?;
        Ok(ended.map_or(Ended::Stands(None), Ended::Written))
    }

    /// Writes down something of our own that happened to a message: event, status, figures. Answers the status after it.
    #[expect(
        clippy::too_many_arguments,
        reason = "one step of two transactions, each argument a different type"
    )]
    async fn happened(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        message: MessageId,
        known: &Known,
        own: &Own<'_>,
        daily: &mut Daily,
        now: DateTime<Utc>,
    ) -> Result<Status, StoreError> {
        let event = NewEvent {
            id: EventId::of_message(message, own.kind.as_str(), own.number),
            message: Some(message),
            kind: own.kind,
            occurred_at: now,
            error_code: own.code,
            report: None,
            recipient_hash: None,
        };
        if !self.insert_event(tx, tenant, &event, now).await? {
            return Ok(known.progress.status);
        }
        let progress = known.progress.after_event(own.kind, false, time::stored(now));
        let figures = Figures::of(own.kind, false);
        let mut change = Change::new(progress, known.figures.and(figures)).with_code(own.kind, own.code);
        if own.kind.status().is_none() && progress.status == Status::Queued {
            // Of a message that is still to be sent, the latest refusal tells most.
            change.error_code = Some(own.code);
        }
        self.change_message(tx, tenant, message, &change).await?;
        daily.gain(message, known, figures.without(known.figures));
        Ok(progress.status)
    }

    async fn recipient_of(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        message: MessageId,
    ) -> Result<Option<Recipient>, StoreError> {
        let sealed: Option<Vec<u8>> = on!(tx.connection(), connection =>
            sqlx::query_scalar("SELECT recipient FROM messages WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(message.0)
                .fetch_one(connection)
                .await)?;
        text(&self.keyring, "message.recipient", message.0, sealed)?
            .map(|text| Recipient::try_from(text).map_err(|_| StoreError::Corrupt("a recipient".into())))
            .transpose()
    }
}

/// Something of our own that happened to a message.
struct Own<'a> {
    kind: EventKind,
    code: Option<&'a str>,
    /// Of the attempt, 0 if it is about none.
    number: u32,
}

enum Ended {
    Written(Attempt),
    /// It was ended before, or there is none.
    Stands(Option<Attempt>),
    ContactMoved,
}

#[derive(FromRow)]
struct Row {
    number: i64,
    provider: String,
    credential_id: Option<Uuid>,
    state: String,
    external_id: Option<String>,
    code: Option<String>,
    started_at: i64,
    ended_at: Option<i64>,
}

impl TryFrom<Row> for Attempt {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            number: u32::try_from(row.number).map_err(|_| StoreError::Corrupt("a number out of range".into()))?,
            provider: row.provider,
            credential: row.credential_id.map(CredentialId),
            state: word(&row.state, "an unknown state of an attempt")?,
            external_id: row.external_id,
            code: row.code,
            started_at: time::at(row.started_at)?,
            ended_at: time::at_opt(row.ended_at)?,
        })
    }
}

const OF_MESSAGE: &str =
    "SELECT number, provider, credential_id, state, external_id, code, started_at, ended_at FROM message_attempts
     WHERE tenant_id = $1 AND message_id = $2 ORDER BY number";

/// The attempts of a message, the first one first.
async fn attempts_of(tx: &mut Tx, tenant: TenantId, message: MessageId) -> Result<Vec<Attempt>, StoreError> {
    let rows: Vec<Row> = on!(tx.connection(), connection =>
        sqlx::query_as(OF_MESSAGE).bind(tenant.0).bind(message.0).fetch_all(connection).await)?;
    rows.into_iter().map(Attempt::try_from).collect()
}

async fn attempt_of(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
    number: u32,
) -> Result<Option<Attempt>, StoreError> {
    let attempts = attempts_of(tx, tenant, message).await?;
    Ok(attempts.into_iter().find(|attempt| attempt.number == number))
}

/// Writes the intent of a message that is locked, or says why not.
async fn begin(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
    new: &NewAttempt,
    now: DateTime<Utc>,
) -> Result<AttemptBegun, StoreError> {
    let Some(known) = message_state::load(tx, tenant, message).await? else {
        return Ok(AttemptBegun::Unknown);
    };
    let mut earlier = attempts_of(tx, tenant, message).await?;
    let mut latest = |state| {
        let place = earlier.iter().rposition(|attempt| attempt.state == state)?;
        Some(earlier.swap_remove(place))
    };
    if let Some(sent) = latest(AttemptState::Sent) {
        return Ok(AttemptBegun::Sent(sent));
    }
    if known.progress.status != Status::Queued {
        return Ok(AttemptBegun::Ended(known.progress.status));
    }
    if let Some(open) = latest(AttemptState::Intended) {
        return Ok(AttemptBegun::Open(open));
    }
    if let Some(unclear) = latest(AttemptState::Unclear)
        && !new.although_unclear
    {
        return Ok(AttemptBegun::Unclear(unclear));
    }
    if let Some(hash) = &known.recipient_hash {
        let standing = suppressions::standing(tx, tenant, known.channel, hash).await?;
        if let Some((reason, since)) = standing.into_iter().next() {
            return Ok(AttemptBegun::Suppressed { reason, since });
        }
    }
    let number = known.attempts + 1;
    write_intent(tx, tenant, message, number, new, now).await?;
    Ok(AttemptBegun::Go { number })
}

async fn write_intent(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
    number: u32,
    new: &NewAttempt,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    on!(tx.connection(), connection =>
        sqlx::query(
            "INSERT INTO message_attempts (tenant_id, message_id, number, provider, credential_id, state, started_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(tenant.0)
            .bind(message.0)
            .bind(i64::from(number))
            .bind(&new.provider)
            .bind(new.credential.map(|id| id.0))
            .bind(AttemptState::Intended.as_str())
            .bind(now.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    on!(tx.connection(), connection =>
        sqlx::query(
            "UPDATE messages SET attempts = $3, attempt_state = $4, provider = $5, looked_at = $6
             WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.0)
            .bind(message.0)
            .bind(i64::from(number))
            .bind(AttemptState::Intended.as_str())
            .bind(&new.provider)
            .bind(now.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}

/// Writes what came of an attempt, to the attempt and, if it is the last one, to the message. Only of what may have gone is
/// something left to look up.
#[expect(clippy::too_many_arguments, reason = "the columns of one row")]
async fn set_result(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
    number: u32,
    state: AttemptState,
    external_id: Option<&str>,
    code: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    on!(tx.connection(), connection =>
        sqlx::query(
            "UPDATE message_attempts SET state = $4, external_id = $5, code = $6, ended_at = $7
             WHERE tenant_id = $1 AND message_id = $2 AND number = $3")
            .bind(tenant.0)
            .bind(message.0)
            .bind(i64::from(number))
            .bind(state.as_str())
            .bind(external_id)
            .bind(code)
            .bind(now.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    on!(tx.connection(), connection =>
        sqlx::query(
            "UPDATE messages SET attempt_state = $4, looked_at = $5
             WHERE tenant_id = $1 AND id = $2 AND attempts = $3")
            .bind(tenant.0)
            .bind(message.0)
            .bind(i64::from(number))
            .bind(state.as_str())
            .bind(state.may_have_gone().then(|| now.timestamp_millis()))
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}

/// A report names a message of ours as the provider's: so the attempt with that provider of which nobody knew it was sent.
/// Answers whether there is one. The message must be locked.
pub(crate) async fn prove_sent(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
    name: Name<'_>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let attempts = attempts_of(tx, tenant, message).await?;
    let lost = attempts.into_iter().rev().find(|attempt| {
        attempt.provider == name.provider
            && attempt.external_id.is_none()
            && attempt.state.gives_way_to(AttemptState::Sent)
    });
    let Some(lost) = lost else { return Ok(false) };
    let external_id = Some(name.external_id);
    set_result(
        tx,
        tenant,
        message,
        lost.number,
        AttemptState::Sent,
        external_id,
        None,
        now,
    )
    .await?;
    Ok(true)
}
