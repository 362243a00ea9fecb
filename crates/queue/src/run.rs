//! One run of one claimed job: read it, run it within its time, turn the answer into an outcome.

use std::sync::Arc;
use std::time::Duration;

use seal::{Keyring, OpenError};
use tracing::Instrument as _;

use crate::backend::{Claimed, Excerpt, Outcome, Reason};
use crate::clock::{Clock, Millis, millis};
use crate::envelope::Envelope;
use crate::job::{Attempt, JobError, Notes, Policy, RETRY_AFTER_MAX, RETRY_AFTER_MIN};
use crate::pauses::{Pauses, Scope};
use crate::registry::{Registry, Run};
use crate::starts_at::StartsAt;

/// What every run needs.
pub struct Runner<C> {
    /// The kinds this process knows.
    pub registry: Registry<C>,
    /// What handlers are given.
    pub ctx: Arc<C>,
    /// Opens payloads.
    pub keyring: Keyring,
    /// Dates everything.
    pub clock: Clock,
    /// What is paused now.
    pub pauses: Pauses,
}

/// How a run ended, and what it noted.
#[derive(Debug)]
pub struct Ended {
    /// What that means for the job.
    pub outcome: Outcome,
    /// The call that went wrong, if it told of one.
    pub excerpt: Option<Excerpt>,
}

impl From<Outcome> for Ended {
    fn from(outcome: Outcome) -> Self {
        let excerpt = None;
        Self { outcome, excerpt }
    }
}

/// A run that is ready to begin.
struct Started {
    run: Run,
    notes: Notes,
    policy: Policy,
    waits_itself: bool,
    span: tracing::Span,
}

impl<C: Send + Sync + 'static> Runner<C> {
    /// Runs a claimed job to its end, when it may start. Never panics for what a handler does only if it is spawned: a handler's panic is the
    /// panic of this future.
    pub async fn run(&self, claimed: &Claimed, starts_at: &StartsAt) -> Ended {
        let Started {
            run,
            notes,
            policy,
            waits_itself,
            span,
        } = match self.start(claimed, starts_at) {
            Ok(started) => started,
            Err(outcome) => return outcome.into(),
        };
        if !waits_itself && let Err(not_now) = starts_at.reached().await {
            return decide(
                Err(not_now),
                &policy,
                claimed.attempts,
                self.clock.now(),
                rand::random(),
            )
            .into();
        }
        let answer = tokio::time::timeout(policy.timeout, run.instrument(span)).await;
        let answer = answer.unwrap_or_else(|_| Err(JobError::Retry(timed_out(policy.timeout).into())));
        Ended {
            outcome: decide(answer, &policy, claimed.attempts, self.clock.now(), rand::random()),
            excerpt: notes.take(),
        }
    }

    /// Whether this process can run what was parked behind a gate: it has the kind or the key that was wanting, or the
    /// pause is over.
    #[must_use]
    pub fn opens(&self, gate: &str) -> bool {
        if let Some(scope) = Scope::of_gate(gate) {
            return !self.pauses.covers(&scope);
        }
        match gate.split_once(':') {
            Some(("kind", kind)) => self.registry.kind(kind).is_some(),
            Some(("key", id)) => self.keyring.ids().any(|known| known == id),
            _ => false,
        }
    }

    fn start(&self, claimed: &Claimed, starts_at: &StartsAt) -> Result<Started, Outcome> {
        let Some(envelope) = Envelope::decode(&claimed.body) else {
            return Err(dead(
                Reason::Unreadable,
                "the stored form is not one this program ever wrote",
            ));
        };
        if envelope.expires_at.is_some_and(|at| at <= self.clock.now()) {
            return Err(Outcome::Dead {
                reason: Reason::Expired,
                error: None,
            });
        }
        let Some(kind) = self.registry.kind(envelope.kind) else {
            return Err(Outcome::Park {
                gate: kind_gate(envelope.kind),
            });
        };
        if let Some(gate) = self.pauses.gate(kind.name, claimed.tenant) {
            return Err(Outcome::Park { gate });
        }
        let payload = envelope.open(claimed.id, &self.keyring).map_err(|error| match error {
            OpenError::UnknownKey(id) => Outcome::Park { gate: key_gate(&id) },
            other => dead(Reason::Unreadable, &other.to_string()),
        })?;
        let starts_at = if kind.waits_itself {
            starts_at.clone()
        } else {
            StartsAt::default()
        };
        let attempt = attempt(claimed, &envelope, starts_at);
        let span = tracing::error_span!(
            "job",
            job.id = %claimed.id, job.kind = kind.name, attempt = attempt.number,
            tenant = %claimed.tenant, correlation = %attempt.correlation
        );
        let notes = attempt.notes.clone();
        let run = (kind.start)(&payload, Arc::clone(&self.ctx), attempt)
            .map_err(|why| dead(Reason::Unreadable, &format!("the payload does not parse: {why}")))?;
        Ok(Started {
            run,
            notes,
            policy: kind.policy,
            waits_itself: kind.waits_itself,
            span,
        })
    }
}

