//! How long jobs wait from the call that adds them to their run.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Of jobs that are numbered in the order in which they are added.
#[derive(Default)]
pub(crate) struct Waits {
    added: Mutex<Vec<Instant>>,
    waited: Mutex<Vec<Duration>>,
}

impl Waits {
    pub(crate) const fn new() -> Self {
        Self {
            added: Mutex::new(Vec::new()),
            waited: Mutex::new(Vec::new()),
        }
    }

    /// A job is about to be added; its number.
    pub(crate) fn add(&self) -> usize {
        let mut added = lock(&self.added);
        added.push(Instant::now());
        added.len() - 1
    }

    /// That job runs.
    pub(crate) fn ran(&self, number: usize) {
        let added = lock(&self.added).get(number).copied();
        lock(&self.waited).extend(added.map(|added| added.elapsed()));
    }

    /// How many ran since the last [`take`](Self::take).
    pub(crate) fn count(&self) -> usize {
        lock(&self.waited).len()
    }

    /// How long each of these waited.
    pub(crate) fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut *lock(&self.waited))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
