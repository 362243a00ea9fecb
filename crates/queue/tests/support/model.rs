//! The rules of the queue as a plain list: what every backend must amount to, without storage, speed or concurrency.
//!
//! A rule that leaves a choice (which of the ready jobs a claim takes, where a crash's back-off falls) is given the choice
//! that was made, and says whether it was allowed.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use queue::backend::{
    Added, BATCH_MAX, CRASH_BACKOFF, CRASHES_MAX, Cancelled, Counts, DeadFilter, DeadGroup, Excerpt, Failure,
    KNOWN_DAYS, Kept, NewDead, NewJob, Outcome, Reason, Settle, State, Sweep, cut_error,
};
use queue::clock::{DAY_MS, day, millis};
use queue::envelope::kind_of;
use queue::flow::Gcra;
use queue::grouping::{GroupId, strip};
use queue::{AfterDeath, JobId, Key, Keys, Limit, LimitState, Millis, Queue};
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
    pub(crate) keys: Keys,
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
            keys: self.keys.clone(),
            body: self.body.clone(),
            errors: self.errors.clone(),
        }
    }
}

/// What is kept about a limit key.
#[derive(Clone, Copy, Debug, Default)]
struct Gate {
    limit: Limit,
    arrival_us: i64,
    cooled_until: Millis,
}

impl Gate {
    fn gcra(&self) -> Option<Gcra> {
        self.limit.rate.map(Gcra::from)
    }

    /// How many may start, if `running` do.
    fn allows(&self, running: usize, now: Millis) -> usize {
        let room = self
            .limit
            .concurrency
            .map_or(usize::MAX, |most| (most as usize).saturating_sub(running));
        let rate = self.gcra().map_or(u64::MAX, |gcra| gcra.allows(self.arrival_us, now));
        let cooled = self.cooled_until > now;
        if cooled {
            0
        } else {
            room.min(usize::try_from(rate).unwrap_or(usize::MAX))
        }
    }

    /// Until when it is closed whatever ends.
    fn opens_at(&self, now: Millis) -> Option<Millis> {
        let rate = self.rate_opens_at(now);
        let cooled = Some(self.cooled_until).filter(|until| *until > now);
        rate.max(cooled)
    }

