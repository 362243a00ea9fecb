//! Challenges: one-time codes that were asked for. The codes themselves are nowhere.

use chrono::{DateTime, Utc};
use domain::otp::{self, CodeKey, TooMany, Verdict, limits};
use domain::{Challenge, ChallengeId, Channel, Code, Language, Recipient, TenantId};
use sqlx::{FromRow, Postgres, Sqlite};
use uuid::Uuid;

use crate::db::Tx;
use crate::messages::{text, word};
use crate::tenants::context;
use crate::{Store, StoreError, time};

/// A challenge about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChallenge {
    /// Its id, derived from the request ([`ChallengeId::of_request`]), so that asking again makes no second one.
    pub id: ChallengeId,
    /// Who is to prove that they read what is sent there.
    pub recipient: Recipient,
    /// How the code goes.
    pub channel: Channel,
    /// The language of the message.
    pub language: Language,
    /// The name of the key that the code follows from.
    pub code_key_id: String,
    /// Who asks: the id of an API key or of a user.
    pub caller: Uuid,
}

/// A challenge as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChallenge {
    /// Its id.
    pub id: ChallengeId,
    /// Who is to prove that they read what is sent there.
    pub recipient: Recipient,
    /// How the code goes.
    pub channel: Channel,
    /// The language of the message.
    pub language: Language,
    /// The name of the key that the code follows from.
    pub code_key_id: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when the code is good.
    pub expires_at: DateTime<Utc>,
    /// How many wrong codes it still stands.
    pub tries_left: u8,
    /// When the right code was given.
    pub used_at: Option<DateTime<Utc>>,
}

/// What [`Store::begin_challenge`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChallengeBegun {
    /// It is made: send the code.
    New(StoredChallenge),
    /// It was made before, by the same request.
    Known(StoredChallenge),
    /// Too many were sent to this recipient, or asked for by this caller. Nothing was made.
    Refused(TooMany),
}

impl Store {
    /// Makes a challenge, within the limits of [`domain::otp::limits`]: checked and counted in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the id belongs to a challenge for somebody else; [`StoreError::Missing`] when the
    /// tenant is gone; [`StoreError::Unavailable`] to try again later.
    pub async fn begin_challenge(
        &self,
        tenant: TenantId,
        challenge: &NewChallenge,
        now: DateTime<Utc>,
    ) -> Result<ChallengeBegun, StoreError> {
        let mut tx = self.db.begin().await?;
        let hash = self.recipient_hash(&mut tx, tenant, &challenge.recipient).await?;
        // In this order always, so that nobody waits in a circle: who asks, then who is asked for.
        tx.serialise_on(challenge.caller).await?;
        tx.serialise_on(Uuid::new_v5(&tenant.0, &hash)).await?;
        if let Some(row) = find(&mut tx, tenant, challenge.id).await? {
            tx.rollback().await?;
            let same = row.recipient_hash == hash && row.channel == challenge.channel.as_str();
            return if same {
                Ok(ChallengeBegun::Known(self.open_challenge(row)?))
            } else {
                Err(StoreError::Conflict("this challenge was made for somebody else"))
            };
        }
        let to_number = sent_at(&mut tx, TO_RECIPIENT, tenant, hash.as_slice(), limits::PER_NUMBER.most).await?;
        let by_caller = sent_at(&mut tx, BY_CALLER, tenant, challenge.caller, limits::PER_CALLER.most).await?;
        if let Err(refusal) = limits::may_send(&to_number, &by_caller, now) {
            tx.rollback().await?;
            return Ok(ChallengeBegun::Refused(refusal));
        }
        let made = StoredChallenge {
            id: challenge.id,
            recipient: challenge.recipient.clone(),
            channel: challenge.channel,
            language: challenge.language,
            code_key_id: challenge.code_key_id.clone(),
            created_at: time::stored(now),
            expires_at: time::stored(now) + otp::LIFETIME,
            tries_left: otp::TRIES_MAX,
            used_at: None,
        };
        self.insert_challenge(&mut tx, tenant, &made, challenge, &hash).await?;
        tx.commit().await?;
        Ok(ChallengeBegun::New(made))
    }

