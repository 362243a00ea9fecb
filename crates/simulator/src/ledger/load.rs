//! How hard an account is used.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::recent::Recent;

/// What one account's calls looked like in time, refused ones among them: providers count those too.
#[derive(Clone, Debug)]
pub struct Load {
    pub(super) in_flight: usize,
    pub(super) high_water: usize,
    pub(super) calls: u64,
    pub(super) starts: Recent<Duration>,
}

impl Load {
    pub(super) fn new(starts_max: usize) -> Self {
        Self {
            in_flight: 0,
            high_water: 0,
            calls: 0,
            starts: Recent::new(starts_max),
        }
    }

    pub(super) fn begin(&mut self, at: Duration) {
        self.calls += 1;
        self.in_flight += 1;
        self.high_water = self.high_water.max(self.in_flight);
        self.starts.push(at);
    }

    /// How many calls are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The most that were ever under way at once.
    #[must_use]
    pub fn high_water(&self) -> usize {
        self.high_water
    }

    /// How many there were in all.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// When each began, since the simulator's start, oldest first. Only the newest ones are kept.
    pub fn starts(&self) -> impl ExactSizeIterator<Item = Duration> {
        self.starts.iter().copied()
    }

    /// The most calls that began within any `window`, wherever it is laid. Both ends count.
    #[must_use]
    pub fn most_within(&self, window: Duration) -> usize {
        let starts: Vec<_> = self.starts().collect();
        let mut first = 0;
        let mut most = 0;
        for (last, at) in starts.iter().enumerate() {
            while *at - starts[first] > window {
                first += 1;
            }
            most = most.max(last + 1 - first);
        }
        most
    }
}

/// Times are microseconds.
impl Serialize for Load {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown {
            in_flight: usize,
            high_water: usize,
            calls: u64,
            starts_us: Vec<u128>,
        }
        let shown = Shown {
            in_flight: self.in_flight,
            high_water: self.high_water,
            calls: self.calls,
            starts_us: self.starts().map(|at| at.as_micros()).collect(),
        };
        shown.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_laid_wherever_it_holds_the_most() {
        let mut load = Load::new(10);
        for at in [0, 900, 950, 1_000, 1_900, 3_000] {
            load.begin(Duration::from_millis(at));
        }
        assert_eq!(load.most_within(Duration::from_millis(1_000)), 4);
        assert_eq!(load.most_within(Duration::from_millis(99)), 2);
        assert_eq!(load.most_within(Duration::ZERO), 1);
        assert_eq!(Load::new(1).most_within(Duration::MAX), 0);
    }
}
