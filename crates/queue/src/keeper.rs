//! What a [pump](crate::pump) does beside its loops: sweep, renew, cancel, count.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;

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
    let mut tick: u32 = 0;
    loop {
        let flows = *mode.borrow() == Mode::Flow;
        let round = round(&shared, flows, tick).await;
        if let Err(error) = &round {
            tracing::debug!(%error, queue = %shared.settings.queue, "The keeper could not reach the queue.");
        }
        // Only a sweep that worked moves the due time on: without one, an old due time would make this loop spin.
        let swept = flows && round.is_ok();
        let due = shared
            .due
            .load(Ordering::Relaxed)
            .saturating_sub(shared.clock.now())
            .max(1);
        let wait = if swept {
            TICK.min(Duration::from_millis(due.unsigned_abs()))
        } else {
            TICK
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shared.due_moved.notified(), if swept => {}
        }
        tick = tick.wrapping_add(1);
    }
}

async fn round(shared: &Shared, flows: bool, tick: u32) -> Result<(), QueueError> {
    renew(shared).await?;
    cancel(shared).await?;
    if flows {
        sweep(shared, tick).await?;
    }
    shared.pulse.reached(shared.clock.now());
    look(shared, flows).await?;
    shared.tally.hand_over(&*shared.backend).await
}

async fn sweep(shared: &Shared, tick: u32) -> Result<(), QueueError> {
    let now = shared.clock.now();
    let swept = shared.backend.sweep(shared.settings.queue, now, rand::random()).await?;
    let caught_up = swept.promoted < BATCH_MAX;
    shared.due.store(
        if caught_up {
            swept.next_due.unwrap_or(Millis::MAX)
        } else {
            now
        },
        Ordering::Relaxed,
    );
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
    if swept.promoted + swept.unheard > 0 || tick.is_multiple_of(LOOK_EVERY) {
        shared.wakes.iter().for_each(|wake| wake.notify_one());
    }
    Ok(())
}

/// Finds out whether nothing is claimed because there is nothing, as soon as nothing has been for a while.
async fn look(shared: &Shared, flows: bool) -> Result<(), QueueError> {
    let now = shared.clock.now();
    if !flows || !shared.lanes[0].is_free() {
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
