//! How long a failed job waits: exponential, capped, with jitter in the upper half.

use std::time::Duration;

/// The wait before attempt `n + 1` is drawn between half and all of `min(cap, first · 2^(n-1))`.
///
/// Without the jitter, jobs that failed together (a provider went down) would come back together, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait after the first failure.
    pub first: Duration,
    /// The longest wait ever.
    pub cap: Duration,
}

impl Backoff {
    /// The wait after `failures` failures (1 or more); `dice` in `0.0..=1.0` picks the point in the upper half.
    #[must_use]
    pub fn wait(&self, failures: u32, dice: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self.first.saturating_mul(1 << doublings).min(self.cap);
        let half = whole / 2;
        half + half.mul_f64(dice.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_wait_grows_with_the_failures_and_stays_under_its_cap(
            first in 1u64..100_000, factor in 1u64..1000, failures in 1u32..10_000, dice in 0.0f64..=1.0
        ) {
            let backoff = Backoff { first: Duration::from_millis(first), cap: Duration::from_millis(first * factor) };
            let wait = backoff.wait(failures, dice);
            prop_assert!(wait <= backoff.cap);
            prop_assert!(wait >= backoff.first.min(backoff.cap) / 2);
            prop_assert!(backoff.wait(failures + 1, dice) >= wait);
        }
    }

    #[test]
    fn the_first_waits_are_the_formula_of_the_readme() {
        let backoff = Backoff {
            first: Duration::from_secs(2),
            cap: Duration::from_secs(10),
        };
        let full: Vec<_> = (1..=4).map(|failures| backoff.wait(failures, 1.0).as_secs()).collect();
        let least: Vec<_> = (1..=4).map(|failures| backoff.wait(failures, 0.0).as_secs()).collect();
        assert_eq!((full, least), (vec![2, 4, 8, 10], vec![1, 2, 4, 5]));
    }
}
