//! Whether work flows through one queue of this process.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::backend::Counts;
use crate::clock::Millis;
use crate::flow::LimitState;

/// So long no call may have succeeded, or nothing have been claimed although it could, before it is told.
pub(crate) const STILL_AFTER_MS: Millis = 15_000;

/// What a [pump](crate::pump) is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Work flows, or there is none, or somebody stopped it.
    Flowing,
    /// The backend has not answered since then. Connections are made anew with every call.
    Unreachable {
        /// When it last did.
        since: Millis,
    },
    /// There is ready work, there are free slots, the backend answers, and nothing has been claimed since then.
    Still {
        /// When something was last claimed, or the work became ready.
        since: Millis,
        /// How many jobs wait.
        ready: u64,
    },
    /// A task of the pump has ended, which it never should. The process has to be started anew.
    Broken,
}

impl Health {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        matches!(self, Self::Flowing)
    }
}

/// What is noted on the way.
#[derive(Debug)]
pub(crate) struct Pulse {
    /// When the backend last answered.
    reached: AtomicI64,
    /// When something was last claimed, or there was no reason to.
    moved: AtomicI64,
    /// How many jobs waited when it was last looked.
    ready: AtomicI64,
}

impl Pulse {
    pub(crate) const fn new(now: Millis) -> Self {
        Self {
            reached: AtomicI64::new(now),
            moved: AtomicI64::new(now),
            ready: AtomicI64::new(0),
        }
    }

    pub(crate) fn reached(&self, now: Millis) {
        self.reached.fetch_max(now, Ordering::Relaxed);
    }

    pub(crate) fn moved(&self, now: Millis) {
        self.moved.fetch_max(now, Ordering::Relaxed);
    }

    /// When something last moved; worth a look at the figures if that is long ago.
    pub(crate) fn last_moved(&self) -> Millis {
        self.moved.load(Ordering::Relaxed)
    }

    /// Takes note of a look at the figures.
    pub(crate) fn looked(&self, counts: &Counts, limits: &[LimitState], now: Millis) {
        let ready = i64::try_from(counts.ready).unwrap_or(i64::MAX);
        self.ready.store(ready, Ordering::Relaxed);
        if counts.ready == 0 || counts.paused || limits.iter().any(is_closed) {
            self.moved(now);
        }
    }

    pub(crate) fn last_reached(&self) -> Millis {
        self.reached.load(Ordering::Relaxed)
    }

    pub(crate) fn judge(&self, now: Millis) -> Health {
        let (reached, moved) = (self.last_reached(), self.last_moved());
        if now - reached >= STILL_AFTER_MS {
            Health::Unreachable { since: reached }
        } else if now - moved >= STILL_AFTER_MS {
            let ready = self.ready.load(Ordering::Relaxed).unsigned_abs();
            Health::Still { since: moved, ready }
        } else {
            Health::Flowing
        }
    }
}

/// What waits may all wait for this key.
fn is_closed(limit: &LimitState) -> bool {
    let most = limit.limit.concurrency.map(u64::from);
    limit.rate_opens_at.is_some() || limit.cooled_until.is_some() || most.is_some_and(|most| limit.running >= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Key, Limit};

    fn counts(ready: u64, paused: bool) -> Counts {
        Counts {
            ready,
            paused,
            ..Counts::default()
        }
    }

    #[test]
    fn silence_of_the_backend_is_told_first() {
        let pulse = Pulse::new(0);
        assert_eq!(pulse.judge(STILL_AFTER_MS - 1), Health::Flowing);
        assert_eq!(pulse.judge(STILL_AFTER_MS), Health::Unreachable { since: 0 });
        pulse.reached(STILL_AFTER_MS);
        let ready = 0;
        assert_eq!(pulse.judge(STILL_AFTER_MS), Health::Still { since: 0, ready });
    }

    #[test]
    fn work_that_nothing_holds_back_and_nobody_claims_is_told() {
        let later = STILL_AFTER_MS;
        let check = |counts: Counts, limits: &[LimitState], is_good: bool| {
            let pulse = Pulse::new(0);
            pulse.reached(later);
            pulse.looked(&counts, limits, later);
            assert_eq!(pulse.judge(later).is_good(), is_good, "{counts:?} {limits:?}");
        };
        let full = |running| LimitState {
            key: Key::new("k").expect("a name"),
            limit: Limit {
                rate: None,
                concurrency: Some(2),
            },
            running,
            rate_opens_at: None,
            cooled_until: None,
        };
        check(counts(3, false), &[], false);
        check(counts(0, false), &[], true);
        check(counts(3, true), &[], true);
        check(counts(3, false), &[full(2)], true);
        check(counts(3, false), &[full(1)], false);
    }
}
