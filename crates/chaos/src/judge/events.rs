//! Events: each must have been applied exactly once, and everything that counts them must agree.

use std::collections::HashMap;

use serde::Serialize;

use super::{Evidence, Wrong, whereabouts, wishes};
use crate::book::{Event, What};
use crate::facts::Counters;
use crate::kept::Whereabouts;

/// What became of events.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Events {
    pub(crate) asked: u64,
    pub(crate) promised: u64,
    pub(crate) applied: u64,
    /// Promised, and nowhere to be found: or counted by less than there are.
    pub(crate) lost: u64,
    pub(crate) applied_twice: u64,
    /// Promised, and a dead letter.
    pub(crate) dead: u64,
    /// Promised, and still waiting.
    pub(crate) unfinished: u64,
}

impl Events {
    pub(super) fn wrong(&self) -> u64 {
        self.lost + self.applied_twice + self.unfinished
    }
}

pub(super) fn judge(evidence: &Evidence, wrong: &mut Wrong) -> Events {
    let mut events = Events::default();
    let mut expected: HashMap<String, Counters> = HashMap::new();
    let mut people: HashMap<String, String> = HashMap::new();
    for (wish, event) in wishes(&evidence.pages, What::event) {
        events.asked += 1;
        events.promised += u64::from(wish.promised_at.is_some());
        let times = evidence.facts.events.get(&event.key()).map_or(0, Vec::len);
        if times > 0 {
            events.applied += 1;
            count(expected.entry(event.message.clone()).or_default(), event);
            people.insert(event.message.clone(), event.person.clone());
        }
        if times > 1 {
            events.applied_twice += 1;
            wrong.say(|| format!("applied {times} times: {event:?}"));
        }
        if times == 0 && wish.promised_at.is_some() {
            match whereabouts(evidence, wish) {
                Whereabouts::Dead => events.dead += 1,
                Whereabouts::Live => events.unfinished += 1,
                Whereabouts::Gone => {
                    events.lost += 1;
                    wrong.say(|| format!("lost: {wish:?}"));
                }
            }
        }
    }
    compare_counters(evidence, &expected, &mut events, wrong);
    compare_scores(evidence, &expected, &people, &mut events, wrong);
    events
}

/// Counts as the store should.
fn count(counters: &mut Counters, event: &Event) {
    use domain::EmailEvent as E;
    match event.kind {
        E::Sent => counters.sent += 1,
        E::Delivered => counters.delivered += 1,
        E::Opened => counters.opened += 1,
        E::Clicked => counters.clicked += 1,
        E::Bounced | E::Complained | E::Unsubscribed => {}
    }
    // A first open makes one, and only one.
    counters.interactions = i64::from(counters.opened > 0);
}

fn compare_counters(evidence: &Evidence, expected: &HashMap<String, Counters>, events: &mut Events, wrong: &mut Wrong) {
    let none = Counters::default();
    for (message, expected) in expected {
        let found = evidence.facts.messages.get(message).unwrap_or(&none);
        let pairs = [
            (found.sent, expected.sent),
            (found.delivered, expected.delivered),
            (found.opened, expected.opened),
            (found.clicked, expected.clicked),
            (found.interactions, expected.interactions),
        ];
        let over: i64 = pairs.iter().map(|(found, expected)| (found - expected).max(0)).sum();
        let under: i64 = pairs.iter().map(|(found, expected)| (expected - found).max(0)).sum();
        events.applied_twice += over.unsigned_abs();
        events.lost += under.unsigned_abs();
        if over + under > 0 {
            wrong.say(|| format!("{message} counts {found:?} instead of {expected:?}"));
        }
    }
    let opened = expected.values().map(|counters| counters.interactions).sum::<i64>();
    let surplus = (evidence.facts.interactions - opened).max(0).unsigned_abs();
    events.applied_twice += surplus;
    if surplus > 0 {
        wrong.say(|| format!("{surplus} interactions too many"));
    }
}

/// First open 3, later ones 1; first click 8, later ones 2: README, "Scores". Whatever the order.
fn points(counters: &Counters) -> i64 {
    let of = |count: i64, first: i64, later: i64| if count == 0 { 0 } else { first + later * (count - 1) };
    of(counters.opened, 3, 1) + of(counters.clicked, 8, 2)
}

fn compare_scores(
    evidence: &Evidence,
    expected: &HashMap<String, Counters>,
    people: &HashMap<String, String>,
    events: &mut Events,
    wrong: &mut Wrong,
) {
    let mut sums: HashMap<&str, i64> = HashMap::new();
    for (message, person) in people {
        *sums.entry(person).or_default() += expected.get(message).map_or(0, points);
    }
    for (person, sum) in sums {
        let (score, given) = evidence.facts.scores.get(person).copied().unwrap_or_default();
        for found in [score, given] {
            events.applied_twice += u64::from(found > sum);
            events.lost += u64::from(found < sum);
        }
        if (score, given) != (sum, sum) {
            wrong.say(|| format!("{person} has the score {score}, was given {given} points, and should have {sum}"));
        }
    }
}
