//! See [`ApplyRetention`].

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use domain::TenantId;
use domain::retention::{CROSSINGS_KEPT, SCORES_KEPT, SENDS_KEPT, before};
use queue::{Attempt, Backoff, Job, JobError, Policy, Queue};
use serde::{Deserialize, Serialize};
use store::{RetentionBefore, RetentionDue, Store, StoreError};

use crate::Ctx;
use crate::pace::{BETWEEN_RUNS, Pace};
use crate::sending::from_store;

/// Messages, scores or crossings that go in one transaction.
const AT_ONCE: u32 = 50;

/// After each step it rests so many times as long: nineteen twentieths of the time are others'.
const REST: u32 = 19;

/// Lets go what is old: messages that were sent more than eighteen months ago with all that was reported of them,
/// scores of which nothing was heard for two years, which leave their sums in the archive, and that leads became hot more than
/// ninety days ago.
///
/// Twice is harmless, also at once: the second finds less. Late is harmless: it only lets go what is old. A crash
/// between two steps leaves the rest to the next run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApplyRetention {
    /// The tick of the clock that asked for it, or when an operator did, in unix seconds.
    pub tick: i64,
}

impl Job for ApplyRetention {
    type Ctx = Ctx;
    const KIND: &'static str = "apply_retention";
    const POLICY: Policy = Policy {
        queue: Queue::Bulk,
        attempts: 10,
        backoff: Backoff {
            first: Duration::from_secs(30),
            cap: Duration::from_secs(60 * 60),
        },
        timeout: Duration::from_secs(20),
        expires: Some(Duration::from_secs(20 * 60 * 60)),
    };

    fn unique(&self) -> String {
        self.tick.to_string()
    }

    async fn run(self, ctx: &Ctx, _: &Attempt) -> Result<(), JobError> {
        let now = DateTime::from_timestamp_millis(ctx.queue.clock().now()).unwrap_or_default();
        let pace = Pace::resting(REST);
        let is_whole = apply(&ctx.store, &pace, now).await.map_err(from_store)?;
        if is_whole {
            Ok(())
        } else {
            Err(JobError::Snooze(BETWEEN_RUNS))
        }
    }
}

/// How much of a tenant's would go now. Changes nothing.
///
/// # Errors
/// Those of the store.
pub async fn due(store: &Store, tenant: TenantId, now: DateTime<Utc>) -> Result<RetentionDue, StoreError> {
    let before = RetentionBefore {
        sends: before(SENDS_KEPT, now),
        scores: before(SCORES_KEPT, now),
        crossings: now - CROSSINGS_KEPT,
    };
    store.retention_due(tenant, &before).await
}

/// Takes steps until nothing is left, or the run has taken its time. Answers whether nothing is left.
async fn apply(store: &Store, pace: &Pace, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let mut is_whole = true;
    for tenant in store.tenants().await? {
        is_whole &= purge_sends(store, pace, tenant.id, now).await?;
        is_whole &= archive_scores(store, pace, tenant.id, now).await?;
        if pace.is_over() {
            return Ok(false);
        }
    }
    is_whole &= forget_crossings(store, pace, now).await?;
    Ok(is_whole)
}

async fn forget_crossings(store: &Store, pace: &Pace, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let (mut crossings, mut is_whole) = (0, false);
    while !pace.is_over() {
        let began = Instant::now();
        let gone = store.forget_crossings(now - CROSSINGS_KEPT, AT_ONCE).await?;
        crossings += gone;
        is_whole = gone < u64::from(AT_ONCE);
        if is_whole {
            break;
        }
        pace.rest_after(began).await;
    }
    if crossings > 0 {
        tracing::info!(
            crossings,
            "What leads had become hot more than ninety days ago was forgotten."
        );
    }
    Ok(is_whole)
}

async fn purge_sends(store: &Store, pace: &Pace, tenant: TenantId, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let (before, mut from) = (before(SENDS_KEPT, now), None);
    let mut messages = 0;
    while !pace.is_over() {
        let began = Instant::now();
        let step = store.purge_sends(tenant, before, from, AT_ONCE).await?;
        messages += step.messages;
        from = step.reached;
        if from.is_none() {
            break;
        }
        pace.rest_after(began).await;
    }
    if messages > 0 {
        tracing::info!(%tenant, messages, "Messages older than eighteen months went.");
    }
    Ok(from.is_none())
}

async fn archive_scores(store: &Store, pace: &Pace, tenant: TenantId, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let (before, mut from) = (before(SCORES_KEPT, now), None);
    let mut scores = 0;
    while !pace.is_over() {
        let began = Instant::now();
        let step = store.archive_scores(tenant, before, from, AT_ONCE, now).await?;
        scores += step.scores;
        from = step.reached;
        // Those that are left are being worked on: another run finds them, if they are idle still.
        if from.is_none() || step.scores == 0 {
            break;
        }
        pace.rest_after(began).await;
    }
    if scores > 0 {
        tracing::info!(%tenant, scores, "Scores of two years' silence went into the archive.");
    }
    Ok(from.is_none())
}
