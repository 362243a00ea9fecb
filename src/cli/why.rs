//! Why a job is not running: the one true reason, out of a closed list.

use queue::backend::{Counts, Failure, Kept, Reason, State, Worker};
use queue::{Millis, Queue};
use serde_json::{Value, json};

use super::answer::time;

/// What the queue knows of an id.
pub(super) enum Found<'a> {
    /// A live job or a dead letter, with the figures of its queue.
    Kept(&'a Kept, &'a Counts),
    /// It ended well, or was cancelled, not long ago.
    Ended,
    /// Nothing.
    Nothing,
}

/// Every reason there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// There never was such a job, or it ended more than a week ago.
    Unknown,
    /// It has ended.
    Ended,
    /// It is dead.
    Dead {
        reason: Reason,
        at: Millis,
        last: Option<Failure>,
    },
    /// It waits until somebody can run it.
    Parked { gate: String },
    /// Its time has not come.
    Scheduled {
        until: Millis,
        attempts: u16,
        crashes: u8,
        last: Option<Failure>,
    },
    /// It runs.
    Running { by: String, until: Millis },
    /// The worker that had it gave no sign of life; another one takes the job back.
    LeaseEnded { by: String, at: Millis },
    /// Its queue is paused.
    Paused { queue: Queue },
    /// No living worker serves its queue.
    NoWorker { queue: Queue },
    /// Workers died under it, so it runs in a smaller group.
    Suspect { crashes: u8 },
    /// It is ready and waits its turn.
    Waiting { ready: u64 },
}

/// Finds the reason. What keeps a job from running is looked for from the job outwards.
pub(super) fn explain(found: &Found<'_>, workers: &[Worker], now: Millis) -> Why {
    let (kept, counts) = match found {
        Found::Kept(kept, counts) => (kept, counts),
        Found::Ended => return Why::Ended,
        Found::Nothing => return Why::Unknown,
    };
    let last = kept.errors.last().cloned();
    let served = workers
        .iter()
        .any(|worker| worker.queues.iter().any(|(queue, _)| queue == kept.queue.name()));
    match &kept.state {
        State::Dead { reason, died_at } => Why::Dead {
            reason: *reason,
            at: *died_at,
            last,
        },
        State::Parked { gate } => Why::Parked { gate: gate.clone() },
        State::Running { session, until, .. } => {
            let by = workers.iter().find(|worker| worker.session == *session);
            let by = by.map_or_else(|| session.to_string(), |worker| worker.name.clone());
            match *until {
                until if until > now => Why::Running { by, until },
                _ if !served => Why::NoWorker { queue: kept.queue },
                at => Why::LeaseEnded { by, at },
            }
        }
        State::Scheduled { run_at } if *run_at > now => Why::Scheduled {
            until: *run_at,
            attempts: kept.attempts,
            crashes: kept.crashes,
            last,
        },
        State::Ready | State::Scheduled { .. } if counts.paused => Why::Paused { queue: kept.queue },
        State::Ready | State::Scheduled { .. } if !served => Why::NoWorker { queue: kept.queue },
        State::Ready | State::Scheduled { .. } if kept.crashes > 0 => Why::Suspect { crashes: kept.crashes },
        State::Ready | State::Scheduled { .. } => Why::Waiting { ready: counts.ready },
    }
}

impl Why {
    /// The reason's name, for programs to branch on.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ended => "ended",
            Self::Dead { .. } => "dead",
            Self::Parked { .. } => "parked",
            Self::Scheduled { .. } => "scheduled",
            Self::Running { .. } => "running",
            Self::LeaseEnded { .. } => "lease_ended",
            Self::Paused { .. } => "paused",
            Self::NoWorker { .. } => "no_worker",
            Self::Suspect { .. } => "suspect",
            Self::Waiting { .. } => "waiting",
        }
    }

    /// The reason in a sentence or two, with what to do about it if anything.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Unknown => "No job of this id is known; if there was one, it ended more than a week ago.".into(),
            Self::Ended => "It has ended: its work is done, or it was cancelled or deleted.".into(),
            Self::Dead { reason, at, last } => {
                let why = meaning(*reason);
                format!(
                    "It died at {}: {why}.{} `relais dead retry ID` runs it again.",
                    time(*at),
                    cause(last.as_ref())
                )
            }
            Self::Parked { gate } => match gate.split_once(':') {
                Some(("kind", kind)) => {
                    format!("No worker that met it knows the kind `{kind}`. Start one of a version that does.")
                }
                Some(("key", key)) => {
                    format!("It is sealed under the key `{key}`. Start a worker that has this key in RELAIS_KEYS.")
                }
                _ => format!("It waits behind the gate `{gate}`."),
            },
            Self::Scheduled {
                until,
                attempts,
                crashes,
                last,
            } => {
                let after = match (attempts, crashes) {
                    (0, 0) => String::new(),
                    (attempts, 0) => format!(", after {attempts} failed {}", plural(*attempts, "attempt")),
                    (_, crashes) => format!(", after {crashes} {} of its worker", plural((*crashes).into(), "crash")),
                };
                format!("It is due at {}{after}.{}", time(*until), cause(last.as_ref()))
            }
            Self::Running { by, until } => format!("It runs: worker {by} holds it until {} or longer.", time(*until)),
            Self::LeaseEnded { by, at } => {
                format!(
                    "Worker {by} gave no sign of life until {}; another takes the job back in a moment.",
                    time(*at)
                )
            }
            Self::Paused { queue } => {
                format!("The queue {queue} is paused; `relais queues resume {queue}` lets it flow.")
            }
            Self::NoWorker { queue } => {
                format!("No living worker serves the queue {queue}; `relais worker --queues {queue}=16` starts one.")
            }
            Self::Suspect { crashes } => {
                let times = plural((*crashes).into(), "time");
                format!("A worker died under it {crashes} {times}, so it is ready but runs with few others at a time.")
            }
            Self::Waiting { ready: 0 | 1 } => "It is ready and starts in a moment.".into(),
            Self::Waiting { ready } => {
                format!("It is ready and waits its turn among {ready} of its queue; tenants take turns.")
            }
        }
    }

    /// All of it, for programs.
    pub(super) fn to_json(&self, id: &str) -> Value {
        let mut json = json!({ "id": id, "reason": self.name(), "explanation": self.words() });
        let details = match self {
            Self::Unknown | Self::Ended => json!({}),
            Self::Dead { reason, at, .. } => json!({ "died_of": reason.name(), "at": time(*at) }),
            Self::Parked { gate } => json!({ "gate": gate }),
            Self::Scheduled {
                until,
                attempts,
                crashes,
                ..
            } => {
                json!({ "until": time(*until), "attempts": attempts, "crashes": crashes })
            }
            Self::Running { by, until } => json!({ "worker": by, "until": time(*until) }),
            Self::LeaseEnded { by, at } => json!({ "worker": by, "at": time(*at) }),
            Self::Paused { queue } | Self::NoWorker { queue } => json!({ "queue": queue.name() }),
            Self::Suspect { crashes } => json!({ "crashes": crashes }),
            Self::Waiting { ready } => json!({ "ready": ready }),
        };
        if let (Value::Object(json), Value::Object(details)) = (&mut json, details) {
            json.extend(details);
        }
        json
    }
}

