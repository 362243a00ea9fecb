//! A worker process: what it believes to hold, and the one call of its step loop (`stepper.rs`) that is under way.

use crate::calls::{Call, Ending, Outcome, Reason, Reply, Ticket};
use crate::rules::{ATTEMPTS, Answer, Job, LEASE};

/// Whether a process does anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Life {
    Awake,
    Frozen,
    Dead,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Run {
    Going,
    Ended(Outcome),
}

/// A job that this process has not settled yet; `Held` with its `Holding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Hold {
    pub(crate) job: Job,
    pub(crate) ticket: Ticket,
    /// Attempts used up before this run, as claimed.
    pub(crate) attempts: u8,
    /// What it believes to be left of the lease.
    pub(crate) left: u8,
    /// Its follow-up job has been added.
    pub(crate) followed: bool,
    pub(crate) run: Run,
}

/// The step loop's call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Step {
    None,
    /// On its way to the store.
    Sent(Call),
    /// Done; the answer is on its way back.
    Answered(Reply),
}

/// A place for a worker process, and the process that has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Worker {
    pub(crate) life: Life,
    pub(crate) holds: Vec<Hold>,
    pub(crate) step: Step,
    /// It has tried to renew since the clock last moved.
    pub(crate) tried: bool,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            life: Life::Awake,
            holds: Vec::new(),
            step: Step::None,
            tried: false,
        }
    }
}

impl Worker {
    /// Whether it could send a call now.
    pub(crate) fn is_free(&self) -> bool {
        self.life == Life::Awake && self.step == Step::None
    }

    /// What its next settle names: all that has finished (`step` in `stepper.rs`).
    pub(crate) fn endings(&self) -> Vec<Ending> {
        let ended = |hold: &Hold| match hold.run {
            Run::Ended(outcome) => Some(Ending {
                job: hold.job,
                ticket: hold.ticket,
                outcome,
            }),
            Run::Going => None,
        };
        self.holds.iter().filter_map(ended).collect()
    }

    /// Whether a third of some lease is over (`renew` in `keeper.rs`).
    pub(crate) fn should_renew(&self) -> bool {
        self.holds.iter().any(|hold| hold.left < LEASE)
    }

    /// The claims it renews: all of which it has a job left.
    pub(crate) fn claims(&self) -> Vec<Ticket> {
        let mut claims: Vec<_> = self.holds.iter().map(|hold| hold.ticket).collect();
        claims.sort_unstable();
        claims.dedup();
        claims
    }

    /// Hears an answer (`settled` and `claimed` in `stepper.rs`).
    pub(crate) fn hear(&mut self, reply: Reply) {
        match reply {
            Reply::Claimed { ticket, jobs, left } => {
                let hold = |(job, attempts)| Hold {
                    job,
                    ticket,
                    attempts,
                    left,
                    followed: false,
                    run: Run::Going,
                };
                self.holds.extend(jobs.into_iter().map(hold));
            }
            Reply::Settled { endings } => {
                let settled = |hold: &Hold| {
                    let same = |ending: &Ending| (ending.job, ending.ticket) == (hold.job, hold.ticket);
                    endings.iter().any(|(ending, _)| same(ending))
                };
                self.holds.retain(|hold| !settled(hold));
            }
        }
    }

    /// Hears what became of a renewal: the runs of lost leases are stopped and handed in as released (`Stop::Lost`).
    pub(crate) fn renewed(&mut self, lost: &[Ticket]) {
        for hold in &mut self.holds {
            if !lost.contains(&hold.ticket) {
                hold.left = LEASE;
            } else if hold.run == Run::Going {
                hold.run = Run::Ended(Outcome::Release);
            }
        }
    }

    /// A third of a lease has passed.
    pub(crate) fn tick(&mut self) {
        self.tried = false;
        for hold in &mut self.holds {
            hold.left = hold.left.saturating_sub(1);
        }
        match &mut self.step {
            Step::Sent(call) => call.tick(),
            Step::Answered(Reply::Claimed { left, .. }) => *left = left.saturating_sub(1),
            Step::Answered(Reply::Settled { .. }) | Step::None => {}
        }
    }
}

impl Call {
    /// A third of a lease has passed while it was on its way.
    pub(crate) fn tick(&mut self) {
        match self {
            Self::Claim { left } | Self::Renew { left, .. } => *left = left.saturating_sub(1),
            Self::Settle { .. } | Self::SettleLooked { .. } => {}
        }
    }
}

/// What an answer means: `decide` in `run.rs`.
pub(crate) fn decide(answer: Answer, attempts_before: u8) -> Outcome {
    match answer {
        Answer::Done => Outcome::Done,
        Answer::Fail if attempts_before + 1 >= ATTEMPTS => Outcome::Dead {
            reason: Reason::Attempts,
            failed: true,
        },
        Answer::Fail => Outcome::Later { failed: true },
        Answer::Snooze => Outcome::Later { failed: false },
        Answer::Refuse => Outcome::Dead {
            reason: Reason::Refused,
            failed: true,
        },
        Answer::Park => Outcome::Park,
        Answer::Leave => Outcome::Release,
    }
}
