//! One job of the model.

use queue::backend::{Failure, Kept, State};
use queue::{JobId, Keys, Millis, Queue};
use uuid::Uuid;

/// One job, alive or dead.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) queue: Queue,
    pub(crate) tenant: Uuid,
    pub(crate) attempts: u16,
    pub(crate) crashes: u8,
    pub(crate) state: State,
    pub(crate) keys: Keys,
    pub(crate) body: Vec<u8>,
    pub(crate) errors: Vec<Failure>,
    /// Cancelled while it ran.
    pub(crate) cancelled: bool,
    /// In the order of becoming ready.
    pub(crate) order: u64,
}

impl Entry {
    /// Whether a claim of this lane may take it.
    pub(crate) fn may_start(&self, queue: Queue, lane: u8, now: Millis) -> bool {
        let due = match self.state {
            State::Ready => true,
            State::Scheduled { run_at } => run_at <= now,
            _ => false,
        };
        due && self.queue == queue && self.crashes == lane
    }

    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.state, State::Dead { .. })
    }

    pub(super) fn claim(&self) -> Option<i64> {
        match self.state {
            State::Running { claim, .. } => Some(claim),
            _ => None,
        }
    }

    pub(crate) fn kept(&self, id: JobId) -> Kept {
        Kept {
            id,
            queue: self.queue,
            tenant: self.tenant,
            attempts: self.attempts,
            crashes: self.crashes,
            state: self.state.clone(),
            keys: self.keys.clone(),
            body: self.body.clone(),
            errors: self.errors.clone(),
        }
    }
}