    fn rate_opens_at(&self, now: Millis) -> Option<Millis> {
        let gcra = self.gcra().filter(|gcra| gcra.allows(self.arrival_us, now) == 0)?;
        Some(gcra.opens_at(self.arrival_us))
    }
}

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

    /// Puts a job that may start under a lease.
    pub(crate) fn take(&mut self, id: JobId, claim: i64, session: Uuid, until: Millis, now: Millis) {
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
            gate.arrival_us = gcra.after(gate.arrival_us, 1, now);
        }
    }

    /// How many jobs of a limit key may start now.
    pub(crate) fn allows(&self, queue: Queue, key: &Key, now: Millis) -> usize {
        let running = self.running(queue, key);
        self.gates
            .get(&(queue, key.clone()))
            .map_or(usize::MAX, |gate| gate.allows(running, now))
    }

    /// How many more may run of a limit key that has a concurrency.
    pub(crate) fn room(&self, queue: Queue, key: &Key) -> Option<usize> {
        let most = self.gates.get(&(queue, key.clone()))?.limit.concurrency?;
        Some((most as usize).saturating_sub(self.running(queue, key)))
    }

    /// When the first closed key with ready jobs opens by itself.
    pub(crate) fn opens_at(&self, queue: Queue, now: Millis) -> Option<Millis> {
        let waits = |key: &Key| {
            let mut jobs = self.jobs.values();
            jobs.any(|entry| {
                entry.state == State::Ready && entry.queue == queue && entry.keys.limit.as_ref() == Some(key)
            })
        };
        let closed = self.gates.iter().filter(|((of, key), _)| *of == queue && waits(key));
        closed.filter_map(|(_, gate)| gate.opens_at(now)).min()
    }

    fn running(&self, queue: Queue, key: &Key) -> usize {
        let mut running = 0;
        for entry in self
            .jobs
            .values()
            .filter(|entry| entry.queue == queue && entry.claim().is_some())
        {
            running += usize::from(entry.keys.limit.as_ref() == Some(key));
        }
        running
    }

    pub(crate) fn set_limit(&mut self, queue: Queue, key: &Key, limit: Option<Limit>, now: Millis) {
        let place = (queue, key.clone());
        let Some(limit) = limit else {
            self.gates.remove(&place);
            return;
        };
        let gate = self.gates.entry(place).or_default();
        gate.limit = limit;
        match gate.gcra() {
            Some(gcra) => gate.arrival_us = gcra.instead(gate.arrival_us, now),
            None => gate.arrival_us = 0,
        }
    }

    pub(crate) fn limits(&self, queue: Queue, now: Millis) -> Vec<LimitState> {
        let used = self
            .jobs
            .values()
            .filter(|entry| entry.queue == queue && entry.claim().is_some());
        let mut keys: BTreeSet<Key> = used.filter_map(|entry| entry.keys.limit.clone()).collect();
        let set = |gate: &Gate| gate.limit != Limit::default() || gate.cooled_until > now;
        let known = self.gates.iter().filter(|((of, _), gate)| *of == queue && set(gate));
        keys.extend(known.map(|((_, key), _)| key.clone()));
        let state = |key: Key| {
            let gate = self.gates.get(&(queue, key.clone())).copied().unwrap_or_default();
            LimitState {
                limit: gate.limit,
                running: self.running(queue, &key) as u64,
                rate_opens_at: gate.rate_opens_at(now),
                cooled_until: Some(gate.cooled_until).filter(|until| *until > now),
                key,
            }
        };
        keys.into_iter().map(state).collect()
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

    pub(crate) fn cancelled(&self, id: JobId) -> bool {
        self.jobs
            .get(&id)
            .is_some_and(|entry| entry.cancelled && entry.claim().is_some())
    }

    /// Dead letters that match, latest death first; of each the last error.
    pub(crate) fn dead(&self, filter: &DeadFilter) -> Vec<Kept> {
        let mut letters: Vec<_> = self.jobs.iter().map(|(id, entry)| entry.kept(*id)).collect();
        letters.retain(|kept| matches(kept, filter));
        letters.sort_by_key(|kept| std::cmp::Reverse((died(kept).1, kept.id)));
        for kept in &mut letters {
            kept.errors = kept.errors.split_off(kept.errors.len().saturating_sub(1));
        }
        letters
    }

    pub(crate) fn dead_groups(&self, filter: &DeadFilter) -> Vec<DeadGroup> {
        let mut groups: BTreeMap<GroupId, DeadGroup> = BTreeMap::new();
        let of_any_text = DeadFilter {
            text: None,
            ..filter.clone()
        };
        for kept in self.dead(&of_any_text) {
            let (id, error) = group_of(&kept);
            if !filter
                .text
                .as_deref()
                .is_none_or(|text| error.to_lowercase().contains(&text.to_lowercase()))
            {
                continue;
            }
            let (reason, died_at) = died(&kept);
            let group = groups.entry(id).or_insert_with(|| DeadGroup {
                id,
                kind: kind_of(&kept.body).to_owned(),
                reason,
                error,
                count: 0,
                last_died_at: died_at,
            });
            group.count += 1;
            group.last_died_at = group.last_died_at.max(died_at);
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by_key(|group| (std::cmp::Reverse(group.count), group.id));
        groups
    }

    pub(crate) fn import(&mut self, letter: &NewDead, now: Millis) -> bool {
        if self.jobs.contains_key(&letter.job.id) || self.remembers(letter.job.id, now) {
            return false;
        }
        self.bury(letter, now);
        true
    }

    /// Keeps a letter from elsewhere that is new.
    pub(crate) fn bury(&mut self, letter: &NewDead, now: Millis) {
        self.insert(&letter.job, now);
        self.leave_line(letter.job.id);
        let entry = self.jobs.get_mut(&letter.job.id).expect("it was added");
        entry.attempts = letter.attempts;
        entry.errors.clone_from(&letter.errors);
        entry.state = State::Dead {
            reason: letter.reason,
            died_at: letter.died_at,
        };
    }

    pub(crate) fn retry_dead(&mut self, id: JobId, body: Option<&[u8]>) -> bool {
        let Some(entry) = self.jobs.get_mut(&id).filter(|entry| entry.is_dead()) else {
            return false;
        };
        entry.attempts = 0;
        entry.crashes = 0;
        entry.cancelled = false;
        if let Some(body) = body {
            entry.body = body.to_vec();
        }
        self.make_ready(id);
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
            self.leave_line(id);
            self.jobs.remove(&id);
            self.removed.insert(id);
        }
        dead
    }

    /// Answers the kinds of the letters that went.
    pub(crate) fn purge(&mut self, queue: Queue, now: Millis, dead_before: Millis) -> Vec<String> {
        self.ended.retain(|_, at| day(now) - day(*at) <= KNOWN_DAYS);
        let old = |entry: &Entry| matches!(entry.state, State::Dead { died_at, .. } if died_at < dead_before);
        let gone = self
            .jobs
            .iter()
            .filter(|(_, entry)| entry.queue == queue && old(entry))
            .map(|(id, entry)| (*id, kind_of(&entry.body).to_owned()));
        let gone: Vec<_> = gone.take(BATCH_MAX).collect();
        for (id, _) in &gone {
            self.delete_dead(*id);
        }
        gone.into_iter().map(|(_, kind)| kind).collect()
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

fn died(kept: &Kept) -> (Reason, Millis) {
    match kept.state {
        State::Dead { reason, died_at } => (reason, died_at),
        _ => panic!("{} is not dead", kept.id),
    }
}

/// The group of a dead letter and its stripped error.
fn group_of(kept: &Kept) -> (GroupId, String) {
    let error = kept.errors.last().map_or_else(String::new, |last| strip(&last.error));
    (GroupId::of(kind_of(&kept.body), died(kept).0, &error), error)
}

fn has_text(kept: &Kept, text: &str) -> bool {
    let error = kept.errors.last().map_or("", |last| last.error.as_str());
    error.to_lowercase().contains(&text.to_lowercase())
}

fn matches(kept: &Kept, filter: &DeadFilter) -> bool {
    let State::Dead { reason, died_at } = kept.state else {
        return false;
    };
    filter.queue.is_none_or(|queue| queue == kept.queue)
        && filter.tenant.is_none_or(|tenant| tenant == kept.tenant)
        && filter.kind.as_deref().is_none_or(|kind| kind == kind_of(&kept.body))
        && filter.reason.is_none_or(|wanted| wanted == reason)
        && filter.group.is_none_or(|group| group == group_of(kept).0)
        && filter.text.as_deref().is_none_or(|text| has_text(kept, text))
        && filter.since.is_none_or(|since| died_at >= since)
        && filter.before.is_none_or(|before| died_at < before)
}
