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
    /// From the end of the fault until every event was applied that had been promised by then.
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
    yes.sort_unstable();
    let mut times: BTreeMap<String, (Vec<Millis>, Vec<Millis>)> = BTreeMap::new();
    for fault in &evidence.happened {
        let (accepting, caught_up) = times.entry(fault.fault.to_string()).or_default();
        // Nobody asks any more after the last one: then there is nothing to tell.
        let first = yes.partition_point(|heard_at| *heard_at < fault.to);
        accepting.extend(yes.get(first).map(|heard_at| heard_at - fault.to));
        let late = applied
            .iter()
            .filter(|event| event.promised_at <= fault.to && event.at > fault.to);
        caught_up.push(late.map(|event| event.at - fault.to).max().unwrap_or_default());
    }
    let figures = |(kind, (accepting, caught_up)): (String, (Vec<_>, Vec<_>))| {
        let recovery = Recovery {
            faults: caught_up.len(),
            accepting_ms: Figures::of(accepting),
            caught_up_ms: Figures::of(caught_up),
        };
        (kind, recovery)
    };
    times.into_iter().map(figures).collect()
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
