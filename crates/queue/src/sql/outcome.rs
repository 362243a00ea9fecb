//! How outcomes are called in statements.

use super::texts::{storable, storable_error};
use crate::backend::Outcome;
use crate::clock::Millis;

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
