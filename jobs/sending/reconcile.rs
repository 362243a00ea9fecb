//! What became of a call whose answer nobody wrote down.
//!
//! An intent without a result means that a worker died, or was stopped, between the two; a result `unclear`, that the
//! provider's answer was lost. What can be done follows from the provider ([`providers::Reconcile`]): send again with the
//! same key, look the message up, or neither. Where neither is possible the message's class decides: a code may be sent
//! again, because it says the same; anything else waits for a person, as a dead letter.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::outgoing::{AttemptResult, AttemptState};
use domain::{MessageClass, MessageId};
use providers::{Failure, Outgoing, Reconcile, Sent};
use queue::{JobError, LEASE};
use store::Attempt;

use super::answer::span;
use super::course::{Course, note, sent};
use crate::outside::Account;

/// What a dead letter says that waits for a person to decide. Whoever retries it sends the message again.
pub(super) const ASKS_A_PERSON: &str =
    "it is not known whether the provider sent it, and cannot be found out; a retry sends it again";

/// What is known after asking.
#[derive(Debug)]
pub(super) enum Known {
    /// It went: written down.
    Went,
    /// It did not: written down, and a new attempt may begin.
    DidNot,
    /// It cannot be found out, and may be sent all the same.
    SendAnyway,
    /// Call again under the same attempt: the provider knows the message by its id.
    CallAgain,
}

/// Whether a worker may still be at it: its run would have ended within a lease.
pub(super) fn in_flight_for(attempt: &Attempt, now: DateTime<Utc>) -> Option<Duration> {
    let over = attempt.started_at + TimeDelta::from_std(LEASE).unwrap_or_default();
    (attempt.state == AttemptState::Intended && over > now).then(|| span(over - now))
}

/// Finds out what became of `attempt`, which was made with `account`.
pub(super) async fn find_out(
    course: &Course<'_>,
    account: &Account,
    outgoing: &Outgoing,
    attempt: &Attempt,
) -> Result<Known, JobError> {
    let now = Utc::now();
    match account.sender.reconcile() {
        Reconcile::Idempotent { within } if now - attempt.started_at < within => Ok(Known::CallAgain),
        Reconcile::LookUp { .. } => look_up(course, account, outgoing, attempt, now).await,
        Reconcile::Idempotent { .. } | Reconcile::Neither => {
            undecidable(course, attempt, now).await?;
            Ok(Known::SendAnyway)
        }
    }
}

async fn look_up(
    course: &Course<'_>,
    account: &Account,
    outgoing: &Outgoing,
    attempt: &Attempt,
    now: DateTime<Utc>,
) -> Result<Known, JobError> {
    let found = match account.sender.look_up(outgoing, attempt.started_at, now).await {
        Ok(found) => found,
        Err(error) => {
            note(course.attempt, error.excerpt.as_deref());
            return Err(match (error.failure, error.until) {
                (Failure::Deferred, Some(until)) => JobError::Snooze(span(until - now)),
                (Failure::RateLimited, Some(until)) => JobError::RetryAfter(span(until - now)),
                _ => error.into(),
            });
        }
    };
    let provider = account.sender.provider().as_str();
    for candidate in found {
        if is_another(course, provider, &candidate).await? {
            continue;
        }
        let result = sent(candidate);
        course.end_attempt(attempt.number, &result).await?;
        tracing::info!(provider, "A message whose answer was lost was found at its provider.");
        return Ok(Known::Went);
    }
    let result = AttemptResult::NotSent {
        code: "not_found".into(),
    };
    course.end_attempt(attempt.number, &result).await?;
    tracing::info!(
        provider,
        "A message whose answer was lost is not at its provider; it is sent again."
    );
    Ok(Known::DidNot)
}

/// Whether what was found is known as another message of ours.
async fn is_another(course: &Course<'_>, provider: &str, candidate: &Sent) -> Result<bool, JobError> {
    let store = &course.ctx.store;
    let known = store
        .message_by_external(course.tenant, provider, &candidate.external_id)
        .await?;
    let of_request = |id: MessageId| id != course.sending.message.id;
    // A message that was only ever reported becomes a part of this one.
    Ok(known.is_some_and(|message| message.class.is_some() && of_request(message.id)))
}

/// Neither the provider nor time will tell. `Ok`: it may be sent all the same.
pub(super) async fn undecidable(course: &Course<'_>, attempt: &Attempt, now: DateTime<Utc>) -> Result<(), JobError> {
    if attempt.state == AttemptState::Intended {
        let code = "no_answer".into();
        course
            .end_attempt(attempt.number, &AttemptResult::Unclear { code })
            .await?;
    }
    if course.sending.message.class == MessageClass::Code {
        return Ok(());
    }
    if course.a_person_decided(attempt).await? {
        tracing::warn!(
            waited_seconds = (now - attempt.started_at).num_seconds(),
            "Sent again, as a person decided."
        );
        return Ok(());
    }
    Err(JobError::Dead(ASKS_A_PERSON.to_owned()))
}
