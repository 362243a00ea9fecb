//! The face every store of jobs shows: batches in, batches out, and every finish fenced by its claim's number.
//!
//! ```text
//!                add                         claim
//!   (caller) ─────────▶ READY (lane 0) ─────────────────▶ RUNNING under a lease ── settle Done ──▶ ended, key known 8 days
//!                │         ▲   ▲  ▲                         │   │   │   │
//!    add, later  ▼ sweep   │   │  └── settle Release ───────┘   │   │   └─ settle Dead ──▶ DEAD ── retry ──▶ READY (lane 0)
//!            SCHEDULED ────┘   │                                │   └───── settle Park ──▶ PARKED ── unpark ─▶ READY
//!                ▲             └─ (of the crashes' lane)        └─ settle Later ─▶ SCHEDULED
//!                └──────────── sweep: lease ended, crashes + 1 ─┘  (third crash: DEAD `poison`)
//! ```
//!
//! **Claims.** One claim call takes up to `want` jobs under one lease with one number, never issued twice. Whatever ends
//! a run (settle) or keeps it (renew) names that number; if the lease is gone, nothing happens and the answer says so.
//!
//! **Crashes.** A lease that ends is a crash of its worker, unless the worker still announces itself: then the answer to
//! its claim never reached it, and it does not know what it holds. Such jobs go back without a charge. So a worker must be
//! announced for less time than a lease lasts after its last renewal.
//!
//! **Lanes.** A job whose worker died under it waits in the lane of its crash count, and lanes are claimed in ever
//! smaller groups ([`LANE_SLOTS`]): whatever keeps killing workers soon runs alone, and its neighbours of the first
//! crash are not charged for the next.
//!
//! **Fairness.** Within a lane, claims go round the tenants that have work ready; a lone tenant gets everything. Jobs of
//! one tenant that name a limit key wait apart and have a turn of their own, so a closed key holds up nobody else.
//!
//! **Limits and lines** stand in [`flow`](crate::flow). A job behind the head of its line is `Behind`: neither ready nor
//! scheduled, and made ready by the call that ends the head. A job under a closed key is ready, and not claimed.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::clock::Millis;
use crate::envelope;
use crate::flow::{Key, Keys, Limit, LimitState};
use crate::grouping::GroupId;
use crate::job::{JobId, Queue};
use crate::pauses::{Pause, Scope};

/// How many crashes make a job dead with reason `poison`.
pub const CRASHES_MAX: u8 = 3;

/// How many jobs of each lane one worker process runs at once; lane 0 has what its settings say.
pub const LANE_SLOTS: [usize; CRASHES_MAX as usize] = [usize::MAX, 8, 1];

/// The most jobs in one call of any kind.
pub const BATCH_MAX: usize = 1000;

/// For how many days after the day it ended a job's key is known (so at least 7 full days).
pub const KNOWN_DAYS: i32 = 8;

/// The most characters of an attempt's error that are kept.
pub const ERROR_CHARS_MAX: usize = 2000;

/// Why the queue did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueueError {
    /// It cannot be reached or did not answer in time. What was asked may have happened; asking again is safe.
    #[error("the queue is unreachable: {0}")]
    Unavailable(String),
    /// It answered something that this program does not understand, or refused for good.
    #[error("the queue failed: {0}")]
    Broken(String),
}

/// A job to be kept.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Derived from the unique key.
    pub id: JobId,
    /// Where it waits.
    pub queue: Queue,
    /// Whose it is; nil for the installation's own.
    pub tenant: Uuid,
    /// When it may start; the past means now.
    pub run_at: Millis,
    /// What else holds it back.
    pub keys: Keys,
    /// An encoded [`Envelope`](crate::envelope::Envelope).
    pub body: Vec<u8>,
}

/// What became of an add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is kept now.
    New,
    /// A job with this id lives, or ended within the last [`KNOWN_DAYS`].
    Duplicate,
}

/// Asks for jobs.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// Of which queue.
    pub queue: Queue,
    /// Of which lane: the number of crashes, `0..CRASHES_MAX`.
    pub lane: u8,
    /// At most this many, up to [`BATCH_MAX`].
    pub want: usize,
    /// The claiming worker process.
    pub session: Uuid,
    /// When the lease ends.
    pub until: Millis,
    /// The time now; what is due by then may be promoted on the way.
    pub now: Millis,
}

