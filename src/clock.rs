//! `relais clock`: adds the jobs that start by the clock.
//!
//! Any number of clocks may run. Each tick is a job with the tick as its unique key, so the first to add it wins and the
//! others are told that it is there.

use std::time::Duration;

use chrono::Utc;
use jobs::schedule::{ALL, Schedule};
use queue::{Client, Clock};

use crate::config::Settings;
use crate::{connect, signals};

/// How long to wait after a failed add.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When what the settings name cannot be used.
#[tokio::main(flavor = "current_thread")]
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let backend = connect::queue(settings).await?;
    connect::refuse_unsafe(&*backend).await?;
    let queue = Client::new(backend, settings.keyring.clone(), Clock::System);
    tracing::info!(schedules = ALL.len(), "Ticking.");
    tokio::select! {
        () = tick(&queue) => {}
        () = signals::end() => tracing::info!("Asked to end."),
    }
    Ok(())
}

/// Adds every tick as it comes, for ever. The latest tick before the start is added too, in case no clock ran then.
pub async fn tick(queue: &Client) {
    futures_util::future::join_all(ALL.iter().map(|schedule| keep(schedule, queue))).await;
}

async fn keep(schedule: &Schedule, queue: &Client) {
    let mut tick = schedule.tick_at(Utc::now().timestamp());
    loop {
        match schedule.add(tick, queue).await {
            Ok(receipt) if receipt.duplicate => {}
            Ok(receipt) => tracing::info!(kind = schedule.kind, tick, job.id = %receipt.job, "Tick."),
            Err(error) => {
                tracing::warn!(%error, kind = schedule.kind, tick, "A tick could not be added; trying again.");
                tokio::time::sleep(TRY_AGAIN_AFTER).await;
                continue;
            }
        }
        let now = Utc::now();
        tick = schedule.tick_after(now.timestamp());
        let wait = tick * 1000 - now.timestamp_millis();
        tokio::time::sleep(Duration::from_millis(wait.max(0).unsigned_abs())).await;
    }
}
