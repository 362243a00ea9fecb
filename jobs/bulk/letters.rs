//! Letters of a bulk action: acting on them, and what has become of each since.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::BulkAct;
use futures_util::TryStreamExt as _;
use queue::backend::{Backend, Kept, QueueError, RetryDead, State};
use queue::clock::millis;
use queue::envelope::Envelope;
use queue::{JobId, Millis};
use store::LetterFate;
use uuid::Uuid;

/// A letter that is ready or runs is looked at again after this.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(1);

/// One that waits for something that has no time.
const LOOK_AGAIN_WAITING: TimeDelta = TimeDelta::seconds(10);

/// One that waits for its time is looked at again then, but not later than this: somebody may have cancelled it.
const LOOK_AGAIN_MAX: TimeDelta = TimeDelta::hours(1);

/// A letter that was listed less than this ago is still believed to be what it was.
const BELIEVED_FOR: Duration = Duration::from_secs(2);

/// The most characters of an error that are kept of a letter that failed.
const REASON_CHARS_MAX: usize = 500;

/// Each is a transaction of its own: few, to leave the connections to the queue for live work.
const DELETED_AT_ONCE: usize = 3;

/// A letter as it was listed.
pub(crate) struct Listed {
    /// What the list showed.
    pub(crate) kept: Kept,
    /// When it was asked for.
    pub(crate) at: std::time::Instant,
}

/// Acts on those letters that are still dead since before `asked_at`. May be called again after it was cut short.
pub(crate) async fn act(
    backend: &dyn Backend,
    act: BulkAct,
    letters: Vec<(Uuid, Option<Listed>)>,
    asked_at: Millis,
    now: Millis,
) -> Result<Fates, QueueError> {
    let mut found = Vec::with_capacity(letters.len());
    for (id, listed) in letters {
        found.push((JobId(id), still_dead(backend, JobId(id), listed, asked_at).await?));
    }
    let acted = act_on(backend, act, &found, now).await;
    if found.len() == 1 || !matches!(acted, Err(QueueError::Broken(_))) {
        return acted.or_else(|error| all_failed(&found, error));
    }
    // One of them is broken; the others shall not fail with it.
    let mut fates = Vec::with_capacity(found.len());
    for one in found.chunks(1) {
        let acted = act_on(backend, act, one, now).await;
        fates.extend(acted.or_else(|error| all_failed(one, error))?);
    }
    Ok(fates)
}

/// A letter, and what it is if it is dead.
type Found = (JobId, Option<Kept>);
type Fates = Vec<(Uuid, LetterFate)>;

async fn still_dead(
    backend: &dyn Backend,
    id: JobId,
    listed: Option<Listed>,
    asked_at: Millis,
) -> Result<Option<Kept>, QueueError> {
    // A process may have been stopped since then for longer than its lease, and another one been here.
    let listed = listed.filter(|listed| listed.at.elapsed() < BELIEVED_FOR);
    let kept = match listed {
        Some(listed) => Some(listed.kept),
        None => backend.find(id).await?,
    };
    Ok(kept.filter(|kept| matches!(kept.state, State::Dead { died_at, .. } if died_at < asked_at)))
}

async fn act_on(backend: &dyn Backend, act: BulkAct, letters: &[Found], now: Millis) -> Result<Fates, QueueError> {
    match act {
        BulkAct::Retry => retry(backend, letters, now).await,
        BulkAct::Delete => delete(backend, letters).await,
    }
}

/// What is not dead any more is looked at later, too: somebody else may have retried it.
async fn retry(backend: &dyn Backend, letters: &[Found], now: Millis) -> Result<Fates, QueueError> {
    let dead = letters.iter().filter_map(|(id, kept)| Some((*id, kept.as_ref()?)));
    let dead: Vec<_> = dead.map(|(id, kept)| (id, renewed(kept, now))).collect();
    let retries: Vec<_> = dead
        .iter()
        .map(|(id, body)| RetryDead {
            id: *id,
            body: body.as_deref(),
        })
        .collect();
    if !retries.is_empty() {
        backend.retry_all_dead(&retries, now).await?;
    }
    let fate = LetterFate::Open {
        is_ready: true,
        look_at: at(now) + LOOK_AGAIN,
    };
    Ok(letters.iter().map(|(id, _)| (id.0, fate.clone())).collect())
}