/// A job under a lease.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Its id.
    pub id: JobId,
    /// Its queue.
    pub queue: Queue,
    /// Its tenant.
    pub tenant: Uuid,
    /// The lane it was claimed from, which is the number of its crashes.
    pub crashes: u8,
    /// Attempts used up before this run.
    pub attempts: u16,
    /// What to show when it is settled.
    pub ticket: Ticket,
    /// What else held it back; they have to be let go when it is settled.
    pub keys: Keys,
    /// The encoded envelope.
    pub body: Vec<u8>,
}

impl Claimed {
    /// How its run ended. `added_on` is the day of its envelope.
    #[must_use]
    pub fn ended(&self, added_on: i32, outcome: Outcome) -> Settle {
        Settle {
            id: self.id,
            tenant: self.tenant,
            crashes: self.crashes,
            attempts: self.attempts,
            ticket: self.ticket,
            keys: self.keys.clone(),
            added_on,
            kind: match outcome {
                Outcome::Done => Box::default(),
                _ => envelope::kind_of(&self.body).into(),
            },
            outcome,
        }
    }
}

/// Proof of a claim. Worth nothing once the lease is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The claim's number.
    pub claim: i64,
    /// Where the backend keeps the job; unused on Redis.
    pub seq: i64,
}

/// The answer to a claim.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// The jobs, all under the same claim number; maybe none.
    pub jobs: Vec<Claimed>,
    /// More may be ready in this lane: claim again without waiting for a wake-up.
    pub more: bool,
    /// When the next closed limit key of the queue opens by itself, if jobs wait for it: claim again then. Nobody is woken
    /// for it.
    pub opens_at: Option<Millis>,
}

/// How one run ended.
#[derive(Clone, Debug)]
pub struct Settle {
    /// The job.
    pub id: JobId,
    /// Its tenant, as claimed.
    pub tenant: Uuid,
    /// Its crashes, as claimed.
    pub crashes: u8,
    /// Its attempts used up before this run, as claimed.
    pub attempts: u16,
    /// The proof.
    pub ticket: Ticket,
    /// Its keys, as claimed.
    pub keys: Keys,
    /// The day on which the job was added; a key that ends on a later day must be remembered from then.
    pub added_on: i32,
    /// The kind that its envelope names, for what may become a dead letter; empty if it is done, or names none.
    pub kind: Box<str>,
    /// How it ended.
    pub outcome: Outcome,
}

/// The ways a run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The work is done.
    Done,
    /// Run it again at `run_at`. With an error: one attempt more is used up, and the error is kept as that attempt's.
    Later {
        /// When.
        run_at: Millis,
        /// What went wrong, if this run counts as an attempt.
        error: Option<String>,
        /// The whole limit key of the job, if it has one, is closed until `run_at` too.
        cool: bool,
    },
    /// Never run it again by itself. With an error, one attempt more is used up.
    Dead {
        /// Why.
        reason: Reason,
        /// What went wrong in this run.
        error: Option<String>,
    },
    /// Keep it aside until [`Backend::unpark`] names the gate; costs nothing.
    Park {
        /// What it waits for, for example `kind:send_otp`.
        gate: String,
    },
    /// This worker leaves; anybody may run it at once. Costs nothing.
    Release,
}

/// Why a job is dead. A closed list; the names are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Every attempt failed.
    Attempts,
    /// The handler said that waiting will not help.
    Refused,
    /// Not started before its expiry.
    Expired,
    /// The payload cannot be opened or parsed.
    Unreadable,
    /// Workers died under it [`CRASHES_MAX`] times.
    Poison,
    /// Somebody cancelled it while it ran.
    Cancelled,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 6] = [
        Self::Attempts,
        Self::Refused,
        Self::Expired,
        Self::Unreadable,
        Self::Poison,
        Self::Cancelled,
    ];

    /// The stored name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Unreadable => "unreadable",
            Self::Poison => "poison",
            Self::Cancelled => "cancelled",
        }
    }

    /// The reason stored under that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Jobs whose time had come.
    pub promoted: usize,
    /// Jobs taken back from ended leases and scheduled again, with one crash more.
    pub rescued: usize,
    /// Jobs taken back from ended leases of workers that still announce themselves, without a charge.
    pub unheard: usize,
    /// Jobs taken back for the last time: dead with reason `poison`.
    pub poisoned: usize,
    /// When the next scheduled job is due, as far as known.
    pub next_due: Option<Millis>,
}

/// Figures of one queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// May start now.
    pub ready: u64,
    /// Wait for their time: later start, retry, snooze.
    pub scheduled: u64,
    /// Under a lease.
    pub running: u64,
    /// Wait behind a gate.
    pub parked: u64,
    /// Wait behind the head of their line.
    pub behind: u64,
    /// Dead letters.
    pub dead: u64,
    /// Nothing is claimed while this is set.
    pub paused: bool,
}

