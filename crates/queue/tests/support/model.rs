//! The rules of the queue as a plain list: what every backend must amount to, without storage, speed or concurrency.
//!
//! A rule that leaves a choice (which of the ready jobs a claim takes, where a crash's back-off falls) is given the choice
//! that was made, and says whether it was allowed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use queue::backend::{
    Added, BATCH_MAX, CRASH_BACKOFF, CRASHES_MAX, Cancelled, Counts, Failure, KNOWN_DAYS, Kept, NewJob, Outcome,
    Reason, Settle, State, Sweep, cut_error,
};
use queue::clock::{DAY_MS, day, millis};
use queue::{JobId, Millis, Queue};
use uuid::Uuid;

/// What is noted for a job that workers died under too often; the words are the backend's own.
pub(crate) const POISON: &str = "(poison)";

/// One job, alive or dead.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) queue: Queue,
    pub(crate) tenant: Uuid,
    pub(crate) attempts: u16,
    pub(crate) crashes: u8,
    pub(crate) state: State,
    pub(crate) body: Vec<u8>,
    pub(crate) errors: Vec<Failure>,
    /// Cancelled while it ran.
    pub(crate) cancelled: bool,
    /// In the order of becoming ready.
    pub(crate) order: u64,
}

impl Entry {
    /// Whether a claim of this lane may take it.
    pub(crate) fn may_start(&self, queue: Queue, lane: u8, now: Millis) -> bool {
        let due = match self.state {
            State::Ready => true,
            State::Scheduled { run_at } => run_at <= now,
            _ => false,
        };
        due && self.queue == queue && self.crashes == lane
    }

    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.state, State::Dead { .. })
    }

    fn claim(&self) -> Option<i64> {
        match self.state {
            State::Running { claim, .. } => Some(claim),
            _ => None,
        }
    }

    pub(crate) fn kept(&self, id: JobId) -> Kept {
        Kept {
            id,
            queue: self.queue,
            tenant: self.tenant,
            attempts: self.attempts,
            crashes: self.crashes,
            state: self.state.clone(),
            body: self.body.clone(),
            errors: self.errors.clone(),
        }
    }
}

/// What the promise about keys of ended jobs says at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It must be known.
    Surely,
    /// Both are right.
    Perhaps,
    /// It must be new.
    No,
}

/// All jobs of an installation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) jobs: BTreeMap<JobId, Entry>,
    pub(crate) ended: HashMap<JobId, Millis>,
    /// Dead letters that were removed: nothing is promised about their keys.
    pub(crate) removed: BTreeSet<JobId>,
    /// Until when worker sessions are announced.
    pub(crate) sessions: HashMap<Uuid, Millis>,
    paused: BTreeSet<Queue>,
    next_order: u64,
}

impl Model {
    pub(crate) fn known(&self, id: JobId, now: Millis) -> Known {
        if self.jobs.contains_key(&id) {
            return Known::Surely;
        }
        match self.ended.get(&id) {
            Some(at) if now - at <= (i64::from(KNOWN_DAYS) - 1) * DAY_MS => Known::Surely,
            Some(_) => Known::Perhaps,
            None if self.removed.contains(&id) => Known::Perhaps,
            None => Known::No,
        }
    }

    /// Keeps a job that is new.
    pub(crate) fn insert(&mut self, job: &NewJob, now: Millis) {
        self.ended.remove(&job.id);
        self.removed.remove(&job.id);
        let state = if job.run_at > now {
            State::Scheduled { run_at: job.run_at }
        } else {
            State::Ready
        };
        let entry = Entry {
            queue: job.queue,
            tenant: job.tenant,
            attempts: 0,
            crashes: 0,
            state,
            body: job.body.clone(),
            errors: Vec::new(),
            cancelled: false,
            order: self.order(),
        };
        assert!(
            self.jobs.insert(job.id, entry).is_none(),
            "a key that lives was taken for new"
        );
    }

    /// Keeps a job; a key is known for exactly [`KNOWN_DAYS`] after the day of its end.
    pub(crate) fn add(&mut self, job: &NewJob, now: Millis) -> Added {
        if self.jobs.contains_key(&job.id) || self.remembers(job.id, now) {
            return Added::Duplicate;
        }
        self.insert(job, now);
        Added::New
    }

