//! Challenges: one-time codes that were asked for. The codes themselves are nowhere.

use chrono::{DateTime, Utc};
use domain::otp::{CodeKey, TooMany, Verdict};
use domain::{ApiKeyId, ChallengeId, Channel, Code, Language, Recipient, TenantId};

use crate::{Store, StoreError};

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
    /// Who asks.
    pub caller: ApiKeyId,
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
        let _ = (tenant, challenge, now);
        Err(crate::not_yet())
    }

    /// A challenge by its id.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it was sealed under a key that is not in the keyring.
    pub async fn challenge(&self, tenant: TenantId, id: ChallengeId) -> Result<Option<StoredChallenge>, StoreError> {
        let _ = (tenant, id);
        Err(crate::not_yet())
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
        let _ = (tenant, id, given, key(""), now);
        Err(crate::not_yet())
    }

    /// Forgets challenges that expired before `before`, at most `limit` of them. Answers how many went.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn purge_challenges(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let _ = (before, limit);
        Err(crate::not_yet())
    }
}
