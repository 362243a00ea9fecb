//! How long the installation took to recover.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Evidence, wishes};
use crate::book::{Event, Millis, Way, What, Wish};

/// After faults of one kind, in milliseconds.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Recovery {
    /// How many there were.
    pub(crate) faults: usize,
    /// From the end of the fault to the first promise.
    pub(crate) accepting_ms: Figures,
    /// From the end of the fault to the first event that was applied.
    pub(crate) working_ms: Figures,
    /// From the end of the fault until every event was applied that had been promised by then, whatever else happened
    /// meanwhile: a job that failed or lost its worker waits for its back-off.
    pub(crate) caught_up_ms: Figures,
}

/// The middle and the largest of some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Figures {
    pub(crate) median: Millis,
    pub(crate) max: Millis,
}

impl Figures {
    fn of(mut times: Vec<Millis>) -> Self {
        times.sort_unstable();
        Self {
            median: times.get(times.len() / 2).copied().unwrap_or_default(),
            max: times.last().copied().unwrap_or_default(),
        }
    }
}

/// An event that was promised and applied.
struct Applied {
    promised_at: Millis,
    at: Millis,
}

pub(super) fn recoveries(evidence: &Evidence) -> BTreeMap<String, Recovery> {
    let applied = applied(evidence);
    let mut yes: Vec<_> = evidence.pages.yes.iter().map(|yes| yes.heard_at).collect();
    let mut effects: Vec<_> = applied.iter().map(|event| event.at).collect();
    yes.sort_unstable();
    effects.sort_unstable();
    let mut times: BTreeMap<String, Times> = BTreeMap::new();
    for fault in &evidence.happened {
        let times = times.entry(fault.fault.to_string()).or_default();
        let late = applied
            .iter()
            .filter(|event| event.promised_at <= fault.to && event.at > fault.to);
        times.accepting.extend(first_after(&yes, fault.to));
        times.working.extend(first_after(&effects, fault.to));
        times
            .caught_up
            .push(late.map(|event| event.at - fault.to).max().unwrap_or_default());
    }
    times
        .into_iter()
        .map(|(kind, times)| (kind, times.recovery()))
        .collect()
}

/// After each fault of one kind.
#[derive(Default)]
struct Times {
    accepting: Vec<Millis>,
    working: Vec<Millis>,
    caught_up: Vec<Millis>,
}

impl Times {
    fn recovery(self) -> Recovery {
        Recovery {
            faults: self.caught_up.len(),
            accepting_ms: Figures::of(self.accepting),
            working_ms: Figures::of(self.working),
            caught_up_ms: Figures::of(self.caught_up),
        }
    }
}

/// How long after `end` the first of these was; none if nothing came any more.
fn first_after(sorted: &[Millis], end: Millis) -> Option<Millis> {
    let first = sorted.partition_point(|at| *at < end);
    sorted.get(first).map(|at| at - end)
}

fn applied(evidence: &Evidence) -> Vec<Applied> {
    let of = |(wish, event): (&Wish, &Event)| {
        Some(Applied {
            promised_at: wish.promised_at?,
            at: *evidence.facts.events.get(&event.key())?.first()?,
        })
    };
    // What waited for a worker of the next version is no measure.
    let events = wishes(&evidence.pages, What::event).filter(|(_, event)| event.way != Way::NewKind);
    events.filter_map(of).collect()
}