    pub(crate) fn remembers(&self, id: JobId, now: Millis) -> bool {
        self.ended.get(&id).is_some_and(|at| day(now) - day(*at) <= KNOWN_DAYS)
    }

    /// Puts a job that may start under a lease.
    pub(crate) fn take(&mut self, id: JobId, claim: i64, session: Uuid, until: Millis) {
        let entry = self.jobs.get_mut(&id).expect("only a known job is taken");
        entry.state = State::Running { claim, session, until };
    }

    pub(crate) fn paused(&self, queue: Queue) -> bool {
        self.paused.contains(&queue)
    }

    pub(crate) fn pause(&mut self, queue: Queue, paused: bool) {
        if paused {
            self.paused.insert(queue);
        } else {
            self.paused.remove(&queue);
        }
    }

    pub(crate) fn settle(&mut self, settle: &Settle, now: Millis) -> bool {
        let order = self.order();
        let Some(entry) = self.jobs.get_mut(&settle.id) else {
            return false;
        };
        if entry.claim() != Some(settle.ticket.claim) {
            return false;
        }
        let error = match &settle.outcome {
            Outcome::Later { error, .. } | Outcome::Dead { error, .. } => error.as_deref(),
            _ => None,
        };
        if let Some(error) = error {
            entry.attempts += 1;
            entry.errors.push(Failure {
                attempt: entry.attempts,
                at: now,
                error: cut_error(error).to_owned(),
            });
        }
        match &settle.outcome {
            Outcome::Done => self.end(settle.id, now),
            Outcome::Later { .. } | Outcome::Park { .. } | Outcome::Release if entry.cancelled => {
                entry.state = State::Dead {
                    reason: Reason::Cancelled,
                    died_at: now,
                };
            }
            Outcome::Later { run_at, .. } => entry.state = State::Scheduled { run_at: *run_at },
            Outcome::Dead { reason, .. } => {
                entry.state = State::Dead {
                    reason: *reason,
                    died_at: now,
                }
            }
            Outcome::Park { gate } => entry.state = State::Parked { gate: gate.clone() },
            Outcome::Release => {
                entry.state = State::Ready;
                entry.order = order;
            }
        }
        true
    }

    /// Ends the job; its key stays.
    fn end(&mut self, id: JobId, now: Millis) {
        self.jobs.remove(&id);
        self.ended.insert(id, now);
    }

    /// Moves the end of leases; answers those that nobody holds.
    pub(crate) fn renew(&mut self, queue: Queue, claims: &[i64], until: Millis) -> Vec<i64> {
        let mut lost = Vec::new();
        for claim in claims {
            let mut held = false;
            for entry in self.jobs.values_mut().filter(|entry| entry.queue == queue) {
                if let State::Running {
                    claim: other,
                    until: end,
                    ..
                } = &mut entry.state
                    && other == claim
                {
                    *end = until;
                    held = true;
                }
            }
            if !held {
                lost.push(*claim);
            }
        }
        lost
    }

    /// Promotes what is due and takes back what is under an ended lease; a lease that ends exactly `now` has ended.
    pub(crate) fn sweep(&mut self, queue: Queue, now: Millis, dice: f64) -> Sweep {
        let mut swept = Sweep::default();
        for entry in self.jobs.values_mut().filter(|entry| entry.queue == queue) {
            match entry.state {
                State::Scheduled { run_at } if run_at <= now => {
                    entry.state = State::Ready;
                    entry.order = self.next_order;
                    self.next_order += 1;
                    swept.promoted += 1;
                }
                State::Running { until, session, .. } if until <= now => {
                    let lives = self.sessions.get(&session).is_some_and(|announced| *announced > now);
                    entry.crashes += u8::from(!lives);
                    if entry.cancelled {
                        entry.state = State::Dead {
                            reason: Reason::Cancelled,
                            died_at: now,
                        };
                    } else if entry.crashes >= CRASHES_MAX {
                        let error = POISON.to_owned();
                        entry.errors.push(Failure {
                            attempt: entry.attempts + 1,
                            at: now,
                            error,
                        });
                        entry.state = State::Dead {
                            reason: Reason::Poison,
                            died_at: now,
                        };
                        swept.poisoned += 1;
                    } else if lives {
                        // At once, or with the next sweep.
                        entry.state = State::Scheduled { run_at: now };
                        swept.unheard += 1;
                    } else {
                        let wait = millis(CRASH_BACKOFF.wait(entry.crashes.into(), dice));
                        entry.state = State::Scheduled { run_at: now + wait };
                        swept.rescued += 1;
                    }
                }
                _ => {}
            }
        }
        let due = self
            .jobs
            .values()
            .filter(|entry| entry.queue == queue)
            .filter_map(|entry| match entry.state {
                State::Scheduled { run_at } => Some(run_at),
                _ => None,
            });
        swept.next_due = due.min();
        swept
    }

