//! Why a job is not running: the one true reason, out of a closed list.

mod held;
mod words;

use queue::backend::{Backend, Counts, Failure, Kept, QueueError, Reason, State, Worker};
use queue::{JobId, Key, LimitState, Millis, Pause, Queue, Scope};
use serde_json::{Value, json};

use crate::time::rfc3339;

pub(crate) use words::scope;

/// Everything the queue knows that bears on one job, as of one moment.
pub(crate) struct Facts {
    kept: Option<Kept>,
    /// It is not kept any more, but its key is known.
    ended: bool,
    counts: Counts,
    limits: Vec<LimitState>,
    pauses: Vec<Pause>,
    workers: Vec<Worker>,
    held: held::Held,
    now: Millis,
}

impl Facts {
    /// Asks the queue.
    pub(crate) async fn gather(backend: &dyn Backend, id: JobId, now: Millis) -> Result<Self, QueueError> {
        let kept = backend.find(id).await?;
        let mut facts = Self {
            ended: kept.is_none() && backend.ended(id).await?,
            counts: Counts::default(),
            limits: Vec::new(),
            pauses: backend.pauses().await?,
            workers: backend.workers(now).await?,
            held: held::Held::default(),
            now,
            kept: None,
        };
        if let Some(kept) = kept {
            facts.counts = backend.counts(kept.queue).await?;
            if kept.keys.limit.is_some() {
                facts.limits = backend.limits(kept.queue, now).await?;
            }
            facts.kept = Some(kept);
        }
        Ok(facts)
    }

    /// What is kept of the job.
    pub(crate) const fn kept(&self) -> Option<&Kept> {
        self.kept.as_ref()
    }
}

/// Every reason there is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Why {
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
    /// No worker that met it knows its kind.
    UnknownKind { kind: String },
    /// No worker that met it has the key that it is sealed under.
    UnknownKey { key: String },
    /// It waits behind another gate.
    Parked { gate: String },
    /// Its time has not come.
    Scheduled {
        until: Millis,
        attempts: u16,
        crashes: u8,
        last: Option<Failure>,
    },
    /// People are left alone at this hour.
    QuietHours { until: Millis, again_at: Millis },
    /// Its account keeps failing and is left alone.
    CircuitOpen {
        provider: String,
        label: String,
        failures: u32,
        until: Millis,
        again_at: Millis,
    },
    /// It runs.
    Running { by: String, until: Millis },
    /// The worker that had it gave no sign of life; another one takes the job back.
    LeaseEnded { by: String, at: Millis },
    /// Its queue, kind or tenant is paused.
    Paused { scope: Scope, by: Option<(String, Millis)> },
    /// Another job of its line goes first.
    Behind { line: Key, head: JobId },
    /// No living worker serves its queue.
    NoWorker { queue: Queue },
    /// A provider said when its limit key may be used again.
    Cooled { key: Key, until: Millis },
    /// Its limit key has used up its rate.
    Rate {
        key: Key,
        count: u32,
        per_s: f64,
        until: Millis,
    },
    /// As many jobs of its limit key run as may.
    Concurrency { key: Key, running: u64, most: u32 },
    /// Workers died under it, so it runs in a smaller group.
    Suspect { crashes: u8 },
    /// It is ready and waits its turn.
    Waiting { ready: u64 },
}

/// Finds the reason. What keeps a job from running is looked for from the job outwards.
pub(crate) fn explain(facts: &Facts) -> Why {
    let Some(kept) = &facts.kept else {
        return if facts.ended { Why::Ended } else { Why::Unknown };
    };
    let last = kept.errors.last().cloned();
    match &kept.state {
        State::Dead { reason, died_at } => Why::Dead {
            reason: *reason,
            at: *died_at,
            last,
        },
        State::Parked { gate } => parked(gate, facts),
        State::Running { session, until, .. } => running(facts, kept, *session, *until),
        State::Scheduled { run_at } if *run_at > facts.now => held::held(facts, *run_at).unwrap_or(Why::Scheduled {
            until: *run_at,
            attempts: kept.attempts,
            crashes: kept.crashes,
            last,
        }),
        State::Behind { head } => match &kept.keys.order {
            Some(order) => Why::Behind {
                line: order.key.clone(),
                head: *head,
            },
            None => Why::Waiting { ready: 0 },
        },
        State::Ready | State::Scheduled { .. } => ready(facts, kept),
    }
}

fn parked(gate: &str, facts: &Facts) -> Why {
    if let Some(scope) = Scope::of_gate(gate) {
        let by = pause(facts, &scope);
        return Why::Paused { scope, by };
    }
    match gate.split_once(':') {
        Some(("kind", kind)) => Why::UnknownKind { kind: kind.to_owned() },
        Some(("key", key)) => Why::UnknownKey { key: key.to_owned() },
        _ => Why::Parked { gate: gate.to_owned() },
    }
}

fn pause(facts: &Facts, scope: &Scope) -> Option<(String, Millis)> {
    let mut pauses = facts.pauses.iter();
    pauses
        .find(|pause| pause.scope == *scope)
        .map(|pause| (pause.by.clone(), pause.at))
}

fn running(facts: &Facts, kept: &Kept, session: uuid::Uuid, until: Millis) -> Why {
    let by = facts.workers.iter().find(|worker| worker.session == session);
    let by = by.map_or_else(|| session.to_string(), |worker| worker.name.clone());
    match until {
        until if until > facts.now => Why::Running { by, until },
        _ if !is_served(facts, kept.queue) => Why::NoWorker { queue: kept.queue },
        at => Why::LeaseEnded { by, at },
    }
}

