//! When a claimed job may start.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Millis;
use crate::flow::AHEAD_US;

/// When a claimed job may start: at once, unless its start was reserved under a rate.
#[derive(Clone, Copy, Debug, Default)]
pub struct StartsAt(Option<Instant>);

impl StartsAt {
    /// At that instant.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(Some(instant))
    }

    /// At that instant of the queue's clock, as seen at its instant `now`.
    pub(crate) fn new(starts_at: Millis, now: Millis) -> Self {
        // No longer than it can be by the same clock.
        let early = (starts_at - now).min(AHEAD_US / 1000);
        let early = u64::try_from(early).ok().filter(|early| *early > 0);
        early.map_or_else(Self::default, |early| {
            Self::at(Instant::now() + Duration::from_millis(early))
        })
    }

    /// Returns when it has come.
    pub async fn reached(self) {
        if let Some(at) = self.0 {
            tokio::time::sleep_until(at).await;
        }
    }
}
