//! The pace of housekeeping: small steps, and long rests between them, so that live work hardly meets any of it.

use std::time::{Duration, Instant};

/// For how long a run takes steps. Then it goes on with another run, well before its time-out.
const RUN: Duration = Duration::from_secs(10);

/// How long the work rests before its next run.
pub(crate) const BETWEEN_RUNS: Duration = Duration::from_secs(1);

/// The pace of one run.
pub(crate) struct Pace {
    began: Instant,
    /// How many times as long as a step the rest after it is.
    rest: u32,
}

impl Pace {
    /// One step, then a rest so many times as long.
    pub(crate) fn resting(rest: u32) -> Self {
        Self {
            began: Instant::now(),
            rest,
        }
    }

    /// Whether the run has taken its time.
    pub(crate) fn is_over(&self) -> bool {
        self.began.elapsed() >= RUN
    }

    /// Rests after a step that began then.
    pub(crate) async fn rest_after(&self, step: Instant) {
        tokio::time::sleep(step.elapsed() * self.rest).await;
    }
}