/// What a reason of death means.
pub(super) const fn meaning(reason: Reason) -> &'static str {
    match reason {
        Reason::Attempts => "every attempt failed",
        Reason::Refused => "its work was refused for good",
        Reason::Expired => "it was not started before it expired",
        Reason::Unreadable => "its payload cannot be read",
        Reason::Poison => "workers died under it again and again",
        Reason::Cancelled => "somebody cancelled it while it ran",
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

#[cfg(test)]
mod tests {
    use super::*;
    use queue::JobId;
    use uuid::Uuid;

    const NOW: Millis = 1_000_000;

    fn worker(queue: &str) -> Worker {
        Worker {
            session: Uuid::from_u128(1),
            name: "box:1".into(),
            queues: vec![(queue.into(), 8)],
            kinds: Vec::new(),
            started_at: 0,
        }
    }

    fn kept(state: State) -> Kept {
        Kept {
            id: JobId(Uuid::nil()),
            queue: Queue::Default,
            tenant: Uuid::nil(),
            attempts: 2,
            crashes: 0,
            state,
            body: Vec::new(),
            errors: vec![Failure {
                attempt: 2,
                at: 1,
                error: "the database is away".into(),
            }],
        }
    }

    fn check(state: State, counts: &Counts, workers: &[Worker], expected: &str) {
        let why = explain(&Found::Kept(&kept(state.clone()), counts), workers, NOW);
        assert_eq!(why.name(), expected, "{state:?}: {}", why.words());
        assert_eq!(why.to_json("x")["reason"], expected);
    }

    #[test]
    fn every_state_has_its_one_reason() {
        let (open, paused) = (
            Counts {
                ready: 7,
                ..Counts::default()
            },
            Counts {
                paused: true,
                ..Counts::default()
            },
        );
        let (serves, other) = ([worker("default")], [worker("bulk")]);
        let running = |until| State::Running {
            claim: 1,
            session: Uuid::from_u128(1),
            until,
        };
        let scheduled = |run_at| State::Scheduled { run_at };
        check(State::Ready, &open, &serves, "waiting");
        check(State::Ready, &open, &other, "no_worker");
        check(State::Ready, &paused, &other, "paused");
        check(scheduled(NOW + 1), &paused, &other, "scheduled");
        check(scheduled(NOW), &open, &serves, "waiting");
        check(scheduled(NOW), &open, &[], "no_worker");
        check(running(NOW + 1), &open, &serves, "running");
        check(running(NOW), &open, &serves, "lease_ended");
        check(running(NOW), &open, &other, "no_worker");
        check(
            State::Parked {
                gate: "kind:send_otp".into(),
            },
            &open,
            &serves,
            "parked",
        );
        check(
            State::Dead {
                reason: Reason::Poison,
                died_at: 1,
            },
            &open,
            &serves,
            "dead",
        );
        assert_eq!(explain(&Found::Ended, &serves, NOW), Why::Ended);
        assert_eq!(explain(&Found::Nothing, &serves, NOW), Why::Unknown);
    }

    #[test]
    fn a_job_that_killed_a_worker_says_so() {
        let mut suspect = kept(State::Ready);
        suspect.crashes = 1;
        let why = explain(&Found::Kept(&suspect, &Counts::default()), &[worker("default")], NOW);
        assert_eq!(why, Why::Suspect { crashes: 1 });
        assert!(why.words().contains("died under it 1 time,"), "{}", why.words());
    }

    #[test]
    fn a_retry_names_its_time_its_attempts_and_the_last_error() {
        let retried = kept(State::Scheduled { run_at: NOW + 5 });
        let words = explain(&Found::Kept(&retried, &Counts::default()), &[], NOW).words();
        assert_eq!(
            words,
            "It is due at 1970-01-01T00:16:40.005Z, after 2 failed attempts. Attempt 2 said: the database is away."
        );
    }
}
