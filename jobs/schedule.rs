//! What starts by the clock.
//!
//! Every tick adds a job whose unique key is the tick, so any number of clocks may run: one of them wins, and nobody is
//! the leader.

use queue::{Client, Origin, QueueError, Receipt};
use uuid::Uuid;

use crate::PurgeQueue;

/// Something that happens every so often.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The kind of job it adds.
    pub kind: &'static str,
    /// Seconds between ticks. A tick lies at every multiple of it since 1970-01-01 UTC.
    pub every_seconds: i64,
}

/// All schedules. Ticks that were missed because no clock ran are skipped, except the latest one.
pub const ALL: [Schedule; 1] = [Schedule {
    kind: "purge_queue",
    every_seconds: 60 * 60,
}];

impl Schedule {
    /// The latest tick at or before `now`, both in unix seconds.
    #[must_use]
    pub const fn tick_at(&self, now: i64) -> i64 {
        now - now.rem_euclid(self.every_seconds)
    }

    /// The first tick after `now`, both in unix seconds.
    #[must_use]
    pub const fn tick_after(&self, now: i64) -> i64 {
        self.tick_at(now) + self.every_seconds
    }

    /// Adds the job of a tick; adding it twice is answered as a duplicate.
    ///
    /// # Errors
    /// When the queue cannot be reached; call again.
    pub async fn add(&self, tick: i64, queue: &Client) -> Result<Receipt, QueueError> {
        let origin = Origin {
            tenant: Uuid::nil(),
            correlation: Uuid::new_v4(),
        };
        match self.kind {
            "purge_queue" => queue.add(&PurgeQueue { tick }, origin).await,
            other => Err(QueueError::Broken(format!("no job for the schedule of `{other}`"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_lie_at_the_same_instants_for_every_clock() {
        let schedule = Schedule {
            kind: "any",
            every_seconds: 3600,
        };
        assert_eq!((schedule.tick_at(7199), schedule.tick_at(7200)), (3600, 7200));
        assert_eq!((schedule.tick_after(7199), schedule.tick_after(7200)), (7200, 10800));
    }

    #[test]
    fn every_schedule_has_its_job() {
        let registry = crate::registry();
        for schedule in ALL {
            assert!(registry.policy(schedule.kind).is_some(), "{}", schedule.kind);
        }
    }
}
