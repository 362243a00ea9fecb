//! Each reason in a sentence or two, with what to do about it if anything.

use queue::backend::{Failure, Reason};
use queue::{Pause, Queue, Scope};

use super::{Turn, Why};
use crate::time::rfc3339;

impl Why {
    /// The reason for people.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Unknown => "No job of this id is known; if there was one, it ended more than a week ago.".into(),
            Self::Ended => "It has ended: its work is done, or it was cancelled or deleted.".into(),
            Self::Dead { reason, at, last } => {
                let (at, why, cause) = (rfc3339(*at), meaning(*reason), cause(last.as_ref()));
                format!("It died at {at}: {why}.{cause} `relais dead retry ID` runs it again.")
            }
            Self::UnknownKind { kind } => {
                format!(
                    "No worker that claims from its queue knows the kind `{kind}`. Start one of a version that does."
                )
            }
            Self::UnknownKey { key } => {
                format!("It is sealed under the key `{key}`. Start a worker that has this key in RELAIS_KEYS.")
            }
            Self::Parked { gate } => format!("It waits behind the gate `{gate}`."),
            Self::Freed { gate } => {
                format!("It was set aside behind the gate `{gate}`, which is open by now; it flows again in a moment.")
            }
            Self::Scheduled {
                until,
                attempts,
                crashes,
                last,
            } => {
                let after = after(*attempts, *crashes);
                format!("It is due at {}{after}.{}", rfc3339(*until), cause(last.as_ref()))
            }
            Self::QuietHours { until, again_at } => {
                let (until, again_at) = (rfc3339(*until), rfc3339(*again_at));
                format!("Quiet hours of its tenant hold it until {until}; it looks again at {again_at}.")
            }
            Self::CircuitOpen {
                provider,
                label,
                failures,
                until,
                again_at,
            } => {
                let (until, again_at) = (rfc3339(*until), rfc3339(*again_at));
                format!(
                    "Its account at {provider}, `{label}`, failed {failures} times in a row and is left alone until {until}; \
                     it looks again at {again_at}. `relais circuits` shows all."
                )
            }
            Self::Running { by, until } => {
                format!("It runs: worker {by} holds it until {} or longer.", rfc3339(*until))
            }
            Self::LeaseEnded { by, at } => {
                let at = rfc3339(*at);
                format!("Worker {by} gave no sign of life until {at}; another takes the job back in a moment.")
            }
            Self::Paused { scope, by } => paused(scope, by.as_ref()),
            Self::WorkersPaused { queue, first, workers } => workers_paused(*queue, first, *workers),
            Self::Behind { line, head } => {
                format!("Job {head} of its line `{line}` goes first; `relais jobs why {head}` says why that one waits.")
            }
            Self::NoWorker {
                queue,
                storeless: storeless @ 1..,
            } => format!(
                "Nobody claims from the queue {queue}: the store does not answer its living workers ({storeless}). They go on \
                 by themselves when it does."
            ),
            Self::NoWorker { queue, .. } => {
                format!("No living worker serves the queue {queue}; `relais worker --queues {queue}=16` starts one.")
            }
            Self::Cooled { key, until } => {
                let until = rfc3339(*until);
                format!("The provider behind the limit key `{key}` asked for nothing more until {until}.")
            }
            Self::Rate {
                key,
                count,
                per_s,
                until,
            } => {
                let until = rfc3339(*until);
                format!("The limit key `{key}` allows {count} starts in {per_s} s and opens again at {until}.")
            }
            Self::Concurrency { key, most: 0, .. } => {
                format!("The limit key `{key}` allows no job at all; `relais limits set` or `remove` changes that.")
            }
            Self::Concurrency { key, running, most } => {
                format!("{running} of {most} jobs of the limit key `{key}` run; it starts when one of them has ended.")
            }
            Self::Suspect { crashes, slots } => {
                let times = plural((*crashes).into(), "time");
                format!(
                    "A worker died under it {crashes} {times}, so it is ready but a worker runs at most {slots} such at once."
                )
            }
            Self::Waiting(turn) => turn.words(),
        }
    }
}

impl Turn {
    /// All slots are taken, or others go first, or nothing is in its way.
    fn words(self) -> String {
        let Self {
            ready, slots, is_full, ..
        } = self;
        let among = match ready {
            0 | 1 => String::new(),
            ready => format!(" {ready} jobs of its queue are ready, and tenants take turns."),
        };
        match (is_full, among.is_empty()) {
            (true, _) => {
                format!("It starts when a slot is free: {slots} of {slots} of its queue's workers are busy.{among}")
            }
            (false, true) => "It is ready and starts in a moment.".to_owned(),
            (false, false) => format!("It waits its turn for one of {slots} slots of its queue's workers.{among}"),
        }
    }
}

/// What a reason of death means.
const fn meaning(reason: Reason) -> &'static str {
    match reason {
        Reason::Attempts => "every attempt failed",
        Reason::Refused => "its work was refused for good",
        Reason::Expired => "it was not started before it expired",
        Reason::Unreadable => "its payload cannot be read",
        Reason::Poison => "workers died under it again and again",
        Reason::Cancelled => "somebody cancelled it while it ran",
    }
}

/// What is paused, and its name.
pub(crate) fn scope(scope: &Scope) -> (&'static str, String) {
    match scope {
        Scope::Queue(queue) => ("queue", queue.to_string()),
        Scope::Kind(kind) => ("kind", kind.clone()),
        Scope::Tenant(tenant) => ("tenant", tenant.to_string()),
        Scope::Worker(session) => ("worker", session.to_string()),
    }
}

fn paused(of: &Scope, by: Option<&(String, queue::Millis)>) -> String {
    let (what, name) = scope(of);
    let Some((who, at)) = by else {
        return format!("The {what} {name} was paused; it flows again in a moment.");
    };
    let resume = match of {
        Scope::Queue(queue) => format!("relais queues resume {queue}"),
        Scope::Kind(_) | Scope::Tenant(_) | Scope::Worker(_) => format!("relais resume {what} {name}"),
    };
    format!(
        "The {what} {name} is paused by {who} since {}; `{resume}` lets it flow.",
        rfc3339(*at)
    )
}

/// To resume one of them is enough, so one is named.
fn workers_paused(queue: Queue, first: &Pause, workers: usize) -> String {
    let (_, session) = scope(&first.scope);
    let (by, since) = (&first.by, rfc3339(first.at));
    let all = match workers {
        1 => String::new(),
        workers => format!(" It is one of {workers} that are."),
    };
    format!(
        "Nobody claims from the queue {queue}: worker {session} is paused by {by} since {since}; `relais resume worker \
         {session}` lets it claim.{all}"
    )
}

fn after(attempts: u16, crashes: u8) -> String {
    match (attempts, crashes) {
        (0, 0) => String::new(),
        (attempts, 0) => format!(", after {attempts} failed {}", plural(attempts, "attempt")),
        (_, crashes) => format!(", after {crashes} {} of its worker", plural(crashes.into(), "crash")),
    }
}

fn cause(last: Option<&Failure>) -> String {
    last.map(|last| format!(" Attempt {} said: {}.", last.attempt, last.error.trim_end_matches('.')))
        .unwrap_or_default()
}

fn plural(count: u16, word: &str) -> String {
    match (count, word.ends_with('h')) {
        (1, _) => word.to_owned(),
        (_, true) => format!("{word}es"),
        _ => format!("{word}s"),
    }
}
