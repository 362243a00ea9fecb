//! When a claimed job may start.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::backend::{Backend, Claimed};
use crate::clock::{Clock, Millis};
use crate::flow::{AHEAD_US, Key, LATE_MS, Missed};
use crate::job::{JobError, Queue};

/// How often a start that was missed is reserved again. Who misses all of them starts all the same: a machine that is so slow
/// goes on rather than stand still.
const AGAIN_MAX: usize = 5;

/// For another start a run waits at most so long, as its time-out goes on. What has to wait longer goes back to the queue.
const WAIT_MAX_MS: Millis = 2_000;

/// Starts are moved by that at most because all of them come late.
const MOVED_MAX_US: i64 = 300_000;

/// So many microseconds of that are taken back for each millisecond that passes: starts come closer together meanwhile.
const BACK_US_PER_MS: i64 = 10;

/// A start for which no other could be reserved is tried again after that.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// When a claimed job may start: at once, unless its start was reserved under a rate.
///
/// Whoever comes too late for it, because what went before stood still or the whole process did, must not start together
/// with those whose turn it is: the start is *missed*, and another is reserved.
#[derive(Clone, Debug, Default)]
pub struct StartsAt(When);

#[derive(Clone, Debug, Default)]
enum When {
    #[default]
    AtOnce,
    At(Instant),
    Missed(Duration),
    Reserved(Arc<Reservation>),
}

impl StartsAt {
    /// At that instant, or whenever later.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(When::At(instant))
    }

    /// It was missed, and the next one is so far away.
    #[must_use]
    pub const fn missed(wait: Duration) -> Self {
        Self(When::Missed(wait))
    }

    /// Returns when it has come, and was not missed.
    ///
    /// # Errors
    /// [`JobError::Snooze`] if it was missed and the next one is not soon: nothing may be begun now.
    pub async fn reached(&self) -> Result<(), JobError> {
        match &self.0 {
            When::AtOnce => Ok(()),
            When::At(instant) => {
                sleep_until(*instant).await;
                Ok(())
            }
            When::Missed(wait) => Err(JobError::Snooze(*wait)),
            When::Reserved(reservation) => reservation.reached().await,
        }
    }
}

/// A start that was reserved, and where.
struct Reservation {
    starts_at: Millis,
    /// By how much the starts are moved that were reserved together with it.
    moved_by: Millis,
    backend: Arc<dyn Backend>,
    clock: Clock,
    queue: Queue,
    key: Key,
    pace: Arc<Pace>,
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} at {}", self.queue, self.key, self.starts_at)
    }
}

impl Reservation {
    async fn reached(&self) -> Result<(), JobError> {
        let (mut starts_at, mut is_answered) = (self.starts_at, true);
        let came_at = self.clock.now();
        let latest = came_at + WAIT_MAX_MS;
        // Once: who missed a start is early for the next.
        self.pace.came(came_at - starts_at, came_at);
        for _ in 0..AGAIN_MAX {
            if self.came_in_time(starts_at).await {
                return Ok(());
            }
            let now = self.clock.now();
            let missed = Missed { starts_at, now, latest };
            let instead = self.backend.reserve_again(self.queue, &self.key, missed).await;
            is_answered = instead.is_ok();
            match instead {
                Ok(instead) if instead > latest => return Err(JobError::Snooze(span(instead - now))),
                Ok(instead) => starts_at = instead,
                Err(error) => {
                    tracing::debug!(%error, "A start was missed, and another could not be reserved.");
                    sleep(span(LATE_MS).mul_f64(rand::random_range(1.0..5.0))).await;
                }
            }
        }
        if !is_answered {
            return Err(JobError::Snooze(TRY_AGAIN_AFTER));
        }
        self.sleep_until(starts_at).await;
        Ok(())
    }

    /// Not for ever, although the clock may be set back.
    async fn sleep_until(&self, at: Millis) {
        sleep(span((at - self.clock.now()).min(WAIT_MAX_MS))).await;
    }

    /// Waits for the start, unless it was missed, or is while this waits.
    async fn came_in_time(&self, starts_at: Millis) -> bool {
        let at = starts_at + self.moved_by;
        self.sleep_until(at).await;
        self.clock.now() - at <= LATE_MS
    }
}

/// How late the starts of a key come in this process. What goes before a call may take longer than a start is reserved ahead, each
/// time: then all starts are moved by that, and keep their distances, rather than be missed one after the other.
#[derive(Debug, Default)]
struct Pace(Mutex<Lateness>);