    /// A challenge by its id.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it was sealed under a key that is not in the keyring.
    pub async fn challenge(&self, tenant: TenantId, id: ChallengeId) -> Result<Option<StoredChallenge>, StoreError> {
        let row: Option<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(SELECT).bind(tenant.0).bind(id.0).fetch_optional(pool).await)?;
        row.map(|row| self.open_challenge(row)).transpose()
    }

    /// Judges a code that was given and writes the judgement down, so that of two right tries at once one is right, and of
    /// wrong ones at once every one counts. `key` finds the key of a name. `None`: there is no such challenge.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the key that its code follows from is not there any more;
    /// [`StoreError::Unavailable`] to try again later: nothing was judged.
    pub async fn verify_challenge(
        &self,
        tenant: TenantId,
        id: ChallengeId,
        given: &Code,
        key: impl Fn(&str) -> Option<CodeKey> + Send,
        now: DateTime<Utc>,
    ) -> Result<Option<Verdict>, StoreError> {
        // Every other try that comes between reading and writing moves the challenge on, which it bears only so often.
        for _ in 0..=otp::TRIES_MAX {
            let row: Option<Row> = on!(self.db.reader(), pool =>
                sqlx::query_as(SELECT).bind(tenant.0).bind(id.0).fetch_optional(pool).await)?;
            let Some(row) = row else { return Ok(None) };
            let key = key(&row.code_key_id).ok_or(StoreError::Corrupt("the name of a key that is gone".into()))?;
            let challenge = Challenge {
                id,
                issued_at: time::at(row.created_at)?,
                wrong_tries: otp::TRIES_MAX.saturating_sub(tries(row.tries_left)?),
                used: row.used_at.is_some(),
            };
            let verdict = otp::judge(&challenge, &key, given, now);
            if self.write_verdict(tenant, id, row.tries_left, verdict, now).await? {
                return Ok(Some(verdict));
            }
        }
        Err(StoreError::Unavailable("too many tries at once".into()))
    }

    /// Forgets challenges that expired before `before`, at most `limit` of them. Answers how many went.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn purge_challenges(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let purged = write_on!(self.db, pool =>
            sqlx::query(
                "DELETE FROM otp_challenges WHERE (tenant_id, id) IN
                     (SELECT tenant_id, id FROM otp_challenges WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)")
                .bind(before.timestamp_millis())
                .bind(i64::from(limit))
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?;
        Ok(purged)
    }

    async fn insert_challenge(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        made: &StoredChallenge,
        challenge: &NewChallenge,
        hash: &[u8],
    ) -> Result<(), StoreError> {
        let recipient = self.keyring.seal(
            &context("challenge.recipient", made.id.0),
            made.recipient.expose().as_bytes(),
        );
        on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO otp_challenges
                     (tenant_id, id, channel, language, recipient, recipient_hash, code_key_id, caller, created_at,
                      expires_at, tries_left)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
                .bind(tenant.0)
                .bind(made.id.0)
                .bind(made.channel.as_str())
                .bind(made.language.as_str())
                .bind(recipient)
                .bind(hash)
                .bind(&made.code_key_id)
                .bind(challenge.caller)
                .bind(made.created_at.timestamp_millis())
                .bind(made.expires_at.timestamp_millis())
                .bind(i64::from(made.tries_left))
                .execute(connection)
                .await
                .map(|_| ()))?;
        Ok(())
    }

    /// Writes down what was said of a code, if the challenge still is as it was when that was said. Answers whether it is.
    async fn write_verdict(
        &self,
        tenant: TenantId,
        id: ChallengeId,
        tries_left: i64,
        verdict: Verdict,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let (wrong, used_at) = match verdict {
            Verdict::Right => (0_i64, Some(now.timestamp_millis())),
            Verdict::Wrong { .. } => (1, None),
            // Nothing was compared, so there is nothing to write.
            Verdict::Locked | Verdict::Expired | Verdict::Used => return Ok(true),
        };
        let written = write_on!(self.db, pool =>
            sqlx::query(
                "UPDATE otp_challenges SET tries_left = tries_left - $4, used_at = $5
                 WHERE tenant_id = $1 AND id = $2 AND tries_left = $3 AND used_at IS NULL")
                .bind(tenant.0)
                .bind(id.0)
                .bind(tries_left)
                .bind(wrong)
                .bind(used_at)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?;
        Ok(written > 0)
    }

    pub(crate) fn open_challenge(&self, row: Row) -> Result<StoredChallenge, StoreError> {
        let recipient = text(&self.keyring, "challenge.recipient", row.id, Some(row.recipient))?
            .and_then(|text| Recipient::try_from(text).ok())
            .ok_or(StoreError::Corrupt("a recipient".into()))?;
        Ok(StoredChallenge {
            id: ChallengeId(row.id),
            recipient,
            channel: word(&row.channel, "an unknown channel")?,
            language: word(&row.language, "an unknown language")?,
            code_key_id: row.code_key_id,
            created_at: time::at(row.created_at)?,
            expires_at: time::at(row.expires_at)?,
            tries_left: tries(row.tries_left)?,
            used_at: time::at_opt(row.used_at)?,
        })
    }
}

#[derive(FromRow)]
pub(crate) struct Row {
    id: Uuid,
    channel: String,
    language: String,
    recipient: Vec<u8>,
    recipient_hash: Vec<u8>,
    code_key_id: String,
    created_at: i64,
    expires_at: i64,
    tries_left: i64,
    used_at: Option<i64>,
}

const SELECT: &str =
    "SELECT id, channel, language, recipient, recipient_hash, code_key_id, created_at, expires_at, tries_left, used_at
     FROM otp_challenges WHERE tenant_id = $1 AND id = $2";

/// All that were asked for, for somebody.
pub(crate) const OF_RECIPIENT: &str =
    "SELECT id, channel, language, recipient, recipient_hash, code_key_id, created_at, expires_at, tries_left, used_at
     FROM otp_challenges WHERE tenant_id = $1 AND recipient_hash = $2 ORDER BY created_at DESC";

/// When the latest challenges for somebody were made, whoever asked.
pub(crate) const TO_RECIPIENT: &str = "SELECT created_at FROM otp_challenges
     WHERE tenant_id = $1 AND recipient_hash = $2 ORDER BY created_at DESC LIMIT $3";

/// When somebody last asked for challenges, whomever for.
pub(crate) const BY_CALLER: &str = "SELECT created_at FROM otp_challenges
     WHERE tenant_id = $1 AND caller = $2 ORDER BY created_at DESC LIMIT $3";

async fn find(tx: &mut Tx, tenant: TenantId, id: ChallengeId) -> Result<Option<Row>, StoreError> {
    Ok(on!(tx.connection(), connection =>
        sqlx::query_as(SELECT).bind(tenant.0).bind(id.0).fetch_optional(connection).await)?)
}

/// The times of the latest challenges; as many as the limit allows are enough to judge by.
async fn sent_at<'a, B>(
    tx: &mut Tx,
    statement: &'static str,
    tenant: TenantId,
    whose: B,
    most: usize,
) -> Result<Vec<DateTime<Utc>>, StoreError>
where
    B: sqlx::Encode<'a, Postgres> + sqlx::Type<Postgres> + sqlx::Encode<'a, Sqlite> + sqlx::Type<Sqlite> + Send + 'a,
{
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let times: Vec<i64> = on!(tx.connection(), connection =>
        sqlx::query_scalar(statement).bind(tenant.0).bind(whose).bind(most).fetch_all(connection).await)?;
    times.into_iter().map(time::at).collect()
}

fn tries(left: i64) -> Result<u8, StoreError> {
    u8::try_from(left).map_err(|_| StoreError::Corrupt("a number of tries".into()))
}
