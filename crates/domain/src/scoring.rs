//! How warm a contact is, in points.
//!
//! What a tenant that never said otherwise gives ([`Weights::default`]):
//!
//! | event | first of its message | later |
//! |---|---|---|
//! | opened | +3 | +1 |
//! | clicked | +8 | +2 |
//! | bounced | −10 | −10 |
//! | anything else | 0 | 0 |
//!
//! "First" is judged by the message's counters *before* the event, and a score never falls below zero. With every week a
//! share of it goes ([`decay`]).

pub mod decay;
mod rules;

pub use decay::{Decay, Week};
pub use rules::{ScoreRules, UnusableRule, Weights};

use crate::outgoing::MessageClass;

stored! {
    /// Why points were given or taken, as written into the ledger.
    Reason {
        /// The first open of a message.
        FirstOpen = "first_open",
        /// Another open of a message.
        RepeatedOpen = "repeated_open",
        /// The first click in a message.
        FirstClick = "first_click",
        /// Another click in a message.
        RepeatedClick = "repeated_click",
        /// A message came back.
        Bounce = "bounce",
        /// The score of another contact that turned out to be this one.
        Merge = "merge",
        /// What goes with every week.
        Decay = "decay",
    }
}

/// Points and what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Award {
    /// Why.
    pub reason: Reason,
    /// How many; negative for a bounce.
    pub points: i64,
}

/// The score after `points`, never below zero.
#[must_use]
pub fn apply(score: i64, points: i64) -> i64 {
    score.saturating_add(points).max(0)
}

/// Whether a score that was `before` and is `after` has just become that of a hot lead. Once for each time that it rises
/// from below: not again before it has fallen below.
#[must_use]
pub fn crosses(hot_from: Option<i64>, before: i64, after: i64) -> bool {
    hot_from.is_some_and(|hot_from| before < hot_from && hot_from <= after)
}

/// Whether what is done with a message says anything of its recipient's interest: not with one to a member of the tenant,
/// nor with a code that somebody waits for.
#[must_use]
pub fn warms(class: Option<MessageClass>, to_member: bool) -> bool {
    !to_member && class != Some(MessageClass::Code)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::delivery::{Counters, EmailEvent};

    #[test]
    fn open_click_bounce_bounce_gives_3_11_1_0() {
        let mut score = 0;
        let mut counters = Counters::default();
        let mut step = |event, expected| {
            score = apply(score, Weights::default().points(&counters, event));
            counters.count(event);
            assert_eq!(score, expected);
        };
        step(EmailEvent::Opened, 3);
        step(EmailEvent::Clicked, 11);
        step(EmailEvent::Bounced, 1);
        step(EmailEvent::Bounced, 0);
    }

    #[test]
    fn a_lead_becomes_hot_each_time_that_its_score_rises_from_below() {
        let check =
            |before, after, expected| assert_eq!(crosses(Some(10), before, after), expected, "{before} {after}");
        check(9, 10, true);
        check(0, 40, true);
        check(9, 9, false);
        check(10, 12, false);
        check(12, 9, false);
        assert!(!crosses(None, 0, 1_000), "nobody said when");
    }

    proptest! {
        #[test]
        fn a_score_is_never_negative_and_moves_by_at_most_the_points(score in 0..i64::MAX, points: i64) {
            let after = apply(score, points);
            prop_assert!(after >= 0);
            prop_assert!(after.abs_diff(score) <= points.unsigned_abs());
        }

        #[test]
        fn opens_and_clicks_sum_the_same_in_any_order(
            events in (0..50_usize, 0..50_usize).prop_flat_map(|(opens, clicks)| {
                let mut events = vec![EmailEvent::Opened; opens];
                events.resize(opens + clicks, EmailEvent::Clicked);
                Just(events).prop_shuffle()
            }),
            first_open in 0..1000_i64,
            repeated_click in 0..1000_i64,
        ) {
            let weights = Weights { first_open, repeated_click, ..Weights::default() };
            let mut counters = Counters::default();
            let mut score = 0;
            for event in events {
                score = apply(score, weights.points(&counters, event));
                counters.count(event);
            }
            let worth = |count: u32, first: i64, later: i64| {
                if count == 0 { 0 } else { first + later * i64::from(count - 1) }
            };
            let expected = worth(counters.opened, first_open, 1) + worth(counters.clicked, 8, repeated_click);
            prop_assert_eq!(score, expected);
        }
    }
}
