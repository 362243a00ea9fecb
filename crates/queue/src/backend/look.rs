//! What can be looked at: figures, jobs in all their states, dead letters by group.

use uuid::Uuid;

use super::{NewJob, Reason};
use crate::clock::Millis;
use crate::flow::Keys;
use crate::grouping::GroupId;
use crate::job::{JobId, Queue};

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

/// A job that was ready when somebody looked, in the backend's own words.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Mark(pub String);

/// What has been ready for how long, as far as marks tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StillReady {
    /// Marked jobs that nobody has claimed since.
    pub still: Vec<Mark>,
    /// One that is ready now; `None` if nothing is.
    pub fresh: Option<Mark>,
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
    /// What went wrong, cut at [`ERROR_CHARS_MAX`](super::ERROR_CHARS_MAX) characters.
    pub error: String,
    /// The call that went wrong, if the attempt made one and told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Excerpt>,
}

/// What is kept of a call to somebody outside: enough to see what went wrong, nothing personal and no secret. Whoever
/// makes the call masks it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Excerpt {
    /// What was asked, cut at [`EXCERPT_BYTES_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// What was answered, cut at [`EXCERPT_BYTES_MAX`]; `None` = nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
}

/// The most bytes that are kept of a request, and of a response.
pub const EXCERPT_BYTES_MAX: usize = 1_000;

impl Excerpt {
    /// The part that is kept, without zero bytes, which Postgres refuses.
    #[must_use]
    pub fn cut(self) -> Self {
        let cut = |text: String| text[..text.floor_char_boundary(EXCERPT_BYTES_MAX)].replace('\0', "\u{fffd}");
        Self {
            request: self.request.map(cut),
            response: self.response.map(cut),
        }
    }
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
    /// At most this many are looked at, up to [`BATCH_MAX`](super::BATCH_MAX).
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
    /// Only those with this in their last error, in capitals or not; of groups, in their error as it is shown.
    pub text: Option<String>,
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
