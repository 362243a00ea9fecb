//! The store of jobs: what each call does, in the words of `backend.rs`.
//!
//! A live job has a row, and is in exactly one place: `ready`, `later`, `parked`, or the jobs of one lease. On Redis the
//! places are `w:*`, `sched`, `parked` and `run:<claim>` (the page in front of `redis/mod.rs`); in SQL they are
//! `queue_ready`, `queue_later`, `queue_parked` and the runs of `queue_leases` (the one of `sql/mod.rs`), and a job has
//! left a lease when its row has another `seq`. How long a job waits for its time does not matter here: it may be
//! promoted at any moment.

use queue::backend::CRASHES_MAX;

use crate::calls::{Ending, Lease, Outcome, Reason, Session, Ticket};
use crate::rules::{Flaw, JOBS, Job, WORKERS};
use crate::set::Set;
use crate::witness::{Fault, Witness};

/// What is kept of a live job beside its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) attempts: u8,
    pub(crate) crashes: u8,
}

/// All that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    pub(crate) rows: [Option<Row>; JOBS],
    pub(crate) ready: Set,
    pub(crate) later: Set,
    pub(crate) parked: Set,
    pub(crate) leases: Vec<Lease>,
    /// Running jobs that somebody cancelled.
    pub(crate) cancelled: Set,
    pub(crate) dead: [Option<Reason>; JOBS],
    /// Keys of jobs that ended, also by dying.
    pub(crate) known: Set,
    /// For how long each worker process is believed to live.
    pub(crate) announced: [u8; WORKERS],
}

/// One call on the store, broken in one way perhaps, with somebody who watches.
pub(crate) struct StoreCall<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) flaw: Option<Flaw>,
    pub(crate) witness: &'a mut Witness,
    /// The jobs that this call has moved: what a look from before does not find any more.
    pub(crate) moved: Set,
}

impl Store {
    pub(crate) fn row(&self, job: Job) -> Option<Row> {
        self.rows[usize::from(job)]
    }

    /// How many places a job is in; 1 if it lives, else 0.
    pub(crate) fn places(&self, job: Job) -> usize {
        let waits = [self.ready, self.later, self.parked].into_iter();
        let held = self.leases.iter().map(|lease| lease.jobs);
        let dead = usize::from(self.dead[usize::from(job)].is_some());
        waits.chain(held).filter(|place| place.has(job)).count() + dead
    }

    /// The lease that this ticket was given for, if it still has the job.
    pub(crate) fn holds(&self, ticket: Ticket, job: Job) -> Option<&Lease> {
        let same = |lease: &&Lease| lease.ticket.serial == ticket.serial && lease.jobs.has(job);
        self.leases.iter().find(same)
    }

    /// Jobs that one claim may take together: ready, of one lane, and alone in the last one (`LANE_SLOTS`).
    pub(crate) fn may_claim(&self, jobs: Set) -> bool {
        let crashes = |job| self.row(job).map(|row| row.crashes);
        let mut lanes = jobs.jobs().map(crashes);
        let lane = lanes.next().flatten();
        let alone = lane.is_some_and(|crashes| crashes + 1 >= CRASHES_MAX);
        let others = lanes.clone().count();
        self.ready.has_all(jobs) && lanes.all(|other| other == lane) && (others == 0 || !alone)
    }

    /// For how long the worker of this session is believed to live.
    fn announced(&self, session: Session) -> u8 {
        match session {
            Session::Of(worker) => self.announced[usize::from(worker)],
            Session::Gone { announced } => announced,
        }
    }
}

