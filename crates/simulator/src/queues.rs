//! Things that wait for their turn, each behind others of its account.

use std::collections::HashMap;

use tokio::sync::mpsc;

use crate::world::Pending;

/// A queue for every account that has something waiting. What waits is counted as pending, so there is never too much.
#[derive(Debug)]
pub(crate) struct Queues<T>(HashMap<String, mpsc::UnboundedSender<(T, Pending)>>);

/// What comes out of a queue.
pub(crate) type Waiting<T> = mpsc::UnboundedReceiver<(T, Pending)>;

impl<T> Default for Queues<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Queues<T> {
    /// Puts something behind the rest of this account. When nothing takes care of the account's queue yet, its end is
    /// returned, for somebody who will.
    pub(crate) fn put(&mut self, account: &str, item: T, pending: Pending) -> Option<Waiting<T>> {
        let unsent = match self.0.get(account) {
            Some(queue) => queue.send((item, pending)).err()?.0,
            None => (item, pending),
        };
        let (queue, waiting) = mpsc::unbounded_channel();
        // The end is held here, so it can be sent.
        let _ = queue.send(unsent);
        self.0.insert(account.to_owned(), queue);
        Some(waiting)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