/// Where a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// May start now.
    Ready,
    /// Waits for its time.
    Scheduled {
        /// When it is due.
        run_at: Millis,
    },
    /// Under a lease.
    Running {
        /// The claim's number.
        claim: i64,
        /// Which worker process holds it.
        session: Uuid,
        /// When the lease ends.
        until: Millis,
    },
    /// Waits behind a gate.
    Parked {
        /// What it waits for.
        gate: String,
    },
    /// Waits for the head of its line.
    Behind {
        /// That job, alive or, in a line that [holds](crate::flow::AfterDeath::Hold), dead.
        head: JobId,
    },
    /// A dead letter.
    Dead {
        /// Why.
        reason: Reason,
        /// When it died.
        died_at: Millis,
    },
}

impl State {
    /// The state's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Scheduled { .. } => "scheduled",
            Self::Running { .. } => "running",
            Self::Parked { .. } => "parked",
            Self::Behind { .. } => "behind",
            Self::Dead { .. } => "dead",
        }
    }
}

/// Everything kept about one job.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its id.
    pub id: JobId,
    /// Its queue.
    pub queue: Queue,
    /// Its tenant.
    pub tenant: Uuid,
    /// Attempts used up.
    pub attempts: u16,
    /// Crashes of its workers.
    pub crashes: u8,
    /// Where it is.
    pub state: State,
    /// What else holds it back.
    pub keys: Keys,
    /// The encoded envelope.
    pub body: Vec<u8>,
    /// What went wrong so far, oldest first; all of it from [`Backend::find`], the last of it from [`Backend::list_dead`].
    pub errors: Vec<Failure>,
}

/// One failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// 1 for the first.
    pub attempt: u16,
    /// When it ended.
    pub at: Millis,
    /// What went wrong, cut at [`ERROR_CHARS_MAX`] characters.
    pub error: String,
}

/// Which live jobs to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListRequest<'a> {
    /// Only of this queue.
    pub queue: Option<Queue>,
    /// Only of this tenant.
    pub tenant: Option<Uuid>,
    /// Go on after this cursor.
    pub cursor: Option<&'a str>,
    /// At most this many are looked at, up to [`BATCH_MAX`].
    pub limit: usize,
}

/// Which dead letters. What is not said does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Only of this queue.
    pub queue: Option<Queue>,
    /// Only of this tenant.
    pub tenant: Option<Uuid>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only those that died of this.
    pub reason: Option<Reason>,
    /// Only of this group.
    pub group: Option<GroupId>,
    /// Only those that died then or later.
    pub since: Option<Millis>,
    /// Only those that died before.
    pub before: Option<Millis>,
}

/// Dead letters that died of the same thing: same kind, same reason, and the same [stripped](crate::grouping::strip) text
/// of the last failed attempt (empty if there was none).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadGroup {
    /// Made of the three.
    pub id: GroupId,
    /// Of which kind; empty if that cannot be read.
    pub kind: String,
    /// Why they died.
    pub reason: Reason,
    /// The stripped error.
    pub error: String,
    /// How many match.
    pub count: u64,
    /// The latest death of them.
    pub last_died_at: Millis,
}

/// A dead letter from elsewhere.
#[derive(Clone, Debug)]
pub struct NewDead {
    /// The job as it was added; `run_at` does not matter.
    pub job: NewJob,
    /// Why it died.
    pub reason: Reason,
    /// When it died.
    pub died_at: Millis,
    /// Attempts used up.
    pub attempts: u16,
    /// What went wrong, oldest first.
    pub errors: Vec<Failure>,
}

/// The most groups that are shown.
pub const GROUPS_MAX: usize = 1000;

/// One page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The rows.
    pub items: Vec<Kept>,
    /// Give this to get the next page; `None` = that was all. A page may be short of its limit and still not be the last.
    pub next_cursor: Option<String>,
}

/// What became of a cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It waited and will never start.
    Removed,
    /// It runs; its worker has been told to stop it.
    Signalled,
    /// No live job has that id.
    Unknown,
}

/// A worker process as it announced itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Worker {
    /// Its session, drawn at start.
    pub session: Uuid,
    /// The machine's name and the process number.
    pub name: String,
    /// The queues it serves, with how many jobs of each it runs at once.
    pub queues: Vec<(String, usize)>,
    /// The kinds it knows.
    pub kinds: Vec<String>,
    /// When the process started.
    pub started_at: Millis,
}

