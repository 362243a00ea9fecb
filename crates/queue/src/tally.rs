//! Counters on their way to the backend: summed in the process, handed over once a second.
//!
//! A process that dies loses at most its last second of counts; the jobs themselves are exact.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::backend::{Backend, Counter, QueueError};
use crate::job::Queue;

/// The counters of one process since they were last handed over.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Mutex<HashMap<Counter, u64>>,
    /// Held by who hands over, so that whoever finds nothing to hand over knows that nothing is under way either.
    turn: tokio::sync::Mutex<()>,
}

impl Tally {
    pub(crate) fn add(&self, queue: Queue, kind: &str, name: &str, by: u64) {
        if by > 0 {
            let counter = Counter {
                queue,
                kind: kind.to_owned(),
                name: name.to_owned(),
            };
            *self.lock().entry(counter).or_default() += by;
        }
    }

    /// Hands the counts over; on an error they stay for the next time.
    pub(crate) async fn hand_over(&self, backend: &dyn Backend) -> Result<(), QueueError> {
        let _turn = self.turn.lock().await;
        let counts: Vec<_> = self.lock().drain().collect();
        if counts.is_empty() {
            return Ok(());
        }
        let result = backend.count(&counts).await;
        if result.is_err() {
            let mut kept = self.lock();
            for (counter, by) in counts {
                *kept.entry(counter).or_default() += by;
            }
        }
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Counter, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
