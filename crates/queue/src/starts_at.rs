//! When a claimed job may start.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::backend::{Backend, Claimed};
use crate::clock::{Clock, Millis};
use crate::flow::{AHEAD_US, Key, LATE_MS, Missed};
use crate::job::{JobError, Queue};

/// For another start a run waits at most so long in all, as its time-out goes on. What has to wait longer goes back to the
/// queue.
const WAIT_MAX: Duration = Duration::from_millis(500);
const WAIT_MAX_MS: Millis = WAIT_MAX.as_millis() as Millis;

/// How far ahead another start is reserved at least, so that it is not missed while it is asked for. Twice as far each time
/// that it was missed all the same.
const LEAD_FIRST_MS: Millis = 10;

/// What found no other start in time is tried again after that.
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

    /// As reserved for a job that was claimed just now.
    pub(crate) fn of(claimed: &Claimed, backend: &Arc<dyn Backend>, clock: &Clock) -> Self {
        let Some(key) = claimed.keys.limit.clone().filter(|_| claimed.starts_at > 0) else {
            return Self::default();
        };
        Self(When::Reserved(Arc::new(Reservation {
            // No later than it can be by the same clock.
            starts_at: claimed.starts_at.min(clock.now() + AHEAD_US / 1000),
            backend: Arc::clone(backend),
            clock: clock.clone(),
            queue: claimed.queue,
            key,
        })))
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
    backend: Arc<dyn Backend>,
    clock: Clock,
    queue: Queue,
    key: Key,
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} at {}", self.queue, self.key, self.starts_at)
    }
}

impl Reservation {
    async fn reached(&self) -> Result<(), JobError> {
        if self.came_in_time(self.starts_at).await {
            return Ok(());
        }
        let another = timeout(WAIT_MAX, self.another()).await;
        another.unwrap_or(Err(JobError::Snooze(TRY_AGAIN_AFTER)))
    }

    /// Reserves another start until one is not missed.
    async fn another(&self) -> Result<(), JobError> {
        let (mut starts_at, mut lead) = (self.starts_at, LEAD_FIRST_MS);
        // What is later than that nobody waits for.
        let latest = self.clock.now() + WAIT_MAX_MS;
        loop {
            let now = self.clock.now() + lead;
            let missed = Missed { starts_at, now, latest };
            match self.backend.reserve_again(self.queue, &self.key, missed).await {
                Ok(instead) if instead > latest => return Err(JobError::Snooze(span(instead - now))),
                Ok(instead) if self.came_in_time(instead).await => return Ok(()),
                Ok(instead) => {
                    tracing::debug!(key = %self.key, "A start was missed again.");
                    starts_at = instead;
                }
                Err(error) => {
                    tracing::info!(key = %self.key, %error, "A start was missed, and another could not be reserved.");
                    sleep(span(LATE_MS).mul_f64(rand::random_range(1.0..5.0))).await;
                }
            }
            lead *= 2;
        }
    }

    /// Waits for the start, unless it was missed, or is while this waits. Not for ever, although the clock may be set back.
    async fn came_in_time(&self, starts_at: Millis) -> bool {
        sleep(span((starts_at - self.clock.now()).min(WAIT_MAX_MS))).await;
        self.clock.now() - starts_at <= LATE_MS
    }
}

/// That long, if it is in the future.
fn span(wait: Millis) -> Duration {
    Duration::from_millis(u64::try_from(wait).unwrap_or(0))
}
