//! Where the queue gets the time from: passed in, so that tests own it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC; the one form of time the queue stores and compares.
pub type Millis = i64;

/// The number of milliseconds in a day; ended jobs are remembered per day.
pub const DAY_MS: Millis = 24 * 60 * 60 * 1000;

/// The day (counted from 1970-01-01 UTC) in which `at` lies.
#[must_use]
pub fn day(at: Millis) -> i32 {
    i32::try_from(at.div_euclid(DAY_MS)).unwrap_or(i32::MAX)
}

/// A duration in whole milliseconds, for adding to a [`Millis`].
#[must_use]
pub fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// The system's clock, or one that a test moves by hand.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's wall clock. Machines that share a queue must keep their clocks within a few seconds.
    #[default]
    System,
    /// Shows what the number says.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The time now.
    #[must_use]
    pub fn now(&self) -> Millis {
        match self {
            Self::System => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis),
            Self::Manual(now) => now.load(Ordering::SeqCst),
        }
    }
}
