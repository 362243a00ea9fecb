//! The same mail asked for twice is sent once. Source: Resend's documentation, "Idempotency Keys".

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::recent::Recent;
use crate::world::World;

/// A key is known for so long.
const KNOWN_FOR: TimeDelta = TimeDelta::hours(24);
pub(super) const KEY_BYTES_MAX: usize = 256;

/// The keys of all accounts.
#[derive(Debug)]
pub(super) struct Keys(Recent<Known>);

struct Known {
    account: String,
    key: String,
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
        Self(Recent::new(max))
    }

    pub(super) fn begin(&mut self, account: &str, key: &str, body_sha256: &str, now: DateTime<Utc>) -> Begun {
        self.0.retain(|known| now - known.at < KNOWN_FOR);
        let mut all = self.0.iter();
        if let Some(known) = all.find(|known| known.account == account && known.key == key) {
            return match &known.id {
                None => Begun::StillRunning,
                Some(_) if known.body_sha256 != body_sha256 => Begun::OtherBody,
                Some(id) => Begun::Answered(id.clone()),
            };
        }
        self.0.push(Known {
            account: account.to_owned(),
            key: key.to_owned(),
            body_sha256: body_sha256.to_owned(),
            at: now,
            id: None,
        });
        Begun::Fresh
    }

    pub(super) fn finish(&mut self, account: &str, key: &str, id: &str) {
        let mut all = self.0.iter_mut().rev();
        if let Some(known) = all.find(|known| known.account == account && known.key == key) {
            known.id = Some(id.to_owned());
        }
    }

    /// Frees a key that nothing came of.
    fn release(&mut self, account: &str, key: &str) {
        self.0
            .retain(|known| known.account != account || known.key != key || known.id.is_some());
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

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
