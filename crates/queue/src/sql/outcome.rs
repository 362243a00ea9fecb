//! How outcomes are called in statements, and what they mean for others.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::texts::{storable, storable_error, storable_excerpt};
use crate::backend::{Outcome, Settle};
use crate::clock::Millis;
use crate::flow::{AfterDeath, Order};

pub(super) const DONE: i16 = 0;
pub(super) const DEAD: i16 = 1;
pub(super) const LATER: i16 = 2;
pub(super) const PARK: i16 = 3;
pub(super) const RELEASE: i16 = 4;

/// The outcome's number; with the first two the job ends.
pub(super) fn kind(outcome: &Outcome) -> i16 {
    match outcome {
        Outcome::Done => DONE,
        Outcome::Dead { .. } => DEAD,
        Outcome::Later { .. } => LATER,
        Outcome::Park { .. } => PARK,
        Outcome::Release => RELEASE,
    }
}

/// What is kept of what went wrong; then the run counts as an attempt.
pub(super) fn error(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Later { error, .. } | Outcome::Dead { error, .. } => error.as_deref().map(storable_error),
        Outcome::Done | Outcome::Park { .. } | Outcome::Release => None,
    }
}

/// What is kept of the call that went wrong, beside the error.
pub(super) fn excerpt(settle: &Settle) -> Option<String> {
    let excerpt = settle.excerpt.as_ref().filter(|_| error(&settle.outcome).is_some())?;
    storable_excerpt(excerpt)
}

/// The reason of a death, or the name of a gate.
pub(super) fn label(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Dead { reason, .. } => Some(reason.name().to_owned()),
        Outcome::Park { gate } => Some(storable(gate).into_owned()),
        Outcome::Done | Outcome::Later { .. } | Outcome::Release => None,
    }
}

/// When the job may run again.
pub(super) fn run_at(outcome: &Outcome) -> Option<Millis> {
    match outcome {
        Outcome::Later { run_at, .. } => Some(*run_at),
        _ => None,
    }
}

/// How held jobs ended in the end, by the `seq` they were claimed with.
pub(super) type Gone = HashMap<i64, i16>;

/// A job that has ended, or died and does not keep its line waiting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    pub(super) tenant: Uuid,
    pub(super) order_key: String,
    pub(super) id: Uuid,
}

impl End {
    /// The end of a job, if it stands in a line.
    pub(super) fn of(tenant: Uuid, order_key: Option<String>, id: Uuid) -> Option<Self> {
        let order_key = order_key?;
        Some(Self { tenant, order_key, id })
    }
}

/// The jobs of lines among those settles, each once.
pub(super) fn in_lines<'a>(settles: impl Iterator<Item = &'a Settle>) -> Vec<End> {
    let end = |settle: &Settle| {
        let order = settle.keys.order.as_ref()?;
        End::of(settle.tenant, Some(order.key.as_str().to_owned()), settle.id.0)
    };
    let mut ends: Vec<End> = settles.filter_map(end).collect();
    // The same job may be settled twice in one call.
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// Whether the job is gone for good, or dead and its line does not wait for it.
pub(super) fn leaves_line(settle: &Settle, gone: &Gone) -> bool {
    let holds = |order: &Order| order.after_death == AfterDeath::Hold;
    match gone.get(&settle.ticket.seq) {
        Some(&DONE) => true,
        Some(&DEAD) => !settle.keys.order.as_ref().is_some_and(holds),
        _ => false,
    }
}

/// The limit key that is closed with this outcome, and until when.
pub(super) fn cools(settle: &Settle) -> Option<(&str, Millis)> {
    match (&settle.outcome, &settle.keys.limit) {
        (Outcome::Later { run_at, cool: true, .. }, Some(key)) => Some((key.as_str(), *run_at)),
        _ => None,
    }
}

/// Until when the held ones of these settles close which limit keys, each for the longest that was said.
pub(super) fn cooled<'a>(settles: &'a [Settle], gone: &Gone) -> BTreeMap<&'a str, Millis> {
    let mut until = BTreeMap::new();
    let held = settles.iter().filter(|settle| gone.contains_key(&settle.ticket.seq));
    for (key, run_at) in held.filter_map(cools) {
        let longest: &mut Millis = until.entry(key).or_insert(run_at);
        *longest = run_at.max(*longest);
    }
    until
}