fn attempt(claimed: &Claimed, envelope: &Envelope<'_>, starts_at: StartsAt) -> Attempt {
    Attempt {
        job: claimed.id,
        tenant: claimed.tenant,
        number: claimed.attempts.saturating_add(1),
        correlation: envelope.correlation,
        starts_at,
        notes: Notes::default(),
    }
}

/// What the answer of a run means, as a plain rule. `dice` in `0.0..=1.0` places the back-off.
pub(crate) fn decide(
    answer: Result<(), JobError>,
    policy: &Policy,
    attempts_before: u16,
    now: Millis,
    dice: f64,
) -> Outcome {
    let attempts = attempts_before.saturating_add(1);
    let failed = |error: &(dyn std::error::Error + 'static), asked: Duration| {
        let error = Some(chain(error));
        if attempts >= policy.attempts {
            let reason = Reason::Attempts;
            return Outcome::Dead { reason, error };
        }
        let (backoff, asked) = (policy.backoff.wait(attempts.into(), dice), asked.min(RETRY_AFTER_MAX));
        Outcome::Later {
            run_at: now + millis(backoff.max(asked)),
            error,
            cool: asked > backoff,
        }
    };
    match answer {
        Ok(()) => Outcome::Done,
        Err(JobError::Retry(error)) => failed(&*error, Duration::ZERO),
        Err(JobError::RetryNotBefore(asked, error)) => failed(&*error, asked),
        Err(JobError::RetryAfter(wait)) => Outcome::Later {
            run_at: now + millis(wait.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)),
            error: None,
            cool: true,
        },
        Err(JobError::Snooze(wait)) => Outcome::Later {
            run_at: now + millis(wait),
            error: None,
            cool: false,
        },
        Err(JobError::Dead(why)) => Outcome::Dead {
            reason: Reason::Refused,
            error: Some(why),
        },
    }
}

/// What a run that panicked means; the panic's own text may hold anything, so it is not kept.
pub(crate) fn decide_panicked<C: Send + Sync + 'static>(runner: &Runner<C>, claimed: &Claimed) -> Outcome {
    let policy = Envelope::decode(&claimed.body).and_then(|envelope| runner.registry.policy(envelope.kind));
    let Some(policy) = policy else {
        return dead(Reason::Unreadable, "reading the job panicked");
    };
    let answer = Err(JobError::Retry(
        "the handler panicked; the log of that time has the place".into(),
    ));
    decide(answer, &policy, claimed.attempts, runner.clock.now(), rand::random())
}

fn dead(reason: Reason, error: &str) -> Outcome {
    Outcome::Dead {
        reason,
        error: Some(error.to_owned()),
    }
}

fn timed_out(timeout: Duration) -> String {
    format!("no end within the time-out of {} s", timeout.as_secs_f64())
}

fn kind_gate(kind: &str) -> String {
    format!("kind:{kind}")
}

fn key_gate(id: &str) -> String {
    format!("key:{id}")
}

/// An error with its causes in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many errors already end with their cause's text.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backoff::Backoff;
    use crate::job::Queue;

    const POLICY: Policy = Policy {
        queue: Queue::Default,
        attempts: 3,
        backoff: Backoff {
            first: Duration::from_secs(4),
            cap: Duration::from_secs(60),
        },
        timeout: Duration::from_secs(10),
        expires: None,
    };

    /// When it is tried again, in milliseconds from now, whether that cost an attempt, and whether its key is closed.
    fn check(answer: JobError, attempts_before: u16, expected: (Millis, bool, bool)) {
        let Outcome::Later { run_at, error, cool } = decide(Err(answer), &POLICY, attempts_before, 0, 0.0) else {
            panic!("it is not tried again");
        };
        assert_eq!((run_at, error.is_some(), cool), expected);
    }

    #[test]
    fn who_is_to_be_asked_again_at_once_is_left_alone_for_a_moment_and_who_asks_for_days_for_an_hour() {
        let after = |seconds| JobError::RetryAfter(Duration::from_secs(seconds));
        check(after(0), 0, (1_000, false, true));
        check(after(7), 0, (7_000, false, true));
        check(after(86_400), 0, (3_600_000, false, true));
    }

    #[test]
    fn a_failure_waits_for_the_later_of_its_back_off_and_what_was_asked_and_its_attempts_come_to_an_end() {
        let failed = |seconds| JobError::RetryNotBefore(Duration::from_secs(seconds), "busy".into());
        check(failed(0), 0, (2_000, true, false));
        check(failed(1), 1, (4_000, true, false));
        check(failed(30), 1, (30_000, true, true));
        check(failed(86_400), 0, (3_600_000, true, true));
        for seconds in [0, 86_400] {
            let Outcome::Dead { reason, .. } = decide(Err(failed(seconds)), &POLICY, 2, 0, 0.0) else {
                panic!("it goes on for ever");
            };
            assert_eq!(reason, Reason::Attempts);
        }
    }
}
