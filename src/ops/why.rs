//! Why a job is not running: the one true reason, out of a closed list.

mod held;
mod words;

use queue::backend::{Backend, Counts, Failure, Kept, LANE_SLOTS, QueueError, Reason, State, Worker};
use queue::envelope::Envelope;
use queue::{JobId, Key, LimitState, Millis, Pause, Queue, Scope};
use serde_json::{Value, json};

use super::serving::Serving;
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

    /// The workers of a queue.
    fn serving(&self, queue: Queue) -> Serving<'_> {
        Serving::of(queue, &self.workers, &self.pauses)
    }

    /// The pause of exactly this, if there is one.
    fn pause(&self, scope: &Scope) -> Option<&Pause> {
        self.pauses.iter().find(|pause| pause.scope == *scope)
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
    /// No worker that claims knows its kind.
    UnknownKind { kind: String },
    /// No worker that met it has the key that it is sealed under.
    UnknownKey { key: String },
    /// It waits behind another gate.
    Parked { gate: String },
    /// It was parked, and nothing holds it any more.
    Freed { gate: String },
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
    /// Whoever could claim it is paused: so many workers, of which this one was paused first.
    WorkersPaused { queue: Queue, first: Pause, workers: usize },
    /// Another job of its line goes first.
    Behind { line: Key, head: JobId },
    /// No living worker serves its queue, but for so many that claim nothing while their store does not answer.
    NoWorker { queue: Queue, storeless: usize },
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
    /// Workers died under it, so a worker runs at most so many like it at once.
    Suspect { crashes: u8, slots: usize },
    /// It is ready and waits its turn.
    Waiting(Turn),
}

/// What bears on when it is a ready job's turn: figures of its queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// So many jobs are ready.
    ready: u64,
    /// So many run.
    running: u64,
    /// So many run at once in the workers that claim.
    slots: usize,
    /// Each of these is taken.
    is_full: bool,
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
        State::Parked { gate } => parked(gate, facts, kept),
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
            None => Why::Waiting(Turn::default()),
        },
        State::Ready | State::Scheduled { .. } => ready(facts, kept),
    }
}

/// What holds a parked job. Once its gate is open it is as good as ready: workers free it within seconds, and it meets
/// whatever else is in its way.
fn parked(gate: &str, facts: &Facts, kept: &Kept) -> Why {
    let scope = Scope::of_gate(gate);
    if let Some(pause) = scope.as_ref().and_then(|scope| facts.pause(scope)) {
        return paused(pause);
    }
    if scope.is_none() {
        match gate.split_once(':') {
            Some(("kind", kind)) if knows(facts, kept.queue, kind) => {}
            Some(("kind", kind)) => return Why::UnknownKind { kind: kind.to_owned() },
            Some(("key", key)) => return Why::UnknownKey { key: key.to_owned() },
            _ => return Why::Parked { gate: gate.to_owned() },
        }
    }
    match (ready(facts, kept), scope) {
        (Why::Waiting(_), Some(scope)) => Why::Paused { scope, by: None },
        (Why::Waiting(_), None) => Why::Freed { gate: gate.to_owned() },
        (other, _) => other,
    }
}

fn paused(pause: &Pause) -> Why {
    Why::Paused {
        scope: pause.scope.clone(),
        by: Some((pause.by.clone(), pause.at)),
    }
}

fn running(facts: &Facts, kept: &Kept, session: uuid::Uuid, until: Millis) -> Why {
    let by = facts.workers.iter().find(|worker| worker.session == session);
    let by = by.map_or_else(|| session.to_string(), |worker| worker.name.clone());
    if until > facts.now {
        return Why::Running { by, until };
    }
    // Who claims nothing takes nothing back either.
    unclaimed(facts, kept.queue).unwrap_or(Why::LeaseEnded { by, at: until })
}

