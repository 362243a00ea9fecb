//! The rules of the queue as a plain list: what every backend must amount to, without storage, speed or concurrency.
//!
//! A rule that leaves a choice (which of the ready jobs a claim takes, where a crash's back-off falls) is given the choice
//! that was made, and says whether it was allowed.

mod entry;
mod letters;
mod limits;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use queue::backend::{
    Added, CRASH_BACKOFF, CRASHES_MAX, Cancelled, Counts, Excerpt, Failure, KNOWN_DAYS, NewJob, Outcome, Reason,
    Settle, State, Sweep, cut_error,
};
use queue::clock::{DAY_MS, day, millis};
use queue::{AfterDeath, JobId, Key, Millis, Queue};
use uuid::Uuid;

pub(crate) use self::entry::Entry;
use self::limits::Gate;

/// What is noted for a job that workers died under too often; the words are the backend's own.
pub(crate) const POISON: &str = "(poison)";

/// Whose line: its queue, tenant and order key.
type Line = (Queue, Uuid, Key);

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
    gates: BTreeMap<(Queue, Key), Gate>,
    /// Heads first.
    lines: BTreeMap<Line, VecDeque<JobId>>,
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
            keys: job.keys.clone(),
            body: job.body.clone(),
            errors: Vec::new(),
            cancelled: false,
            order: self.order(),
        };
        assert!(
            self.jobs.insert(job.id, entry).is_none(),
            "a key that lives was taken for new"
        );
        if job.run_at <= now {
            self.make_ready(job.id);
        }
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

    /// Puts a job under a lease; answers when it may start, 0 if it has no rate.
    pub(crate) fn take(&mut self, id: JobId, claim: i64, session: Uuid, until: Millis, now: Millis) -> Millis {
        if matches!(self.jobs[&id].state, State::Scheduled { .. }) {
            self.make_ready(id);
        }
        let entry = self.jobs.get_mut(&id).expect("only a known job is taken");
        assert!(!matches!(entry.state, State::Behind { .. }), "another job goes first");
        entry.state = State::Running { claim, session, until };
        if let Some(key) = &entry.keys.limit
            && let Some(gate) = self.gates.get_mut(&(entry.queue, key.clone()))
            && let Some(gcra) = gate.gcra()
        {
            let starts_at = gcra.starts_at(gate.arrival_us, now);
            gate.arrival_us = gcra.after(gate.arrival_us, 1, now);
            return starts_at;
        }
        0
    }

    /// Jobs per gate, by name.
    pub(crate) fn parked(&self, queue: Queue) -> Vec<(String, u64)> {
        let mut gates: BTreeMap<String, u64> = BTreeMap::new();
        for entry in self.jobs.values().filter(|entry| entry.queue == queue) {
            if let State::Parked { gate } = &entry.state {
                *gates.entry(gate.clone()).or_default() += 1;
            }
        }
        gates.into_iter().collect()
    }

    fn line(&self, id: JobId) -> Option<Line> {
        let entry = self.jobs.get(&id)?;
        let order = entry.keys.order.as_ref()?;
        Some((entry.queue, entry.tenant, order.key.clone()))
    }

    /// Its time has come: ready, or behind the head of its line.
    fn make_ready(&mut self, id: JobId) {
        let order = self.order();
        let mut state = State::Ready;
        if let Some(line) = self.line(id) {
            let line = self.lines.entry(line).or_default();
            if !line.contains(&id) {
                line.push_back(id);
            }
            if line[0] != id {
                state = State::Behind { head: line[0] };
            }
        }
        let entry = self.jobs.get_mut(&id).expect("it lives");
        entry.state = state;
        entry.order = order;
    }

    /// Takes a job out of its line; the next one follows if it was the head.
    fn leave_line(&mut self, id: JobId) {
        let Some(key) = self.line(id) else { return };
        let Some(line) = self.lines.get_mut(&key) else { return };
        let was_head = line.front() == Some(&id);
        line.retain(|other| *other != id);
        let waiting: Vec<_> = line.iter().copied().collect();
        let Some(head) = waiting.first().copied().filter(|_| was_head) else {
            return;
        };
        for other in waiting {
            let entry = self.jobs.get_mut(&other).expect("it lives");
            entry.state = State::Behind { head };
        }
        self.make_ready(head);
    }

    /// Makes it a dead letter.
    fn die(&mut self, id: JobId, reason: Reason, now: Millis) {
        let entry = self.jobs.get_mut(&id).expect("it lives");
        entry.state = State::Dead { reason, died_at: now };
        let holds = matches!(&entry.keys.order, Some(order) if order.after_death == AfterDeath::Hold);
        if !holds {
            self.leave_line(id);
        }
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
        let Some(entry) = self.jobs.get_mut(&settle.id) else {
            return false;
        };
        if entry.claim() != Some(settle.ticket.claim) {
            return false;
        }
        let queue = entry.queue;
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
                excerpt: settle.excerpt.clone().map(Excerpt::cut),
            });
        }
        match &settle.outcome {
            Outcome::Done => self.end(settle.id, now),
            Outcome::Later { .. } | Outcome::Park { .. } | Outcome::Release if entry.cancelled => {
                self.die(settle.id, Reason::Cancelled, now);
            }
            Outcome::Later { run_at, .. } => entry.state = State::Scheduled { run_at: *run_at },
            Outcome::Dead { reason, .. } => self.die(settle.id, *reason, now),
            Outcome::Park { gate } => entry.state = State::Parked { gate: gate.clone() },
            Outcome::Release => self.make_ready(settle.id),
        }
        if let Outcome::Later { run_at, cool: true, .. } = settle.outcome
            && let Some(key) = settle.keys.limit.clone()
        {
            let gate = self.gates.entry((queue, key)).or_default();
            gate.cooled_until = gate.cooled_until.max(run_at);
        }
        true
    }

    /// Ends the job; its key stays.
    fn end(&mut self, id: JobId, now: Millis) {
        self.leave_line(id);
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
                    *end = until.max(*end);
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
        let mut swept = Sweep {
            promoted: self.promote(queue, now),
            ..Sweep::default()
        };
        let ended = self.jobs.iter().filter_map(|(id, entry)| match entry.state {
            State::Running { until, session, .. } if entry.queue == queue && until <= now => Some((*id, session)),
            _ => None,
        });
        for (id, session) in ended.collect::<Vec<_>>() {
            self.take_back(id, session, now, dice, &mut swept);
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

    /// Makes ready what is due, the longest due first; answers how many.
    pub(crate) fn promote(&mut self, queue: Queue, now: Millis) -> usize {
        let due = self.jobs.iter().filter_map(|(id, entry)| match entry.state {
            State::Scheduled { run_at } if entry.queue == queue && run_at <= now => Some((run_at, entry.order, *id)),
            _ => None,
        });
        let mut due: Vec<_> = due.collect();
        due.sort_unstable();
        due.iter().for_each(|(_, _, id)| self.make_ready(*id));
        due.len()
    }

    /// Takes a job back from a lease that has ended.
    fn take_back(&mut self, id: JobId, session: Uuid, now: Millis, dice: f64, swept: &mut Sweep) {
        let lives = self.sessions.get(&session).is_some_and(|announced| *announced > now);
        let entry = self.jobs.get_mut(&id).expect("it lives");
        entry.crashes += u8::from(!lives);
        if entry.cancelled {
            self.die(id, Reason::Cancelled, now);
        } else if entry.crashes >= CRASHES_MAX {
            let (attempt, error) = (entry.attempts + 1, POISON.to_owned());
            entry.errors.push(Failure {
                attempt,
                at: now,
                error,
                excerpt: None,
            });
            self.die(id, Reason::Poison, now);
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

    pub(crate) fn unpark(&mut self, queue: Queue, gates: &[String]) -> u64 {
        let behind = |entry: &Entry| matches!(&entry.state, State::Parked { gate } if gates.contains(gate));
        let waiting = self
            .jobs
            .iter()
            .filter(|(_, entry)| entry.queue == queue && behind(entry));
        let ids: Vec<_> = waiting.map(|(id, _)| *id).collect();
        ids.iter().for_each(|id| self.make_ready(*id));
        ids.len() as u64
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

    pub(crate) fn rewrite(&mut self, id: JobId, old: &[u8], new: &[u8]) -> bool {
        let Some(entry) = self.jobs.get_mut(&id).filter(|entry| entry.body == old) else {
            return false;
        };
        entry.body = new.to_vec();
        true
    }

    pub(crate) fn cancelled(&self, id: JobId) -> bool {
        self.jobs
            .get(&id)
            .is_some_and(|entry| entry.cancelled && entry.claim().is_some())
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
                State::Behind { .. } => counts.behind += 1,
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
