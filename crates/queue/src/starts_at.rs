//! When a claimed job may start.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::backend::Backend;
use crate::clock::{Clock, Millis};
use crate::flow::{AHEAD_US, Key, LATE};
use crate::job::Queue;

/// How often a start that was missed is reserved again. Who misses all of them starts all the same: a machine that is so slow
/// goes on rather than stand still.
const AGAIN_MAX: usize = 5;

/// A start that was reserved again is waited for at most so long.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// When a claimed job may start: at once, unless its start was reserved under a rate.
///
/// Whoever comes more than a moment too late for it (what went before stood still, or the whole process did) must not start
/// together with those whose turn it is: the start is *missed*, and reserved again.
#[derive(Clone, Debug, Default)]
pub struct StartsAt(Option<Reserved>);

#[derive(Clone, Debug)]
struct Reserved {
    at: Instant,
    by: Option<Arc<Books>>,
}

/// Where a start was reserved.
pub(crate) struct Books {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) clock: Clock,
    pub(crate) queue: Queue,
    pub(crate) key: Key,
}

impl fmt::Debug for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.queue, self.key)
    }
}

impl StartsAt {
    /// At that instant, or whenever later.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(Some(Reserved { at: instant, by: None }))
    }

    /// At that instant of the queue's clock.
    pub(crate) fn reserved(starts_at: Millis, by: Books) -> Self {
        // No longer than it can be by the same clock.
        let at = instant(
            starts_at,
            by.clock.now(),
            Duration::from_micros(AHEAD_US.unsigned_abs()),
        );
        Self(Some(Reserved {
            at,
            by: Some(Arc::new(by)),
        }))
    }

    /// Returns when it has come, and was not missed.
    pub async fn reached(&self) {
        let Some(reserved) = &self.0 else { return };
        let mut at = reserved.at;
        for _ in 0..AGAIN_MAX {
            tokio::time::sleep_until(at).await;
            let Some(books) = reserved.by.as_ref().filter(|_| at.elapsed() > LATE) else {
                return;
            };
            match books.again(at).await {
                Some(instead) => at = instead,
                None => return,
            }
        }
        tokio::time::sleep_until(at).await;
    }
}

impl Books {
    /// Reserves another start for one that was missed; `None` if nobody answers, and so nobody else reserves any either.
    async fn again(&self, missed: Instant) -> Option<Instant> {
        let now = self.clock.now();
        let late = Millis::try_from(missed.elapsed().as_millis()).unwrap_or(Millis::MAX);
        let again = self
            .backend
            .reserve_again(self.queue, &self.key, now.saturating_sub(late), now);
        match again.await {
            Ok(starts_at) => {
                tracing::debug!(
                    late_ms = late,
                    wait_ms = starts_at - now,
                    "A start was missed and reserved again."
                );
                Some(instant(starts_at, self.clock.now(), WAIT_MAX))
            }
            Err(error) => {
                tracing::warn!(%error, late_ms = late, "A start was missed, and could not be reserved again.");
                None
            }
        }
    }
}

/// That instant of the queue's clock, at most so far ahead.
fn instant(starts_at: Millis, now: Millis, ahead_max: Duration) -> Instant {
    let distance = Duration::from_millis(starts_at.abs_diff(now));
    if starts_at >= now {
        Instant::now() + distance.min(ahead_max)
    } else {
        Instant::now().checked_sub(distance).unwrap_or_else(Instant::now)
    }
}