/// What holds a job back that is ready, from itself outwards: some of it only the worker would notice that claims it.
fn ready(facts: &Facts, kept: &Kept) -> Why {
    let kind = Envelope::decode(&kept.body).map(|envelope| envelope.kind.to_owned());
    let scopes = kind.clone().map(Scope::Kind).into_iter();
    if let Some(pause) = scopes
        .chain([Scope::Tenant(kept.tenant)])
        .find_map(|scope| facts.pause(&scope))
    {
        return paused(pause);
    }
    if facts.counts.paused {
        let scope = Scope::Queue(kept.queue);
        return facts.pause(&scope).map_or(Why::Paused { scope, by: None }, paused);
    }
    if let Some(nobody) = unclaimed(facts, kept.queue) {
        return nobody;
    }
    if let Some(kind) = kind.filter(|kind| !knows(facts, kept.queue, kind)) {
        return Why::UnknownKind { kind };
    }
    let mut limits = facts.limits.iter();
    let limit = limits.find(|limit| Some(&limit.key) == kept.keys.limit.as_ref());
    if let Some(closed) = limit.and_then(closed) {
        return closed;
    }
    match kept.crashes {
        0 => Why::Waiting(turn(facts, kept.queue)),
        crashes => Why::Suspect {
            crashes,
            slots: LANE_SLOTS[LANE_SLOTS.len().min(usize::from(crashes) + 1) - 1],
        },
    }
}

/// Why nobody claims from a queue, if nobody does.
fn unclaimed(facts: &Facts, queue: Queue) -> Option<Why> {
    let Serving {
        claiming,
        paused,
        storeless,
        ..
    } = facts.serving(queue);
    if !claiming.is_empty() {
        return None;
    }
    let first = paused.iter().min_by_key(|pause| pause.at);
    Some(match first {
        Some(&first) => Why::WorkersPaused {
            queue,
            first: first.clone(),
            workers: paused.len(),
        },
        None => Why::NoWorker { queue, storeless },
    })
}

/// Whether somebody who claims from the queue knows the kind. Whoever does not and claims it first parks it, for the others.
fn knows(facts: &Facts, queue: Queue, kind: &str) -> bool {
    let serving = facts.serving(queue);
    let mut claiming = serving.claiming.iter();
    claiming.any(|worker| worker.kinds.iter().any(|known| known == kind))
}

fn turn(facts: &Facts, queue: Queue) -> Turn {
    let Serving {
        slots,
        slots_paused,
        storeless,
        ..
    } = facts.serving(queue);
    let Counts { ready, running, .. } = facts.counts;
    Turn {
        ready,
        running,
        slots,
        // Some of what runs may run where nothing is claimed; only if that cannot account for it, every slot is taken. Jobs
        // of a worker that died count as running too, for as long as its lease.
        is_full: storeless == 0 && running >= (slots + slots_paused) as u64,
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
            Self::UnknownKind { .. } | Self::UnknownKey { .. } | Self::Parked { .. } | Self::Freed { .. } => "parked",
            Self::Scheduled { .. } => "scheduled",
            Self::QuietHours { .. } => "quiet_hours",
            Self::CircuitOpen { .. } => "circuit_open",
            Self::Running { .. } => "running",
            Self::LeaseEnded { .. } => "lease_ended",
            Self::Paused { .. } | Self::WorkersPaused { .. } => "paused",
            Self::Behind { .. } => "behind",
            Self::NoWorker { .. } => "no_worker",
            Self::Cooled { .. } => "cooled",
            Self::Rate { .. } => "rate_limit",
            Self::Concurrency { .. } => "concurrency_limit",
            Self::Suspect { .. } => "suspect",
            Self::Waiting(_) => "waiting",
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
            Self::Parked { gate } | Self::Freed { gate } => json!({ "gate": gate }),
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
            Self::WorkersPaused { queue, first, workers } => {
                let (what, name) = words::scope(&first.scope);
                json!({
                    what: name, "by": first.by, "since": rfc3339(first.at), "queue": queue.name(), "workers_paused": workers,
                })
            }
            Self::Behind { line, head } => json!({ "order_key": line.as_str(), "head": head.to_string() }),
            Self::NoWorker { queue, storeless } => json!({ "queue": queue.name(), "workers_storeless": storeless }),
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
            Self::Suspect { crashes, slots } => json!({ "crashes": crashes, "slots": slots }),
            Self::Waiting(Turn {
                ready, running, slots, ..
            }) => json!({ "ready": ready, "running": running, "slots": slots }),
        }
    }
}

#[cfg(test)]
mod tests;
