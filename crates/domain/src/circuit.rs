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

/// When the others ask again while one has the probe: soon, because it is known soon how that one fares.
pub const PROBED_ASK_AGAIN: TimeDelta = TimeDelta::seconds(5);

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_opens_after_five_failures_and_for_twice_as_long_each_time_up_to_ten_minutes() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let seconds = |failures| open_until(failures, now).map(|until| (until - now).num_seconds());
        assert_eq!([0, 1, 4].map(seconds), [None; 3]);
        assert_eq!([5, 6, 7, 10].map(seconds), [10, 20, 40, 320].map(Some));
        assert_eq!([11, 12, 36, 37, 100, u32::MAX].map(seconds), [Some(600); 6]);
    }

    #[test]
    fn stored_words_are_what_they_always_were() {
        let words: Vec<_> = CircuitState::ALL.iter().map(|state| state.as_str()).collect();
        assert_eq!(words, ["closed", "open", "half_open"]);
    }
}
