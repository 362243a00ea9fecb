//! When a provider's account that keeps failing is left alone, and how it is tried again.
//!
//! ```text
//! closed ──FAILURES_MAX in a row──▶ open until … ──time is over, one takes the probe──▶ half-open
//!    ▲                                ▲                                                    │
//!    │                                └────────────────── probe failed ────────────────────┤
//!    └─────────────────────────────────────────────────── probe succeeded ─────────────────┘
//! ```

use chrono::{DateTime, TimeDelta, Utc};

/// So many failures in a row open a circuit.
pub const FAILURES_MAX: u32 = 5;

/// How long a circuit stays open the first time; each probe that fails doubles it.
pub const OPEN_FIRST: TimeDelta = TimeDelta::seconds(10);

/// How long it stays open at most.
pub const OPEN_MAX: TimeDelta = TimeDelta::minutes(10);

/// How long one that took the probe has it to itself. After that it is taken to have died.
pub const PROBE: TimeDelta = TimeDelta::seconds(60);

stored! {
    /// Whether calls are let through.
    CircuitState {
        /// They are.
        Closed = "closed",
        /// None is.
        Open = "open",
        /// One is, to see how it fares.
        HalfOpen = "half_open",
    }
}

/// For how long a circuit opens after so many failures in a row, the last of them at `now`: not at all as long as they
/// are few, then doubling from [`OPEN_FIRST`] to [`OPEN_MAX`].
#[must_use]
pub fn open_until(failures: u32, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let over = failures.checked_sub(FAILURES_MAX)?;
    let factor = 1_i32.checked_shl(over.min(30)).unwrap_or(i32::MAX);
    Some(now + OPEN_FIRST.checked_mul(factor).unwrap_or(OPEN_MAX).min(OPEN_MAX))
}