impl Worker {
    /// The queues it serves, as in the setting: `urgent=16,default=32`.
    #[must_use]
    pub fn serves(&self) -> String {
        let served = self.queues.iter().map(|(queue, slots)| format!("{queue}={slots}"));
        served.collect::<Vec<_>>().join(",")
    }
}

/// A figure summed over all processes and for ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Counter {
    /// Of which queue.
    pub queue: Queue,
    /// Of which kind of job.
    pub kind: String,
    /// What is counted: `added`, `duplicate`, `done`, `retried`, `snoozed`, `dead`, `parked`, `released`, `stale`, `crashed`,
    /// `unheard`, `purged` (dead letters that were removed because of their age).
    pub name: String,
}

/// What a purge removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Old keys that were looked at: those of jobs that have ended are forgotten, the others are as new. In the backend's
    /// units (Redis forgets whole days at once).
    pub keys: u64,
    /// Dead letters.
    pub dead: u64,
}

/// One thing that `doctor` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: FindingLevel,
    /// What was found and what to do.
    pub text: String,
}

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingLevel {
    /// As it should be.
    Good,
    /// Works, with a risk that should be known.
    Warning,
    /// A production process must not start like this.
    Fault,
}

/// How many calls of a kind gain from being under way at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flights {
    /// Adds.
    pub adds: usize,
    /// Steps of one queue in one worker process.
    pub steps: usize,
}