#[derive(Clone, Copy, Debug, Default)]
struct Lateness {
    moved_by_us: i64,
    /// How late the last one came, and when.
    last_us: i64,
    last_at: Millis,
}

impl Pace {
    /// By how much the starts are moved that are reserved now: all of them alike, or those that are held up would come together.
    fn moved_by(&self) -> Millis {
        self.lock().moved_by_us / 1000
    }

    /// One came so late for its start, or early. That a single one is late moves nothing.
    fn came(&self, late: Millis, now: Millis) {
        let mut lateness = self.lock();
        let late_us = late.max(0).saturating_mul(1000);
        let passed = (now - lateness.last_at).max(0);
        let (moved_by_us, twice_us) = (lateness.moved_by_us, late_us.min(lateness.last_us));
        let moved_by_us = if twice_us > moved_by_us {
            (moved_by_us + (twice_us - moved_by_us) / 2).min(MOVED_MAX_US)
        } else {
            let taken_back = passed.saturating_mul(BACK_US_PER_MS);
            moved_by_us.saturating_sub(taken_back).max(late_us.min(moved_by_us))
        };
        *lateness = Lateness {
            moved_by_us,
            last_us: late_us,
            last_at: now,
        };
    }

    fn lock(&self) -> MutexGuard<'_, Lateness> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The paces of the keys that have reserved starts now.
#[derive(Debug, Default)]
pub(crate) struct Paces(Mutex<HashMap<Key, Arc<Pace>>>);

/// So many keys are remembered after their last start.
const PACES_MAX: usize = 1_000;

impl Paces {
    /// When a job may start that was claimed just now.
    pub(crate) fn start_of(&self, claimed: &Claimed, backend: &Arc<dyn Backend>, clock: &Clock) -> StartsAt {
        let Some(key) = claimed.keys.limit.clone().filter(|_| claimed.starts_at > 0) else {
            return StartsAt::default();
        };
        let pace = self.of(&key);
        StartsAt(When::Reserved(Arc::new(Reservation {
            // No later than it can be by the same clock.
            starts_at: claimed.starts_at.min(clock.now() + AHEAD_US / 1000),
            backend: Arc::clone(backend),
            clock: clock.clone(),
            queue: claimed.queue,
            key,
            moved_by: pace.moved_by(),
            pace,
        })))
    }

    fn of(&self, key: &Key) -> Arc<Pace> {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pace) = paces.get(key) {
            return Arc::clone(pace);
        }
        if paces.len() >= PACES_MAX {
            paces.retain(|_, pace| Arc::strong_count(pace) > 1);
        }
        Arc::clone(paces.entry(key.clone()).or_default())
    }
}

/// That long, if it is in the future.
fn span(wait: Millis) -> Duration {
    Duration::from_millis(u64::try_from(wait).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many starts are missed that come `late(n)` for theirs, 30 ms after each other.
    fn missed(starts: i64, late: impl Fn(i64) -> Millis) -> usize {
        let pace = Pace::default();
        let is_missed = |n: &i64| {
            let moved_by = pace.moved_by();
            pace.came(late(*n), 30 * n + late(*n));
            late(*n) > moved_by + LATE_MS
        };
        (0..starts).filter(is_missed).count()
    }

    #[test]
    fn what_always_takes_long_moves_all_starts_and_what_takes_long_once_misses_its_own() {
        assert_eq!(missed(100, |_| 12), 0);
        assert!(missed(100, |_| 250) <= 6);
        assert!(missed(100, |n| 250 + n % 10) <= 6);
        assert_eq!(missed(100, |n| if n == 50 { 250 } else { -20 }), 1);
    }

    #[test]
    fn starts_come_back_slowly_when_nothing_takes_long_any_more() {
        let pace = Pace::default();
        pace.came(200, 0);
        assert_eq!(pace.moved_by(), 0, "only one was late");
        pace.came(200, 0);
        let moved = (0..=11).map(|second| {
            pace.came(-50, second * 1_000);
            pace.moved_by()
        });
        let moved: Vec<_> = moved.collect();
        assert!(
            moved.windows(2).all(|two| (0..=10).contains(&(two[0] - two[1]))),
            "{moved:?}"
        );
        assert_eq!((moved[0], moved[11]), (100, 0));
        pace.came(200, 12_000);
        pace.came(200, 12_000);
        pace.came(-50, 3_600_000);
        assert_eq!(pace.moved_by(), 0, "it was quiet for long");
    }
}
