//! Attempts: the intent that is written before a provider is called. What came of it is written in `end_attempt.rs`.

use chrono::{DateTime, Utc};
use domain::outgoing::AttemptState;
use domain::{CredentialId, MessageId, Status, Suppression, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::db::Tx;
use crate::messages::word;
use crate::{Store, StoreError, message_state, suppressions, time};

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
    /// Send it although its recipient said STOP. For what confirms that, and for what they ask for afterwards.
    pub although_stopped: bool,
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
    /// There is no such message, or nobody any more to whom it could go.
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

    /// A message's attempts, the first one first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn attempts(&self, tenant: TenantId, message: MessageId) -> Result<Vec<Attempt>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(OF_MESSAGE).bind(tenant.0).bind(message.0).fetch_all(pool).await)?;
        rows.into_iter().map(Attempt::try_from).collect()
    }
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
pub(crate) async fn attempts_of(tx: &mut Tx, tenant: TenantId, message: MessageId) -> Result<Vec<Attempt>, StoreError> {
    let rows: Vec<Row> = on!(tx.connection(), connection =>
        sqlx::query_as(OF_MESSAGE).bind(tenant.0).bind(message.0).fetch_all(connection).await)?;
    rows.into_iter().map(Attempt::try_from).collect()
}

pub(crate) async fn attempt_of(
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
    if known.is_of_nobody() {
        // Whoever it was to go to was erased; without them it cannot be told whether they said STOP.
        return Ok(AttemptBegun::Unknown);
    }
    if let Some(hash) = &known.recipient_hash {
        let standing = suppressions::standing(tx, tenant, known.channel, hash).await?;
        let mut against = standing
            .into_iter()
            .filter(|(reason, _)| !(new.although_stopped && *reason == Suppression::Stop));
        if let Some((reason, since)) = against.next() {
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
