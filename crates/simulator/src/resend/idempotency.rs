//! The same mail asked for twice is sent once. Source: Resend's documentation, "Idempotency Keys".

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::world::World;

/// A key is known for so long.
const KNOWN_FOR: TimeDelta = TimeDelta::hours(24);
pub(super) const KEY_BYTES_MAX: usize = 256;

/// The keys of all accounts.
#[derive(Debug)]
pub(super) struct Keys {
    known: HashMap<Key, Known>,
    /// When each came into use, oldest first.
    order: VecDeque<(DateTime<Utc>, Key)>,
    max: usize,
}

/// The account's name, and the key.
type Key = (String, String);

struct Known {
    body_sha256: String,
    at: DateTime<Utc>,
    /// What was answered. None as long as nothing was.
    id: Option<String>,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// Nothing: now it is in use.
    Fresh,
    /// It was used for the same, and this was the answer.
    Answered(String),
    /// It is in use for something else, or for the same that goes on.
    StillRunning,
    /// It was used for something else.
    OtherBody,
}

impl Keys {
    pub(super) fn new(max: usize) -> Self {
        Self {
            known: HashMap::new(),
            order: VecDeque::new(),
            max,
        }
    }

    pub(super) fn begin(&mut self, account: &str, key: &str, body_sha256: &str, now: DateTime<Utc>) -> Begun {
        self.forget(now);
        let key = (account.to_owned(), key.to_owned());
        if let Some(known) = self.known.get(&key) {
            return match &known.id {
                None => Begun::StillRunning,
                Some(_) if known.body_sha256 != body_sha256 => Begun::OtherBody,
                Some(id) => Begun::Answered(id.clone()),
            };
        }
        let known = Known {
            body_sha256: body_sha256.to_owned(),
            at: now,
            id: None,
        };
        self.order.push_back((now, key.clone()));
        self.known.insert(key, known);
        Begun::Fresh
    }

    pub(super) fn finish(&mut self, account: &str, key: &str, id: &str) {
        if let Some(known) = self.known.get_mut(&(account.to_owned(), key.to_owned())) {
            known.id = Some(id.to_owned());
        }
    }

    /// Frees a key that nothing came of.
    fn release(&mut self, account: &str, key: &str) {
        let key = (account.to_owned(), key.to_owned());
        if self.known.get(&key).is_some_and(|known| known.id.is_none()) {
            self.known.remove(&key);
        }
    }

    /// Forgets what is too old, and what is too much.
    fn forget(&mut self, now: DateTime<Utc>) {
        while let Some((at, _)) = self.order.front()
            && (now - *at >= KNOWN_FOR || self.order.len() > self.max)
            && let Some((at, key)) = self.order.pop_front()
        {
            // One that was freed may be in use again, since later.
            if self.known.get(&key).is_some_and(|known| known.at == at) {
                self.known.remove(&key);
            }
        }
    }
}

/// Holds a key until its request is over, however it ends.
pub(super) struct Held {
    pub(super) world: Arc<World>,
    pub(super) account: String,
    pub(super) key: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.world
            .look(|state| state.resend.keys.release(&self.account, &self.key));
    }
}

/// Shows when.
impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("at", &self.at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_for_a_day_for_its_account_and_its_body() {
        let mut keys = Keys::new(10);
        let now = DateTime::from_timestamp(1_767_323_045, 0).unwrap_or_default();
        let mut begin = |account: &str, body: &str, hours: i64, finish: bool| {
            let begun = keys.begin(account, "k", body, now + TimeDelta::hours(hours));
            if finish {
                keys.finish(account, "k", "id");
            }
            begun
        };
        assert_eq!(begin("a", "1", 0, false), Begun::Fresh);
        assert_eq!(begin("a", "1", 0, true), Begun::StillRunning);
        assert_eq!(begin("a", "1", 23, false), Begun::Answered("id".into()));
        assert_eq!(begin("a", "2", 23, false), Begun::OtherBody);
        assert_eq!(begin("b", "2", 23, false), Begun::Fresh);
        assert_eq!(begin("a", "2", 24, false), Begun::Fresh);
    }

    #[test]
    fn only_so_many_keys_are_known() {
        let mut keys = Keys::new(2);
        for key in ["1", "2", "3", "4"] {
            keys.begin("a", key, "x", DateTime::default());
            keys.finish("a", key, "id");
        }
        assert!(keys.known.len() <= 3 && keys.order.len() <= 3);
        assert_eq!(keys.begin("a", "1", "x", DateTime::default()), Begun::Fresh);
    }

    #[test]
    fn a_request_that_failed_leaves_its_key_free_and_an_answered_one_does_not() {
        let mut keys = Keys::new(10);
        let now = DateTime::from_timestamp(1_767_323_045, 0).unwrap_or_default();
        keys.begin("a", "k", "1", now);
        keys.release("a", "k");
        assert_eq!(keys.begin("a", "k", "2", now), Begun::Fresh);
        keys.finish("a", "k", "id");
        keys.release("a", "k");
        assert_eq!(keys.begin("a", "k", "2", now), Begun::Answered("id".into()));
    }
}
