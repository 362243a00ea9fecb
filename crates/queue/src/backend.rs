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

mod around;
mod look;
mod run;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::clock::Millis;
use crate::flow::{Key, Keys, Limit, LimitState, Missed};
use crate::job::{JobId, Queue};
use crate::pauses::{Pause, Scope};

pub use around::{Cancelled, Counter, Finding, FindingLevel, Flights, Purged, Worker};
pub use look::{
    Counts, DeadFilter, DeadGroup, EXCERPT_BYTES_MAX, Excerpt, Failure, GROUPS_MAX, Kept, ListRequest, Mark, NewDead,
    Page, State, StillReady, Sweep,
};
pub use run::{ClaimRequest, Claimed, Claims, Outcome, Reason, Settle, Ticket};

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

/// How long a call may take before it counts as failed, unless somebody says otherwise: a sender that must be told to try
/// again shall hear it within two seconds.
pub const CALL_LIMIT: Duration = Duration::from_millis(1_400);

/// Refuses what is larger than any call may be.
pub(crate) fn bounded(jobs: usize) -> Result<(), QueueError> {
    if jobs > BATCH_MAX {
        return Err(QueueError::Broken(format!(
            "{jobs} jobs in one call; {BATCH_MAX} at most"
        )));
    }
    Ok(())
}

/// A dead letter that is to be ready again.
#[derive(Clone, Copy, Debug)]
pub struct RetryDead<'a> {
    /// The job.
    pub id: JobId,
    /// An envelope instead of the one that it has.
    pub body: Option<&'a [u8]>,
}

/// A store of jobs. Every call is atomic and bounded by its batch; every call may be repeated after an unclear answer.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// How many calls to keep under way; more would only wait for each other.
    fn flights(&self) -> Flights {
        Flights { adds: 2, steps: 2 }
    }

    /// How long a call may take before it counts as failed.
    fn call_limit(&self) -> Duration {
        CALL_LIMIT
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

    /// Moves the end of leases, never to an earlier time; answers the claim numbers that are not held any more.
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

    /// A start that was reserved by the rate of a limit key was missed: answers when it may be instead, behind all that are
    /// reserved and not while the key is cooled. It is reserved for then unless that is after [`Missed::latest`]. At once if the key has no
    /// rate any more.
    async fn reserve_again(&self, queue: Queue, key: &Key, missed: Missed) -> Result<Millis, QueueError>;

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

    /// Which of the marked jobs have been ready ever since, and a new mark: whoever asks again and again knows how long jobs wait
    /// at least, and nothing is written down for it when a job becomes ready. The mark is of a job that is behind others, of
    /// a tenant (and limit key) that `dice` in `0.0..=1.0` choose; one whose worker crashed only if no other is ready. What
    /// waits for its limit key to open is not ready here.
    /// Looks at no more than [`BATCH_MAX`] marks.
    async fn still_ready(&self, queue: Queue, marks: &[Mark], dice: f64) -> Result<StillReady, QueueError>;

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

    /// Makes dead letters ready again, each with all its attempts and no crashes; their errors stay. One with an order key
    /// takes its place in its line: the head's if the line held for it, else the last. Answers in the order of `letters`, of
    /// which there are at most [`BATCH_MAX`];
    /// `false` = no such dead letter, or named before.
    ///
    /// On SQLite a power cut may take it back until something else is written into the file, as whoever retries many does when
    /// it notes what it did.
    async fn retry_all_dead(&self, letters: &[RetryDead<'_>], now: Millis) -> Result<Vec<bool>, QueueError>;

    /// The same for one, whose envelope `body` replaces, and for good.
    async fn retry_dead(&self, id: JobId, body: Option<&[u8]>, now: Millis) -> Result<bool, QueueError> {
        Ok(self.retry_all_dead(&[RetryDead { id, body }], now).await? == [true])
    }

    /// Replaces the envelope `old` of a job, alive or dead, and nothing else of it. A run that is under way goes on with the
    /// old one. `false` = there is no such job, or its envelope is another.
    async fn rewrite(&self, id: JobId, old: &[u8], new: &[u8]) -> Result<bool, QueueError>;

    /// Removes a dead letter and its errors for good, counted as `deleted` in the same moment. `false` = no such dead letter.
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
