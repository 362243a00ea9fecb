//! What stands around jobs: workers, counters, findings about the set-up.

use uuid::Uuid;

use crate::clock::Millis;
use crate::job::Queue;

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
    /// `unheard`, `purged` (dead letters that were removed because of their age), `deleted` (those
    /// that somebody removed, or that made room for a later one of the same job), and what a job itself counts.
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
