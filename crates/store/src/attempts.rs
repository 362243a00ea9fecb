//! Attempts: the intent written before a provider is called, and what came of it.

use chrono::{DateTime, Utc};
use domain::outgoing::{AttemptResult, AttemptState, MessageEnd};
use domain::{CredentialId, MessageId, Status, Suppression, TenantId};

use crate::{Store, StoreError};

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
        let _ = (tenant, message, attempt, now);
        Err(crate::not_yet())
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
        let _ = (tenant, message, number, result, now);
        Err(crate::not_yet())
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
        let _ = (tenant, message, end, now);
        Err(crate::not_yet())
    }

    /// A message's attempts, the first one first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn attempts(&self, tenant: TenantId, message: MessageId) -> Result<Vec<Attempt>, StoreError> {
        let _ = (tenant, message);
        Err(crate::not_yet())
    }
}
