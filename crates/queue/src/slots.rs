//! How many more jobs a worker may run at once.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Free places of one lane of one queue in this process.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Mutex<usize>,
    freed: Notify,
}

impl Slots {
    pub(crate) fn new(free: usize) -> Self {
        Self {
            free: Mutex::new(free),
            freed: Notify::new(),
        }
    }

    /// Takes up to `most` of the free slots; maybe none.
    pub(crate) fn take(&self, most: usize) -> usize {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = most.min(*free);
        *free -= taken;
        taken
    }

    /// Whether there is a free one.
    pub(crate) fn is_free(&self) -> bool {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) > 0
    }

    pub(crate) fn give_back(&self, slots: usize) {
        if slots > 0 {
            *self.free.lock().unwrap_or_else(PoisonError::into_inner) += slots;
            self.freed.notify_one();
        }
    }

    /// Returns when slots have been given back since the last call.
    pub(crate) async fn freed(&self) {
        self.freed.notified().await;
    }
}
