//! By how much a level rose within the last [`WINDOW`].

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::WINDOW;

/// Levels closer to each other than this are one sample.
const APART: TimeDelta = TimeDelta::seconds(30);

/// Levels of the last [`WINDOW`], oldest first; of each [`APART`] the lowest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Growth(VecDeque<(DateTime<Utc>, u64)>);

impl Growth {
    /// Takes in the level of now, and answers by how much it is above the lowest of the window. A level that stands grows by
    /// nothing, however high it is; one that falls neither.
    pub fn note(&mut self, level: u64, now: DateTime<Utc>) -> u64 {
        // Of somebody whose clock was ahead.
        self.0.iter_mut().for_each(|(at, _)| *at = (*at).min(now));
        while self.0.front().is_some_and(|(at, _)| *at <= now - WINDOW) {
            self.0.pop_front();
        }
        match self.0.back_mut() {
            Some((at, lowest)) if now - *at < APART => *lowest = level.min(*lowest),
            _ => self.0.push_back((now, level)),
        }
        let lowest = self.0.iter().map(|(_, level)| *level).min();
        level - lowest.unwrap_or(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What growth is found of these levels, at these seconds.
    fn grown(levels: &[(i64, u64)]) -> Vec<u64> {
        let mut growth = Growth::default();
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        levels
            .iter()
            .map(|(seconds, level)| growth.note(*level, at(*seconds)))
            .collect()
    }

    #[test]
    fn a_level_that_stands_does_not_grow_however_high_it_is() {
        assert_eq!(grown(&[(0, 5000), (60, 5000), (900, 5000)]), [0, 0, 0]);
    }

    #[test]
    fn what_was_added_within_the_window_is_the_growth() {
        assert_eq!(grown(&[(0, 100), (15, 103), (300, 110), (599, 111)]), [0, 3, 10, 11]);
        // A window later the first level counts no more, and then neither does the rise.
        assert_eq!(grown(&[(0, 100), (300, 110), (600, 110), (900, 110)]), [0, 10, 0, 0]);
    }

    #[test]
    fn what_is_retried_or_deleted_hides_no_later_growth() {
        assert_eq!(grown(&[(0, 1000), (60, 0), (120, 12)]), [0, 0, 12]);
        assert_eq!(grown(&[(0, 1000), (10, 0), (20, 12)]), [0, 0, 12], "within one sample");
    }
}
