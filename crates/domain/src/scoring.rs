//! How warm a contact is, in points.
//!
//! | event | first of its message | later |
//! |---|---|---|
//! | opened | +3 | +1 |
//! | clicked | +8 | +2 |
//! | bounced | −10 | −10 |
//! | anything else | 0 | 0 |
//!
//! "First" is judged by the message's counters *before* the event, and a score never falls below zero.

use crate::delivery::{Counters, EmailEvent};

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

/// What `event` is worth on a message whose counters were `before`; `None` when it is worth nothing.
#[must_use]
pub fn award(before: &Counters, event: EmailEvent) -> Option<Award> {
    let (reason, points) = match event {
        EmailEvent::Opened if before.opened == 0 => (Reason::FirstOpen, 3),
        EmailEvent::Opened => (Reason::RepeatedOpen, 1),
        EmailEvent::Clicked if before.clicked == 0 => (Reason::FirstClick, 8),
        EmailEvent::Clicked => (Reason::RepeatedClick, 2),
        EmailEvent::Bounced => (Reason::Bounce, -10),
        EmailEvent::Sent | EmailEvent::Delivered | EmailEvent::Complained | EmailEvent::Unsubscribed => return None,
    };
    Some(Award { reason, points })
}

/// The points of [`award`], 0 when there are none.
#[must_use]
pub fn delta(before: &Counters, event: EmailEvent) -> i64 {
    award(before, event).map_or(0, |award| award.points)
}

/// The score after `delta`, never below zero.
#[must_use]
pub fn apply(score: i64, delta: i64) -> i64 {
    score.saturating_add(delta).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_open_and_click_count_more_than_later_ones() {
        let check = |opened, clicked, event, expected| {
            assert_eq!(
                delta(
                    &Counters {
                        opened,
                        clicked,
                        ..Counters::default()
                    },
                    event
                ),
                expected
            );
        };
        check(0, 0, EmailEvent::Opened, 3);
        check(1, 0, EmailEvent::Opened, 1);
        check(0, 0, EmailEvent::Clicked, 8);
        check(5, 0, EmailEvent::Clicked, 8);
        check(0, 1, EmailEvent::Clicked, 2);
        check(0, 0, EmailEvent::Bounced, -10);
        check(9, 9, EmailEvent::Bounced, -10);
        for event in [
            EmailEvent::Sent,
            EmailEvent::Delivered,
            EmailEvent::Complained,
            EmailEvent::Unsubscribed,
        ] {
            check(0, 0, event, 0);
        }
    }

    #[test]
    fn open_click_bounce_bounce_gives_3_11_1_0() {
        let mut score = 0;
        let mut counters = Counters::default();
        let mut step = |event, expected| {
            score = apply(score, delta(&counters, event));
            counters.count(event);
            assert_eq!(score, expected);
        };
        step(EmailEvent::Opened, 3);
        step(EmailEvent::Clicked, 11);
        step(EmailEvent::Bounced, 1);
        step(EmailEvent::Bounced, 0);
    }

    proptest! {
        #[test]
        fn a_score_is_never_negative_and_moves_by_at_most_the_delta(score in 0..i64::MAX, delta: i64) {
            let after = apply(score, delta);
            prop_assert!(after >= 0);
            prop_assert!(after.abs_diff(score) <= delta.unsigned_abs());
        }

        #[test]
        fn opens_and_clicks_sum_the_same_in_any_order(
            events in (0..50_usize, 0..50_usize).prop_flat_map(|(opens, clicks)| {
                let mut events = vec![EmailEvent::Opened; opens];
                events.resize(opens + clicks, EmailEvent::Clicked);
                Just(events).prop_shuffle()
            })
        ) {
            let mut counters = Counters::default();
            let mut score = 0;
            for event in events {
                score = apply(score, delta(&counters, event));
                counters.count(event);
            }
            let worth = |count: u32, first: i64, later: i64| {
                if count == 0 { 0 } else { first + later * i64::from(count - 1) }
            };
            prop_assert_eq!(score, worth(counters.opened, 3, 1) + worth(counters.clicked, 8, 2));
        }
    }
}
