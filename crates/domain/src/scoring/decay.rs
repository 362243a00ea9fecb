//! What goes of a score with every week: who is not heard of cools down.
//!
//! With each week that begins, a score loses a share of what it is then, rounded up, so that whoever is not heard of
//! any more comes down to zero. Ten percent makes of 100 points 90, 81, 72, 64 … and 0 after 28 weeks.
//!
//! A week takes its share once, whoever takes it: the job of the week, or the next event of the contact, which brings
//! the score up to date before it adds to it. So the score depends on what happened and on the calendar, and not on
//! whether or how late the job ran: after three weeks without it, three shares go, one after the other.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

const SECONDS_OF_A_DAY: i64 = 24 * 60 * 60;

/// A week by ISO 8601, from Monday to Sunday in UTC: how many weeks it is after that of 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Week(pub i64);

impl Week {
    /// The week of that moment.
    #[must_use]
    pub fn of(at: DateTime<Utc>) -> Self {
        // 1970-01-01 was a Thursday, the fourth day of its week.
        Self((at.timestamp().div_euclid(SECONDS_OF_A_DAY) + 3).div_euclid(7))
    }
}

/// What goes with every week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Decay {
    /// The share of the score, in percent: from 0, nothing, to 100, everything.
    pub percent: i64,
}

impl Default for Decay {
    fn default() -> Self {
        Self { percent: 10 }
    }
}

impl Decay {
    /// What is left of a score after so many weeks. Never below zero.
    #[must_use]
    pub fn after(self, score: i64, weeks: u32) -> i64 {
        let mut left = score.max(0);
        for _ in 0..weeks {
            let share = (i128::from(left) * i128::from(self.percent) + 99) / 100;
            let next = i64::try_from(i128::from(left) - share).unwrap_or(0).max(0);
            if next == left {
                break;
            }
            left = next;
        }
        left
    }
}

/// How many weeks have begun of which a score has not lost its share: those after `taken`, the last one that took it, and
/// after `since`, when the tenant said what the share is. Nothing is due of a score of which nobody knows the last one.
#[must_use]
pub fn weeks_due(taken: Option<Week>, since: Week, now: Week) -> u32 {
    let Some(taken) = taken else { return 0 };
    u32::try_from(now.0 - taken.max(since).0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn week(day: &str) -> i64 {
        Week::of(day.parse().unwrap()).0
    }

    #[test]
    fn a_week_begins_on_monday_in_utc() {
        assert_eq!(week("1970-01-01T00:00:00Z"), 0);
        assert_eq!(week("1970-01-04T23:59:59Z"), 0);
        assert_eq!(week("1970-01-05T00:00:00Z"), 1);
        // The first week of 2026 by ISO 8601 has three days of 2025.
        assert_eq!(week("2025-12-29T00:00:00Z"), week("2026-01-04T23:59:59Z"));
        assert_eq!(week("2026-01-05T00:00:00Z"), week("2026-01-04T23:59:59Z") + 1);
        assert_eq!(week("1969-12-28T23:59:59Z"), -1);
    }

    #[test]
    fn ten_percent_rounded_up_goes_with_every_week_until_nothing_is_left() {
        let decay = Decay::default();
        let weeks: Vec<_> = (0..=4).map(|weeks| decay.after(100, weeks)).collect();
        assert_eq!(weeks, [100, 90, 81, 72, 64]);
        assert_eq!((decay.after(100, 27), decay.after(100, 28)), (1, 0));
        assert_eq!(decay.after(1, 1), 0);
        assert_eq!(decay.after(0, 5), 0);
    }

    #[test]
    fn a_share_of_nothing_takes_nothing_and_one_of_all_takes_all() {
        assert_eq!(Decay { percent: 0 }.after(7, u32::MAX), 7);
        assert_eq!(Decay { percent: 100 }.after(i64::MAX, 1), 0);
    }

    #[test]
    fn every_week_that_began_is_due_once_and_none_from_before_the_share_was_said() {
        let due = |taken: Option<i64>, since, now| weeks_due(taken.map(Week), Week(since), Week(now));
        assert_eq!(due(Some(100), 0, 100), 0);
        assert_eq!(due(Some(100), 0, 101), 1);
        assert_eq!(due(Some(100), 0, 103), 3);
        assert_eq!(due(Some(100), 102, 103), 1);
        assert_eq!(due(Some(100), 200, 103), 0);
        assert_eq!(due(Some(104), 0, 103), 0, "a clock that went back");
        assert_eq!(due(None, 0, 103), 0);
    }

    proptest! {
        #[test]
        fn weeks_that_are_made_up_for_at_once_take_what_they_take_one_by_one(
            score in 0..i64::MAX, percent in 0..=100_i64, weeks in 0..40_u32
        ) {
            let decay = Decay { percent };
            let one_by_one = (0..weeks).fold(score, |left, _| decay.after(left, 1));
            prop_assert_eq!(decay.after(score, weeks), one_by_one);
            prop_assert!((0..=score).contains(&one_by_one));
        }
    }
}