async fn delete(backend: &dyn Backend, letters: &[Found]) -> Result<Fates, QueueError> {
    let dead = letters.iter().filter(|(_, kept)| kept.is_some());
    let deleted = futures_util::stream::iter(dead.map(Ok)).try_for_each_concurrent(DELETED_AT_ONCE, async |(id, _)| {
        backend.delete_dead(*id).await.map(|_| ())
    });
    deleted.await?;
    Ok(letters.iter().map(|(id, _)| (id.0, LetterFate::Gone)).collect())
}

fn all_failed(letters: &[Found], error: QueueError) -> Result<Fates, QueueError> {
    match error {
        QueueError::Broken(why) => Ok(letters.iter().map(|(id, _)| (id.0, failed(why.clone()))).collect()),
        unavailable => Err(unavailable),
    }
}

/// What has become of a letter that was retried.
pub(crate) async fn look(backend: &dyn Backend, id: JobId, now: Millis) -> Result<LetterFate, QueueError> {
    let Some(kept) = backend.find(id).await? else {
        return Ok(LetterFate::Gone);
    };
    let waits = |until: DateTime<Utc>| LetterFate::Open {
        is_ready: false,
        look_at: until.clamp(at(now) + LOOK_AGAIN, at(now) + LOOK_AGAIN_MAX),
    };
    Ok(match kept.state {
        State::Dead { reason, .. } => match kept.errors.last() {
            Some(last) => failed(format!("{}: {}", reason.name(), last.error)),
            None => failed(reason.name().to_owned()),
        },
        State::Ready | State::Running { .. } => LetterFate::Open {
            is_ready: true,
            look_at: at(now) + LOOK_AGAIN,
        },
        State::Scheduled { run_at } => waits(at(run_at)),
        State::Parked { .. } | State::Behind { .. } => waits(at(now) + LOOK_AGAIN_WAITING),
    })
}

/// An envelope with a new expiry, if the old one has passed: otherwise the job would expire again at once.
#[must_use]
pub fn renewed(kept: &Kept, now: Millis) -> Option<Vec<u8>> {
    let envelope = Envelope::decode(&kept.body)?;
    let expires_at = envelope.expires_at.filter(|at| *at <= now)?;
    let usual = crate::registry()
        .policy(envelope.kind)
        .map(|policy| policy.expires.map(millis));
    let span = usual.unwrap_or(Some(expires_at - envelope.created_at));
    Some(
        Envelope {
            expires_at: span.map(|span| now + span),
            ..envelope
        }
        .encode(),
    )
}

fn failed(mut reason: String) -> LetterFate {
    if let Some((end, _)) = reason.char_indices().nth(REASON_CHARS_MAX) {
        reason.truncate(end);
    }
    LetterFate::Failed { reason }
}

fn at(millis: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use queue::Queue;
    use queue::backend::Reason;

    use super::*;

    fn dead_letter(expires_at: Option<Millis>) -> Kept {
        let envelope = Envelope {
            created_at: 100,
            expires_at,
            correlation: Uuid::nil(),
            kind: "of_another_version",
            sealed: b"x",
        };
        Kept {
            id: JobId(Uuid::nil()),
            queue: Queue::Default,
            tenant: Uuid::nil(),
            attempts: 1,
            crashes: 0,
            state: State::Dead {
                reason: Reason::Expired,
                died_at: 500,
            },
            keys: queue::Keys::default(),
            body: envelope.encode(),
            errors: Vec::new(),
        }
    }

    #[test]
    fn an_expired_job_that_is_retried_gets_its_span_again() {
        let body = renewed(&dead_letter(Some(400)), 1000).unwrap();
        let envelope = Envelope::decode(&body).unwrap();
        assert_eq!((envelope.expires_at, envelope.created_at), (Some(1300), 100));
        assert_eq!(renewed(&dead_letter(Some(1001)), 1000), None);
        assert_eq!(renewed(&dead_letter(None), 1000), None);
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let LetterFate::Failed { reason } = failed("é".repeat(REASON_CHARS_MAX + 1)) else {
            panic!("it failed")
        };
        assert_eq!(reason.chars().count(), REASON_CHARS_MAX);
    }
}
