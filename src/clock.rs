//! `relais clock`: adds the jobs that start by the clock, and looks whether something goes wrong ([`alerts`]).
//!
//! Any number of clocks may run, each for itself: there is no leader and nothing to elect. Every schedule's ticks are the
//! same instants for all of them, and each tick's job has the tick as its unique key, so the first clock to add it wins and
//! the others are told that it is there.
//!
//! **What a clock knows.** Nothing is written down but the jobs. While it runs, a clock remembers until when it has looked
//! and which ticks came due and are not added yet ([`agenda`]). When it starts, it looks back over
//! [`LOOK_BACK_SECONDS`]: less than the 7 days for which the queue knows a key, so whatever it finds there may be added
//! again without harm. The schedule's rule ([`Missed`]) says which of it: *skip* only what is on time, *once* the latest
//! tick, *all* everything after the latest tick that the queue knows ([`known`]).
//!
//! **What may go wrong, and what becomes of the tick.**
//!
//! - The clock dies before it added the tick: another clock adds it. Without one the next start does, if it comes within
//!   [`ON_TIME_SECONDS`] or the rule makes up for what was missed.
//! - It dies after the queue kept the job and before it heard so: the next one to add it hears *duplicate*.
//! - The answer gets lost, or the queue is away: the clock keeps the tick and adds it again every [`TRY_AGAIN_AFTER`], for
//!   as long as it may look back. It was there at the tick, so the tick was not missed, whatever the rule.
//! - The clock is restarted while the queue is away: what had come due is missed now, and goes by the rule.
//! - It dies while it makes up for many: *all* adds in order, and no clock adds a tick before those it found missing. So
//!   what is missing lies after the latest tick that the queue knows, which is where the next start goes on.
//! - Nobody ran a clock for longer than can be looked back, or the queue lost its jobs: as on the first day, *once* and *all*
//!   begin with the latest tick.
//! - The process stood still (a suspended machine), or the wall clock is set forward: a clock looks at least every
//!   [`LOOK_AGAIN`], finds that time has passed, and goes by the rule, as at a start.
//! - The wall clock is set back: ticks come again and are duplicates.
//! - Two machines' clocks differ: the one ahead adds early; for the other one it is a duplicate.
//!
//! [`LOOK_AGAIN`]: agenda::LOOK_AGAIN
//! [`Missed`]: jobs::schedule::Missed
//! [`ON_TIME_SECONDS`]: jobs::schedule::ON_TIME_SECONDS
//! [`TRY_AGAIN_AFTER`]: keeper::TRY_AGAIN_AFTER

pub mod agenda;
pub mod keeper;
pub mod known;

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat};
use jobs::schedule::{ALL, Schedule, Tick, Timetable};
use queue::{Client, Clock};
use store::Store;

use crate::config::{AlertSettings, Settings};
use crate::{alerts, connect, signals};
use keeper::Keeper;

/// How far a clock looks back for ticks that are not added: 6 days. The day that is missing from the queue's 7 is for
/// machines whose clocks differ, and for an add that takes its time.
pub const LOOK_BACK_SECONDS: i64 = 6 * 24 * 60 * 60;

/// A schedule, and when it ticks.
pub type Planned = (&'static Schedule, Timetable);

/// Runs until SIGTERM or SIGINT, and then ends at once: whatever it was about to add is added by the next start.
///
/// # Errors
/// When what the settings name cannot be used, or a schedule cannot be read.
#[tokio::main(flavor = "current_thread")]
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    tokio::select! {
        biased;
        () = signals::end() => {
            tracing::info!("Asked to end.");
            Ok(())
        }
        ended = start(settings) => ended,
    }
}

async fn start(settings: &Settings) -> anyhow::Result<()> {
    let planned = plan(ALL)?;
    let backend = connect::queue(settings).await?;
    connect::refuse_unsafe(&*backend).await?;
    let queue = Client::new(backend, settings.keyring.clone(), Clock::System);
    tracing::info!(schedules = planned.len(), "Ticking.");
    tell(&planned, queue.clock().now() / 1000);
    let store = connect::store(settings).await?;
    tokio::join!(keep(planned, &queue), watch(&store, &queue, &settings.alerts));
    Ok(())
}

/// Looks whether something goes wrong, and tells operators, for ever.
pub async fn watch(store: &Store, queue: &Client, settings: &AlertSettings) {
    if let Err(error) = alerts::watch(store, queue, settings).await {
        tracing::error!(
            error = format!("{error:#}"),
            "Nobody looks whether something goes wrong."
        );
    }
}

/// Adds every tick of every schedule as it comes, for ever.
pub async fn tick(queue: &Client) {
    match plan(ALL) {
        Ok(planned) => keep(planned, queue).await,
        Err(error) => tracing::error!(error = format!("{error:#}"), "Nothing starts by the clock."),
    }
}

/// Reads when schedules tick.
///
/// # Errors
/// When one of them cannot be read.
pub fn plan(schedules: &'static [Schedule]) -> anyhow::Result<Vec<Planned>> {
    let planned = schedules.iter().map(|schedule| Ok((schedule, schedule.timetable()?)));
    planned.collect::<anyhow::Result<_>>().context("the clock cannot start")
}

/// Each schedule is kept by itself, so that one with much to make up for delays no other.
async fn keep(planned: Vec<Planned>, queue: &Client) {
    let keepers = planned
        .into_iter()
        .map(|planned| Keeper::new(planned, queue.clone()).run());
    futures_util::future::join_all(keepers).await;
}

fn tell(planned: &[Planned], now: Tick) {
    for (schedule, timetable) in planned {
        tracing::info!(
            schedule = schedule.name,
            kind = schedule.job.kind(),
            cron = schedule.cron,
            time_zone = schedule.time_zone.name(),
            missed = schedule.missed.name(),
            next = timetable.next_after(now).map(time),
            "Scheduled."
        );
    }
}

/// A tick in RFC 3339 UTC.
fn time(tick: Tick) -> String {
    DateTime::from_timestamp(tick, 0).map_or_else(
        || tick.to_string(),
        |tick| tick.to_rfc3339_opts(SecondsFormat::Secs, true),
    )
}
