//! By which rules a tenant's scores change.

use serde::{Deserialize, Serialize};

use super::{Award, Decay, Reason};
use crate::delivery::{Counters, EmailEvent};

/// The most points that one event gives or takes.
const POINTS_MAX: i64 = 1_000;
/// The highest score that a tenant may call hot.
const HOT_FROM_MAX: i64 = 1_000_000;

/// What each event is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights {
    /// The first open of a message.
    pub first_open: i64,
    /// Another open of a message.
    pub repeated_open: i64,
    /// The first click in a message.
    pub first_click: i64,
    /// Another click in a message.
    pub repeated_click: i64,
    /// A message that came back: zero, or less.
    pub bounce: i64,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            first_open: 3,
            repeated_open: 1,
            first_click: 8,
            repeated_click: 2,
            bounce: -10,
        }
    }
}

impl Weights {
    /// What `event` is worth on a message whose counters were `before`; `None` when it is worth nothing.
    #[must_use]
    pub fn award(&self, before: &Counters, event: EmailEvent) -> Option<Award> {
        let (reason, points) = match event {
            EmailEvent::Opened if before.opened == 0 => (Reason::FirstOpen, self.first_open),
            EmailEvent::Opened => (Reason::RepeatedOpen, self.repeated_open),
            EmailEvent::Clicked if before.clicked == 0 => (Reason::FirstClick, self.first_click),
            EmailEvent::Clicked => (Reason::RepeatedClick, self.repeated_click),
            EmailEvent::Bounced => (Reason::Bounce, self.bounce),
            EmailEvent::Sent | EmailEvent::Delivered | EmailEvent::Complained | EmailEvent::Unsubscribed => {
                return None;
            }
        };
        (points != 0).then_some(Award { reason, points })
    }

    /// The points of [`award`](Self::award), 0 when there are none.
    #[must_use]
    pub fn points(&self, before: &Counters, event: EmailEvent) -> i64 {
        self.award(before, event).map_or(0, |award| award.points)
    }
}

/// By which rules a tenant's scores change. What it never said is as in [`Default`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreRules {
    /// What each event is worth.
    pub weights: Weights,
    /// What goes with every week.
    pub decay: Decay,
    /// From which score on a lead is hot, if somebody is to be told.
    pub hot_from: Option<i64>,
}

/// A rule that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{rule} must be a whole number from {least} to {most}")]
pub struct UnusableRule {
    /// Which, by its stored name.
    pub rule: &'static str,
    /// The least that it may be.
    pub least: i64,
    /// The most that it may be.
    pub most: i64,
}

impl ScoreRules {
    /// Whether all of it can be used.
    ///
    /// # Errors
    /// [`UnusableRule`] names the first rule that is out of its range.
    pub fn check(&self) -> Result<(), UnusableRule> {
        let Weights {
            first_open,
            repeated_open,
            first_click,
            repeated_click,
            bounce,
        } = self.weights;
        let hot_from = self.hot_from.unwrap_or(1);
        for (rule, value, least, most) in [
            ("first_open", first_open, 0, POINTS_MAX),
            ("repeated_open", repeated_open, 0, POINTS_MAX),
            ("first_click", first_click, 0, POINTS_MAX),
            ("repeated_click", repeated_click, 0, POINTS_MAX),
            ("bounce", bounce, -POINTS_MAX, 0),
            ("decay_percent", self.decay.percent, 0, 100),
            ("hot_from", hot_from, 1, HOT_FROM_MAX),
        ] {
            if !(least..=most).contains(&value) {
                return Err(UnusableRule { rule, least, most });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_first_open_and_click_count_more_than_later_ones() {
        let check = |opened, clicked, event, expected| {
            let before = Counters {
                opened,
                clicked,
                ..Counters::default()
            };
            assert_eq!(Weights::default().points(&before, event), expected);
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
    fn what_is_worth_nothing_is_no_award() {
        let weights = Weights {
            repeated_open: 0,
            ..Weights::default()
        };
        let opened = Counters {
            opened: 1,
            ..Counters::default()
        };
        assert_eq!(weights.award(&opened, EmailEvent::Opened), None);
    }

    #[test]
    fn a_rule_out_of_its_range_is_named() {
        let check = |change: fn(&mut ScoreRules), rule: &str| {
            let mut rules = ScoreRules::default();
            rules.check().unwrap();
            change(&mut rules);
            let refused = rules.check().unwrap_err();
            assert_eq!(refused.rule, rule);
            assert!(refused.to_string().starts_with(rule), "{refused}");
        };
        check(|rules| rules.weights.first_open = -1, "first_open");
        check(|rules| rules.weights.repeated_open = 1_001, "repeated_open");
        check(|rules| rules.weights.first_click = i64::MAX, "first_click");
        check(|rules| rules.weights.repeated_click = i64::MIN, "repeated_click");
        check(|rules| rules.weights.bounce = 1, "bounce");
        check(|rules| rules.decay.percent = 101, "decay_percent");
        check(|rules| rules.hot_from = Some(0), "hot_from");
    }
}