impl StoreCall<'_> {
    /// `add.lua`; `ADD` in `sql/*/add.rs`.
    pub(crate) fn add(&mut self, job: Job) {
        let ended = self.store.known.has(job) && self.flaw != Some(Flaw::EndedKeysAreNew);
        let keeps = self.flaw != Some(Flaw::AddIsAnsweredTooEarly);
        if self.store.row(job).is_none() && !ended && keeps {
            self.witness.add(job);
            self.store.rows[usize::from(job)] = Some(Row::default());
            self.store.ready.insert(job);
        }
        self.witness.answered.insert(job);
    }

    /// The second half of `step.lua`; `CLAIM` in `sql/postgres/claim.rs`. Answers the jobs with their attempts.
    pub(crate) fn claim(&mut self, jobs: Set, lease: Lease) -> Vec<(Job, u8)> {
        let mut claimed = Vec::new();
        for job in jobs.jobs() {
            self.store.ready.remove(job);
            self.witness.hand_out(job);
            let told = |row: &Row| row.attempts * u8::from(self.flaw != Some(Flaw::AttemptsAreNotTold));
            let attempts = self.store.row(job).as_ref().map_or(0, told);
            claimed.push((job, attempts));
        }
        self.store.leases.push(Lease { jobs, ..lease });
        claimed
    }

    /// Whether an ending's claim is held: `SREM` and `SMISMEMBER` on `run:<claim>` in `step.lua`; in `sql/*/settle.rs` the
    /// lease's row and the job's `seq`.
    pub(crate) fn is_held(&self, ending: &Ending) -> bool {
        let (job, claim) = (ending.job, ending.ticket.claim);
        match self.flaw {
            Some(Flaw::SettleIgnoresTheClaim) => self.store.row(job).is_some(),
            _ => self
                .store
                .leases
                .iter()
                .any(|lease| lease.ticket.claim == claim && lease.jobs.has(job)),
        }
    }

    /// The first half of `step.lua`; `DONE` and `MIXED` in `sql/postgres/settle.rs`. Answers whether the claim was held.
    pub(crate) fn settle(&mut self, ending: &Ending) -> bool {
        let held = self.is_held(ending);
        if held {
            self.end_run(ending);
        }
        held
    }

    /// What a finish does that counts.
    pub(crate) fn end_run(&mut self, ending: &Ending) {
        let (job, outcome) = (ending.job, ending.outcome);
        if self.store.row(job).is_none() {
            return;
        }
        if self.store.holds(ending.ticket, job).is_none() {
            self.witness.note(Fault::StaleFinish);
        }
        let goes_on = matches!(outcome, Outcome::Later { .. } | Outcome::Park | Outcome::Release);
        if !(goes_on && self.flaw == Some(Flaw::PutOffJobsStayInTheirLease)) {
            self.take_out(job);
        }
        if self.flaw == Some(Flaw::SettleEndsTheWholeLease) {
            self.store.leases.retain(|lease| lease.ticket != ending.ticket);
        }
        self.moved.insert(job);
        let failed = matches!(
            outcome,
            Outcome::Later { failed: true } | Outcome::Dead { failed: true, .. }
        );
        if let Some(row) = &mut self.store.rows[usize::from(job)] {
            row.attempts += u8::from(failed);
        }
        match outcome {
            Outcome::Done => {
                self.witness.done.insert(job);
                self.end(job);
            }
            Outcome::Dead { reason, .. } => self.bury(job, reason),
            _ if self.store.cancelled.has(job) => self.bury(job, Reason::Cancelled),
            Outcome::Later { .. } => self.store.later.insert(job),
            Outcome::Park => self.store.parked.insert(job),
            Outcome::Release => self.store.ready.insert(job),
        }
        self.drop_empty_leases();
    }

    /// `renew.lua`; `RENEW` in `sql/*/settle.rs`. Answers the claims that are not held any more.
    pub(crate) fn renew(&mut self, claims: &[Ticket], left: u8) -> Vec<Ticket> {
        let mut lost = claims.to_vec();
        for lease in &mut self.store.leases {
            let Some(asked) = lost.iter().position(|ticket| ticket.claim == lease.ticket.claim) else {
                continue;
            };
            lost.remove(asked);
            let moves_back = self.flaw == Some(Flaw::LateRenewMovesBack);
            lease.left = if moves_back { left } else { lease.left.max(left) };
        }
        lost
    }

    /// `promote` in `write.lua`; `PROMOTE` in `sql/postgres/sweep.rs`.
    pub(crate) fn promote(&mut self, job: Job) {
        if self.store.later.remove(job) {
            self.store.ready.insert(job);
        }
    }

    /// `unpark.lua`; `UNPARK` in `sql/postgres/sweep.rs`.
    pub(crate) fn unpark(&mut self, job: Job) {
        if self.store.parked.remove(job) {
            self.store.ready.insert(job);
        }
    }

    /// Takes the jobs of an ended lease back: `take_back` in `sweep.lua`; `RESCUE` in `sql/postgres/sweep.rs`.
    pub(crate) fn rescue(&mut self, index: usize) {
        let lease = self.store.leases.remove(index);
        let lives = self.store.announced(lease.session) > 0 && self.flaw != Some(Flaw::UnheardClaimsAreCharged);
        let charged = !lives;
        let crashes_max = CRASHES_MAX + u8::from(self.flaw == Some(Flaw::PoisonComesLate));
        if charged && !lease.forsaken {
            self.witness.note(Fault::LivingWorkerCharged);
        }
        if !charged && lease.mourned {
            self.witness.note(Fault::DeathNotCharged);
        }
        for job in lease.jobs.jobs() {
            self.moved.insert(job);
            let Some(row) = &mut self.store.rows[usize::from(job)] else {
                continue;
            };
            row.crashes += u8::from(charged);
            let crashes = row.crashes;
            if self.store.cancelled.has(job) {
                self.bury(job, Reason::Cancelled);
            } else if crashes >= crashes_max {
                self.bury(job, Reason::Poison);
            } else if charged {
                self.store.later.insert(job);
            } else {
                self.store.ready.insert(job);
            }
        }
    }

    /// `cancel.lua`; `cancel` in `sql/sqlite/cancel.rs`. On Postgres this is what holds once `take_out` or `doom` has its
    /// lock.
    pub(crate) fn cancel(&mut self, job: Job) {
        if self.store.row(job).is_none() {
            return;
        }
        let runs = self.store.leases.iter().any(|lease| lease.jobs.has(job));
        if runs { self.mark(job) } else { self.remove(job) }
    }

    /// Marks a running job: it shall not go on.
    pub(crate) fn mark(&mut self, job: Job) {
        self.store.cancelled.insert(job);
        self.witness.forbidden.insert(job);
    }

    /// Ends a job that waits.
    pub(crate) fn remove(&mut self, job: Job) {
        self.take_out(job);
        self.moved.insert(job);
        self.end(job);
        self.witness.forbidden.insert(job);
    }

    /// `dead_retry.lua`; `RETRY` in `sql/postgres/dead.rs`.
    pub(crate) fn revive(&mut self, job: Job) {
        if self.store.row(job).is_some() || self.store.dead[usize::from(job)].take().is_none() {
            return;
        }
        self.witness.revive(job);
        self.store.rows[usize::from(job)] = Some(Row::default());
        self.store.ready.insert(job);
        self.moved.insert(job);
    }

    /// Whether `purge` may forget this key; `KEYS` in `sql/postgres/care.rs`.
    pub(crate) fn may_forget(&self, job: Job) -> bool {
        let letter = self.store.dead[usize::from(job)].is_some() && self.flaw != Some(Flaw::LettersOutliveTheirKeys);
        self.store.known.has(job) && self.store.row(job).is_none() && !letter
    }

    /// `purge.lua`, many days later.
    pub(crate) fn forget(&mut self, job: Job) {
        self.store.known.remove(job);
        self.witness.forget(job);
    }

    /// The store goes on from a copy that never heard of this claim.
    pub(crate) fn unclaim(&mut self, index: usize) {
        let lease = self.store.leases.remove(index);
        lease.jobs.jobs().for_each(|job| self.store.ready.insert(job));
    }

    fn take_out(&mut self, job: Job) {
        let store = &mut *self.store;
        for place in [&mut store.ready, &mut store.later, &mut store.parked] {
            place.remove(job);
        }
        for lease in &mut store.leases {
            lease.jobs.remove(job);
        }
    }

    fn drop_empty_leases(&mut self) {
        self.store.leases.retain(|lease| !lease.jobs.is_empty());
    }

    fn bury(&mut self, job: Job, reason: Reason) {
        self.store.dead[usize::from(job)] = Some(reason);
        self.end(job);
    }

    fn end(&mut self, job: Job) {
        self.store.rows[usize::from(job)] = None;
        self.store.cancelled.remove(job);
        self.store.known.insert(job);
        self.witness.over.insert(job);
        self.drop_empty_leases();
    }
}
