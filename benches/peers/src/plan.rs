//! What is said to a contender, and what it says.

use serde::{Deserialize, Serialize};

use crate::figures::Spread;

/// Where a contender keeps its jobs: nobody else's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    /// `redis://`, `postgres://` with a database of its own, or `sqlite://` with a file of its own.
    pub url: String,
    /// Not used before on this server; letters, digits and `_`.
    pub name: String,
    /// With which settings.
    pub tuning: Tuning,
}

/// What a contender's settings are for. One that needs no choice between the last two takes the same for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tuning {
    /// As it comes out of the box.
    Shipped,
    /// What its documents advise for many jobs.
    Throughput,
    /// What its documents advise for short waits.
    Latency,
}

/// One part of a round, in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Task {
    /// Makes tables and whatever else is needed once.
    Prepare,
    /// Adds jobs one at a time from so many callers at once.
    Add {
        /// In all.
        jobs: usize,
        /// Each waits until its job is kept before it adds the next.
        callers: usize,
    },
    /// Adds jobs by the fastest way there is. Not timed.
    Fill {
        /// In all.
        jobs: usize,
    },
    /// Runs jobs that wait, in one worker process.
    Drain {
        /// How many must have run; more may.
        jobs: usize,
        /// How many wait.
        waiting: usize,
    },
    /// Adds jobs one by one and times how long each waits for its run.
    PickUp {
        /// In all.
        jobs: usize,
    },
}

/// A task and what is the same for all of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Where.
    pub place: Place,
    /// What.
    pub task: Task,
    /// After so many seconds it has failed.
    pub limit_s: u64,
}

/// How it went.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// Jobs a second.
    pub per_second: f64,
    /// Per call of an add, or per picked up job.
    pub(crate) within: Spread,
    /// The most memory that the process ever had, in KiB.
    pub memory_peak_kib: u64,
}
