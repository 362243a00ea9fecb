//! See [`PurgeQueue`].

use std::time::Duration;

use chrono::DateTime;
use queue::backend::Purged;
use queue::{Attempt, Backoff, Job, JobError, Policy, Queue};
use serde::{Deserialize, Serialize};

use crate::Ctx;

/// Dead letters are kept this long; so is what was done with them.
const DEAD_KEPT: chrono::Duration = chrono::Duration::days(90);

/// Of how people came in, so much is forgotten in one step.
const SIGN_INS_AT_ONCE: u32 = 1000;

/// Of recovered alerts and counted signatures, so much is forgotten in one step: more than there ever are of a day.
const ALERTS_AT_ONCE: u32 = 5000;

/// Idempotency keys of requests are claimed for so long: as long as the queue knows a job that has ended.
const REQUESTS_KEPT: chrono::Duration = chrono::Duration::days(7);

/// Of claimed keys, so many are forgotten in one step.
const REQUESTS_AT_ONCE: u32 = 5000;

/// One run asks for at most this many bounded purges of each queue, so that it ends well within its time-out …
const ROUNDS_MAX: usize = 50;

/// … and goes on after this pause if there is more to do.
const PAUSE: Duration = Duration::from_secs(1);

/// Forgets what the queue need not know any more: keys of jobs that ended and of requests that came more than a week ago,
/// dead letters older than 90 days, and as late what operators did with dead letters, how people came in, and alerts that
/// have recovered.
///
/// Twice is harmless: the second run finds less to do. Late is harmless: it only removes what is old.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurgeQueue {
    /// The tick of the clock that asked for it, in unix seconds.
    pub tick: i64,
}

impl Job for PurgeQueue {
    type Ctx = Ctx;
    const KIND: &'static str = "purge_queue";
    const POLICY: Policy = Policy {
        queue: Queue::Bulk,
        attempts: 5,
        backoff: Backoff {
            first: Duration::from_secs(30),
            cap: Duration::from_secs(10 * 60),
        },
        timeout: Duration::from_secs(20),
        expires: Some(Duration::from_secs(60 * 60)),
    };

    fn unique(&self) -> String {
        self.tick.to_string()
    }

    async fn run(self, ctx: &Ctx, _: &Attempt) -> Result<(), JobError> {
        let now = ctx.queue.clock().now();
        let dead_before = now - DEAD_KEPT.num_milliseconds();
        let mut left = false;
        for queue in Queue::ALL {
            let mut purged = 0;
            for round in 1..=ROUNDS_MAX {
                let gone = ctx.queue.backend().purge(queue, now, dead_before).await?;
                if gone == Purged::default() {
                    break;
                }
                purged += gone.dead;
                left |= round == ROUNDS_MAX;
            }
            if purged > 0 {
                tracing::warn!(%queue, purged, "Dead letters older than 90 days were removed.");
            }
        }
        let before = DateTime::from_timestamp_millis(dead_before).unwrap_or_default();
        ctx.store.forget_bulk_actions(before).await?;
        ctx.store.forget_dead_letter_edits(before).await?;
        ctx.store.forget_alerts(before, ALERTS_AT_ONCE).await?;
        let counted_before = DateTime::from_timestamp_millis(now).unwrap_or_default() - domain::alert::WINDOW * 2;
        ctx.store
            .forget_signature_failures(counted_before, ALERTS_AT_ONCE)
            .await?;
        for _ in 0..ROUNDS_MAX {
            let gone = ctx.store.forget_sign_ins(before, SIGN_INS_AT_ONCE).await?;
            if gone == 0 {
                break;
            }
        }
        let claimed_before =
            DateTime::from_timestamp_millis(now - REQUESTS_KEPT.num_milliseconds()).unwrap_or_default();
        for _ in 0..ROUNDS_MAX {
            let gone = ctx.store.forget_requests(claimed_before, REQUESTS_AT_ONCE).await?;
            if gone == 0 {
                break;
            }
        }
        if left {
            return Err(JobError::Snooze(PAUSE));
        }
        Ok(())
    }
}