    pub(crate) fn unpark(&mut self, queue: Queue, gates: &[String]) -> u64 {
        let mut unparked = 0;
        for entry in self.jobs.values_mut().filter(|entry| entry.queue == queue) {
            if matches!(&entry.state, State::Parked { gate } if gates.contains(gate)) {
                entry.state = State::Ready;
                entry.order = self.next_order;
                self.next_order += 1;
                unparked += 1;
            }
        }
        unparked
    }

    pub(crate) fn cancel(&mut self, id: JobId, now: Millis) -> Cancelled {
        let Some(entry) = self.jobs.get_mut(&id) else {
            return Cancelled::Unknown;
        };
        match entry.state {
            State::Dead { .. } => Cancelled::Unknown,
            State::Running { .. } => {
                entry.cancelled = true;
                Cancelled::Signalled
            }
            _ => {
                self.end(id, now);
                Cancelled::Removed
            }
        }
    }

    pub(crate) fn cancelled(&self, id: JobId) -> bool {
        self.jobs
            .get(&id)
            .is_some_and(|entry| entry.cancelled && entry.claim().is_some())
    }

    pub(crate) fn retry_dead(&mut self, id: JobId, body: Option<&[u8]>) -> bool {
        let order = self.order();
        let Some(entry) = self.jobs.get_mut(&id).filter(|entry| entry.is_dead()) else {
            return false;
        };
        entry.state = State::Ready;
        entry.order = order;
        entry.attempts = 0;
        entry.crashes = 0;
        entry.cancelled = false;
        if let Some(body) = body {
            entry.body = body.to_vec();
        }
        true
    }

    pub(crate) fn edit_dead(&mut self, id: JobId, body: &[u8]) -> bool {
        let Some(entry) = self.jobs.get_mut(&id).filter(|entry| entry.is_dead()) else {
            return false;
        };
        entry.body = body.to_vec();
        true
    }

    pub(crate) fn delete_dead(&mut self, id: JobId) -> bool {
        let dead = self.jobs.get(&id).is_some_and(Entry::is_dead);
        if dead {
            self.jobs.remove(&id);
            self.removed.insert(id);
        }
        dead
    }

    pub(crate) fn purge(&mut self, queue: Queue, now: Millis, dead_before: Millis) -> u64 {
        self.ended.retain(|_, at| day(now) - day(*at) <= KNOWN_DAYS);
        let old = |entry: &Entry| matches!(entry.state, State::Dead { died_at, .. } if died_at < dead_before);
        let gone = self
            .jobs
            .iter()
            .filter(|(_, entry)| entry.queue == queue && old(entry))
            .map(|(id, _)| *id);
        let gone: Vec<_> = gone.take(BATCH_MAX).collect();
        gone.iter().filter(|id| self.delete_dead(**id)).count() as u64
    }

    pub(crate) fn counts(&self, queue: Queue) -> Counts {
        let mut counts = Counts {
            paused: self.paused(queue),
            ..Counts::default()
        };
        for entry in self.jobs.values().filter(|entry| entry.queue == queue) {
            match entry.state {
                State::Ready => counts.ready += 1,
                State::Scheduled { .. } => counts.scheduled += 1,
                State::Running { .. } => counts.running += 1,
                State::Parked { .. } => counts.parked += 1,
                State::Dead { .. } => counts.dead += 1,
            }
        }
        counts
    }

    fn order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }
}