fn is_served(facts: &Facts, queue: Queue) -> bool {
    let mut served = facts.workers.iter().flat_map(|worker| &worker.queues);
    served.any(|(name, _)| name == queue.name())
}

fn ready(facts: &Facts, kept: &Kept) -> Why {
    let scope = Scope::Queue(kept.queue);
    if facts.counts.paused {
        let by = pause(facts, &scope);
        return Why::Paused { scope, by };
    }
    if !is_served(facts, kept.queue) {
        return Why::NoWorker { queue: kept.queue };
    }
    let limit = facts
        .limits
        .iter()
        .find(|limit| Some(&limit.key) == kept.keys.limit.as_ref());
    if let Some(closed) = limit.and_then(closed) {
        return closed;
    }
    match kept.crashes {
        0 => Why::Waiting {
            ready: facts.counts.ready,
        },
        crashes => Why::Suspect { crashes },
    }
}

/// What keeps a limit key closed.
fn closed(state: &LimitState) -> Option<Why> {
    let key = state.key.clone();
    if let Some(until) = state.cooled_until {
        return Some(Why::Cooled { key, until });
    }
    let full = state.limit.concurrency.filter(|most| state.running >= u64::from(*most));
    if let Some(most) = full {
        let running = state.running;
        return Some(Why::Concurrency { key, running, most });
    }
    let (rate, until) = state.limit.rate.zip(state.rate_opens_at)?;
    Some(Why::Rate {
        key,
        count: rate.count(),
        per_s: rate.per().as_secs_f64(),
        until,
    })
}

impl Why {
    /// The reason's name, for programs to branch on.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ended => "ended",
            Self::Dead { .. } => "dead",
            Self::UnknownKind { .. } | Self::UnknownKey { .. } | Self::Parked { .. } => "parked",
            Self::Scheduled { .. } => "scheduled",
            Self::QuietHours { .. } => "quiet_hours",
            Self::CircuitOpen { .. } => "circuit_open",
            Self::Running { .. } => "running",
            Self::LeaseEnded { .. } => "lease_ended",
            Self::Paused { .. } => "paused",
            Self::Behind { .. } => "behind",
            Self::NoWorker { .. } => "no_worker",
            Self::Cooled { .. } => "cooled",
            Self::Rate { .. } => "rate_limit",
            Self::Concurrency { .. } => "concurrency_limit",
            Self::Suspect { .. } => "suspect",
            Self::Waiting { .. } => "waiting",
        }
    }

    /// All of it, for programs: the reason, a sentence, and the numbers that block.
    pub(crate) fn to_json(&self, id: &str) -> Value {
        let mut json = json!({ "id": id, "reason": self.name(), "explanation": self.words() });
        if let (Value::Object(json), Value::Object(details)) = (&mut json, self.details()) {
            json.extend(details);
        }
        json
    }

    fn details(&self) -> Value {
        match self {
            Self::Unknown | Self::Ended => json!({}),
            Self::Dead { reason, at, .. } => json!({ "died_of": reason.name(), "at": rfc3339(*at) }),
            Self::UnknownKind { kind } => json!({ "gate": format!("kind:{kind}"), "kind": kind }),
            Self::UnknownKey { key } => json!({ "gate": format!("key:{key}"), "key": key }),
            Self::Parked { gate } => json!({ "gate": gate }),
            Self::Scheduled {
                until,
                attempts,
                crashes,
                ..
            } => json!({ "until": rfc3339(*until), "attempts": attempts, "crashes": crashes }),
            Self::QuietHours { until, again_at } => {
                json!({ "until": rfc3339(*until), "again_at": rfc3339(*again_at) })
            }
            Self::CircuitOpen {
                provider,
                label,
                failures,
                until,
                again_at,
            } => json!({
                "provider": provider, "label": label, "failures": failures, "until": rfc3339(*until),
                "again_at": rfc3339(*again_at),
            }),
            Self::Running { by, until } => json!({ "worker": by, "until": rfc3339(*until) }),
            Self::LeaseEnded { by, at } => json!({ "worker": by, "at": rfc3339(*at) }),
            Self::Paused { scope, by } => {
                let (what, name) = words::scope(scope);
                let (who, since) = by.as_ref().map(|(who, at)| (who, rfc3339(*at))).unzip();
                json!({ what: name, "by": who, "since": since })
            }
            Self::Behind { line, head } => json!({ "order_key": line.as_str(), "head": head.to_string() }),
            Self::NoWorker { queue } => json!({ "queue": queue.name() }),
            Self::Cooled { key, until } => json!({ "limit_key": key.as_str(), "until": rfc3339(*until) }),
            Self::Rate {
                key,
                count,
                per_s,
                until,
            } => {
                json!({ "limit_key": key.as_str(), "until": rfc3339(*until), "count": count, "per_seconds": per_s })
            }
            Self::Concurrency { key, running, most } => {
                json!({ "limit_key": key.as_str(), "running": running, "limit": most })
            }
            Self::Suspect { crashes } => json!({ "crashes": crashes }),
            Self::Waiting { ready } => json!({ "ready": ready }),
        }
    }
}

#[cfg(test)]
mod tests;
