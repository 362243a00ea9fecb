//! All that is kept of one person, wherever it lies: what [`EraseContact`](crate::EraseContact) removes, and [`export`] reads.

mod erase;
pub mod export;
mod mentions;
mod queued;

pub(crate) use erase::{Outcome, erase};
