//! What a [pump](crate::pump) does beside its loops: sweep, renew, cancel, count.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::backend::{BATCH_MAX, QueueError};
use crate::clock::{Millis, millis};
use crate::health::{Health, STILL_AFTER_MS};
use crate::held::{Held, Stop};
use crate::pump::{Mode, Shared};

/// The rhythm of sweeps, cancellations and counters.
const TICK: Duration = Duration::from_secs(1);

/// Every so many ticks all lanes are looked at although nobody said that there is work, in case a wake-up was lost.
const LOOK_EVERY: u32 = 5;

/// How long a lease is taken for: two ticks less than a whole one, or a tenth if that is shorter. So what a worker held when
/// it died has its room free for others, and after its back-off runs elsewhere, within one lease of its death.
pub(crate) fn taken(lease: Duration) -> Duration {
    lease - (2 * TICK).min(lease / 10)
}

pub(crate) async fn keep(shared: Arc<Shared>, mode: watch::Receiver<Mode>) {
    let (mut ticks, mut next_tick) = (0_u32, Instant::now());
    loop {
        let flows = *mode.borrow() == Mode::Flow;
        let kept = if Instant::now() >= next_tick {
            next_tick = Instant::now() + TICK;
            ticks = ticks.wrapping_add(1);
            tick(&shared, flows, ticks).await
        } else {
            sweep(&shared).await
        };
        if let Err(error) = &kept {
            tracing::debug!(%error, queue = %shared.settings.queue, "The keeper could not reach the queue.");
        }
        // After a sweep that failed, an old due time would make this loop spin.
        let sweeps = flows && kept.is_ok();
        let due = shared
            .due
            .load(Ordering::Relaxed)
            .saturating_sub(shared.clock.now())
            .max(1);
        let due_at = Instant::now() + Duration::from_millis(due.unsigned_abs()).min(TICK);
        tokio::select! {
            () = tokio::time::sleep_until(next_tick) => {}
            () = tokio::time::sleep_until(due_at), if sweeps => {}
            () = shared.due_moved.notified(), if sweeps => {}
        }
    }
}

async fn tick(shared: &Shared, flows: bool, ticks: u32) -> Result<(), QueueError> {
    renew(shared).await?;
    cancel(shared).await?;
    if flows {
        sweep(shared).await?;
        if ticks.is_multiple_of(LOOK_EVERY) {
            shared.wakes.iter().for_each(|wake| wake.notify_one());
        }
    }
    shared.pulse.reached(shared.clock.now());
    look(shared, flows).await?;
    shared.tally.hand_over(&*shared.backend).await
}

async fn sweep(shared: &Shared) -> Result<(), QueueError> {
    let now = shared.clock.now();
    // Before the call: what becomes due while it is under way may not be among its findings.
    shared.due.store(Millis::MAX, Ordering::Relaxed);
    shared.swept.store(now, Ordering::Relaxed);
    let swept = shared.backend.sweep(shared.settings.queue, now, rand::random()).await?;
    let caught_up = swept.promoted < BATCH_MAX;
    let next_due = swept.next_due.unwrap_or(Millis::MAX);
    shared
        .due
        .fetch_min(if caught_up { next_due } else { now }, Ordering::Relaxed);
    if swept.rescued + swept.poisoned > 0 {
        let (rescued, poisoned) = (swept.rescued, swept.poisoned);
        tracing::warn!(queue = %shared.settings.queue, rescued, poisoned, "Jobs taken back from a worker that is gone.");
        shared
            .tally
            .add(shared.settings.queue, "any", "crashed", (rescued + poisoned) as u64);
    }
    if swept.unheard > 0 {
        let unheard = swept.unheard;
        tracing::warn!(queue = %shared.settings.queue, unheard,
            "Jobs taken back whose claim was never heard of by its worker, which lives: the queue answers slowly.");
        shared
            .tally
            .add(shared.settings.queue, "any", "unheard", unheard as u64);
    }
    if swept.promoted + swept.unheard > 0 {
        shared.wakes.iter().for_each(|wake| wake.notify_one());
    }
    Ok(())
}

/// Finds out whether nothing is claimed because there is nothing, as soon as nothing has been for a while.
async fn look(shared: &Shared, flows: bool) -> Result<(), QueueError> {
    let now = shared.clock.now();
    if !flows || !shared.lanes.iter().all(|lane| lane.is_free()) {
        shared.pulse.moved(now);
    }
    if now - shared.pulse.last_moved() < STILL_AFTER_MS / 3 {
        return Ok(());
    }
    let queue = shared.settings.queue;
    let counts = shared.backend.counts(queue).await?;
    let limits = if counts.ready > 0 {
        shared.backend.limits(queue, now).await?
    } else {
        Vec::new()
    };
    shared.pulse.looked(&counts, &limits, now);
    if let Health::Still { ready, .. } = shared.pulse.judge(now) {
        tracing::warn!(%queue, ready, "Jobs are ready and none is claimed; connecting to the queue anew.");
        shared.backend.reconnect().await;
        shared.wakes.iter().for_each(|wake| wake.notify_one());
    }
    Ok(())
}

/// Moves the end of every lease of which a third is over.
async fn renew(shared: &Shared) -> Result<(), QueueError> {
    let now = shared.clock.now();
    let lease = millis(shared.settings.lease);
    let old = |until: Millis| until - now <= lease - lease / 3;
    let claims: Vec<i64> = shared
        .holdings()
        .iter()
        .filter(|(_, holding)| old(holding.until))
        .map(|(claim, _)| *claim)
        .collect();
    for claims in claims.chunks(BATCH_MAX) {
        let until = shared.until();
        let lost = shared.backend.renew(shared.settings.queue, claims, until).await?;
        let mut holdings = shared.holdings();
        for claim in claims.iter().filter(|claim| !lost.contains(claim)) {
            if let Some(holding) = holdings.get_mut(claim) {
                holding.until = until;
            }
        }
        drop(holdings);
        stop(shared, Stop::Lost, |held| lost.contains(&held.claimed().ticket.claim));
    }
    Ok(())
}

/// Stops runs whose jobs were cancelled.
async fn cancel(shared: &Shared) -> Result<(), QueueError> {
    let running: Vec<_> = shared.running().keys().map(|(job, _)| *job).collect();
    for running in running.chunks(BATCH_MAX) {
        let cancelled = shared.backend.cancelled(shared.settings.queue, running).await?;
        stop(shared, Stop::Cancelled, |held| cancelled.contains(&held.claimed().id));
    }
    Ok(())
}

fn stop(shared: &Shared, why: Stop, which: impl Fn(&Held) -> bool) {
    let held: Vec<_> = shared
        .running()
        .values()
        .filter_map(std::sync::Weak::upgrade)
        .filter(|held| which(held))
        .collect();
    held.iter().for_each(|held| held.stop(why));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LEASE;
    use crate::backend::CRASH_BACKOFF;

    #[test]
    fn what_a_dead_worker_held_is_noticed_and_has_waited_within_one_lease() {
        assert!(taken(LEASE) + TICK + CRASH_BACKOFF.first <= LEASE);
        assert_eq!(taken(Duration::from_secs(1)), Duration::from_millis(900));
    }
}
