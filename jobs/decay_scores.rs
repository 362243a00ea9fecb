//! See [`DecayScores`].

use std::time::{Duration, Instant};

use chrono::DateTime;
use queue::{Attempt, Backoff, Job, JobError, Policy, Queue};
use serde::{Deserialize, Serialize};

use crate::Ctx;
use crate::pace::{BETWEEN_RUNS, Pace};
use crate::sending::from_store;

/// Scores that lose their share in one transaction.
const AT_ONCE: u32 = 200;

/// After each step it rests for as long.
const REST: u32 = 1;

/// Takes from every score what goes with the week that has begun ([`domain::scoring::decay`]).
///
/// Twice is harmless, also at once: a score knows the last week that took its share. Late is harmless: the weeks that
/// passed are made up for, each once, and an event that comes first brings its contact's score up to date by itself.
/// A crash between two steps leaves the rest to the next run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DecayScores {
    /// The tick of the clock that asked for it, in unix seconds.
    pub tick: i64,
}

impl Job for DecayScores {
    type Ctx = Ctx;
    const KIND: &'static str = "decay_scores";
    const POLICY: Policy = Policy {
        queue: Queue::Bulk,
        attempts: 20,
        backoff: Backoff {
            first: Duration::from_secs(10),
            cap: Duration::from_secs(60 * 60),
        },
        timeout: Duration::from_secs(20),
        // The next week's makes up for it.
        expires: Some(Duration::from_secs(6 * 24 * 60 * 60)),
    };

    fn unique(&self) -> String {
        self.tick.to_string()
    }

    async fn run(self, ctx: &Ctx, _: &Attempt) -> Result<(), JobError> {
        let now = DateTime::from_timestamp_millis(ctx.queue.clock().now()).unwrap_or_default();
        let pace = Pace::resting(REST);
        let (mut decayed, mut passed_over) = (0, 0);
        let mut is_whole = true;
        'tenants: for tenant in ctx.store.tenants().await.map_err(from_store)? {
            let mut place = None;
            loop {
                if pace.is_over() {
                    is_whole = false;
                    break 'tenants;
                }
                let began = Instant::now();
                let step = ctx.store.decay_scores(tenant.id, place, AT_ONCE, now).await;
                let step = step.map_err(from_store)?;
                decayed += step.decayed;
                passed_over += step.passed_over;
                place = step.next;
                if place.is_none() {
                    break;
                }
                pace.rest_after(began).await;
            }
        }
        if decayed > 0 {
            tracing::info!(scores = decayed, "Scores lost what goes with the week.");
        }
        if is_whole && passed_over == 0 {
            Ok(())
        } else {
            Err(JobError::Snooze(BETWEEN_RUNS))
        }
    }
}