/// A store of jobs. Every call is atomic and bounded by its batch; every call may be repeated after an unclear answer.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// How many calls to keep under way; more would only wait for each other.
    fn flights(&self) -> Flights {
        Flights { adds: 2, steps: 2 }
    }

    /// Keeps jobs durably; the answers are in the order of `jobs`. Ids may occur twice in one call.
    async fn add(&self, jobs: &[NewJob], now: Millis) -> Result<Vec<Added>, QueueError>;

    /// Takes jobs of one lane, going round its tenants, no more of a limit key than it allows. Takes nothing while the
    /// queue is paused.
    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, QueueError>;

    /// Writes down how runs ended (all of `queue`); `false` = the claim was not held any more, nothing happened.
    /// `finished` names the claims that have no unsettled job left after this call.
    async fn settle(
        &self,
        queue: Queue,
        settles: &[Settle],
        finished: &[i64],
        now: Millis,
    ) -> Result<Vec<bool>, QueueError>;

    /// Settles, then claims, in one round trip where the backend can.
    async fn step(
        &self,
        settles: &[Settle],
        finished: &[i64],
        request: &ClaimRequest,
    ) -> Result<(Vec<bool>, Claims), QueueError> {
        let held = self.settle(request.queue, settles, finished, request.now).await?;
        Ok((held, self.claim(request).await.or_else(claim_again)?))
    }

    /// Moves the end of leases; answers the claim numbers that are not held any more.
    async fn renew(&self, queue: Queue, claims: &[i64], until: Millis) -> Result<Vec<i64>, QueueError>;

    /// Makes due jobs ready and takes jobs back from ended leases, a bounded number of each. `dice` in `0.0..=1.0` places
    /// the back-off of crashed jobs ([`CRASH_BACKOFF`]).
    async fn sweep(&self, queue: Queue, now: Millis, dice: f64) -> Result<Sweep, QueueError>;

    /// Is notified when work may have become ready, or a new due time known. Notifications may be spurious or, after a
    /// lost connection, missing: wait with a limit. The first call starts the listening task on the current runtime.
    fn wakes(&self, queue: Queue) -> Arc<Notify>;

    /// Makes all jobs behind these gates ready; answers how many.
    async fn unpark(&self, queue: Queue, gates: &[String], now: Millis) -> Result<u64, QueueError>;

    /// Sets what a limit key of a queue allows from now on; `None` removes its limit and what it has reserved or cooled.
    async fn set_limit(&self, queue: Queue, key: &Key, limit: Option<Limit>, now: Millis) -> Result<(), QueueError>;

    /// The limit keys of a queue that have a limit, are cooled or are in use, in the order of their names.
    async fn limits(&self, queue: Queue, now: Millis) -> Result<Vec<LimitState>, QueueError>;

    /// How many jobs wait behind each gate of a queue.
    async fn gates(&self, queue: Queue) -> Result<Vec<(String, u64)>, QueueError>;

    /// Keeps a pause. Only that of a queue stops claims by itself; the others are for the workers to heed
    /// ([`pauses`](mod@crate::pauses)). What is paused already keeps its first pause.
    async fn pause(&self, pause: &Pause) -> Result<(), QueueError>;

    /// Ends a pause, if there is one.
    async fn resume(&self, scope: &Scope) -> Result<(), QueueError>;

    /// All pauses, in the order of their scopes.
    async fn pauses(&self) -> Result<Vec<Pause>, QueueError>;

    /// Figures of a queue.
    async fn counts(&self, queue: Queue) -> Result<Counts, QueueError>;

    /// One live job, or dead letter, by its id.
    async fn find(&self, id: JobId) -> Result<Option<Kept>, QueueError>;

    /// Whether the job's key is still known although the job itself has ended.
    async fn ended(&self, id: JobId) -> Result<bool, QueueError>;

    /// Live jobs, oldest first within a queue as far as the backend knows an order.
    async fn list(&self, request: ListRequest<'_>) -> Result<Page, QueueError>;

    /// Cancels a job. A waiting one never starts (its key stays known). A running one is marked for its worker, and never
    /// runs again however this run ends: done it is done, else it is dead with reason `cancelled`.
    async fn cancel(&self, id: JobId, now: Millis) -> Result<Cancelled, QueueError>;

    /// Which of these running jobs have been cancelled.
    async fn cancelled(&self, queue: Queue, running: &[JobId]) -> Result<Vec<JobId>, QueueError>;

    /// Dead letters that match, latest death first, from the cursor on. Looks at no more than a bounded number, so a page
    /// may be short.
    async fn list_dead(&self, filter: &DeadFilter, cursor: Option<&str>, limit: usize) -> Result<Page, QueueError>;

    /// The groups of the dead letters that match, largest first, at most [`GROUPS_MAX`].
    async fn dead_groups(&self, filter: &DeadFilter) -> Result<Vec<DeadGroup>, QueueError>;

    /// Keeps dead letters from elsewhere, with their keys; `false` = a job of that id lives, is dead, or ended not long
    /// ago, and nothing was changed.
    async fn import_dead(&self, letters: &[NewDead], now: Millis) -> Result<Vec<bool>, QueueError>;

    /// Makes a dead letter ready again with all its attempts and no crashes; its errors stay. `body` replaces the envelope.
    /// One with an order key takes its place in its line: the head's if the line held for it, else the last. `false` = no
    /// such dead letter.
    async fn retry_dead(&self, id: JobId, body: Option<&[u8]>, now: Millis) -> Result<bool, QueueError>;

    /// Replaces the envelope of a dead letter. `false` = no such dead letter.
    async fn edit_dead(&self, id: JobId, body: &[u8]) -> Result<bool, QueueError>;

    /// Removes a dead letter and its errors for good. `false` = no such dead letter.
    async fn delete_dead(&self, id: JobId) -> Result<bool, QueueError>;

    /// Adds to counters.
    async fn count(&self, counters: &[(Counter, u64)]) -> Result<(), QueueError>;

    /// All counters.
    async fn counters(&self) -> Result<Vec<(Counter, u64)>, QueueError>;

    /// Says that this worker lives until `until`, or (with a time in the past) that it has left.
    async fn announce(&self, worker: &Worker, until: Millis) -> Result<(), QueueError>;

    /// The workers that live at `now`.
    async fn workers(&self, now: Millis) -> Result<Vec<Worker>, QueueError>;

    /// Forgets keys of jobs that ended long ago and dead letters older than `dead_before`, a bounded number of each: call
    /// it again until nothing goes any more. No letter goes that is not counted as `purged` in the same moment.
    async fn purge(&self, queue: Queue, now: Millis, dead_before: Millis) -> Result<Purged, QueueError>;

    /// Drops its connections; the next calls make new ones.
    async fn reconnect(&self) {}

    /// Whether it answers.
    async fn ping(&self) -> Result<(), QueueError>;

    /// What an operator should know about how it is set up.
    async fn check(&self) -> Result<Vec<Finding>, QueueError>;
}

/// What a claim that failed right after a settle means: what is settled is settled, and must not be told as failed. The
/// next call claims again, and fails as a whole if the trouble lasts.
pub(crate) fn claim_again(error: QueueError) -> Result<Claims, QueueError> {
    tracing::debug!(%error, "A claim failed after its settle; claiming again.");
    Ok(Claims {
        more: true,
        ..Claims::default()
    })
}

/// How long a job waits after its worker died under it.
pub const CRASH_BACKOFF: crate::backoff::Backoff = crate::backoff::Backoff {
    first: std::time::Duration::from_secs(1),
    cap: std::time::Duration::from_secs(60),
};

/// Cuts an error text to what is kept of it.
#[must_use]
pub fn cut_error(error: &str) -> &str {
    match error.char_indices().nth(ERROR_CHARS_MAX) {
        Some((end, _)) => &error[..end],
        None => error,
    }
}
