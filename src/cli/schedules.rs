//! `relais schedules`.

use jobs::schedule::{ALL, Schedule, Tick};
use queue::backend::KNOWN_DAYS;
use queue::{Clock, JobId};
use serde_json::json;

use super::answer::{Answer, or_dash, table};
use crate::clock::known::last_known;
use crate::clock::plan;
use crate::config::Settings;
use crate::connect;
use crate::time::rfc3339;

/// The queue knows a job for this long: until [`KNOWN_DAYS`] after the day on which it ended.
const KNOWN_SECONDS: i64 = (KNOWN_DAYS as i64 + 1) * 24 * 60 * 60;

/// A schedule as it is shown.
struct Shown {
    schedule: &'static Schedule,
    next: Option<Tick>,
    last: Option<(Tick, JobId)>,
}

pub(super) async fn run(settings: &Settings) -> anyhow::Result<Answer> {
    let backend = connect::queue(settings).await?;
    let now = Clock::System.now() / 1000;
    let mut shown = Vec::new();
    for (schedule, timetable) in plan(ALL)? {
        shown.push(Shown {
            schedule,
            next: timetable.next_after(now),
            last: last_known(schedule, &timetable, &*backend, now - KNOWN_SECONDS, now).await?,
        });
    }
    Ok(show(&shown))
}

fn show(shown: &[Shown]) -> Answer {
    let at = |tick: Tick| rfc3339(tick * 1000);
    let items: Vec<_> = shown
        .iter()
        .map(|Shown { schedule, next, last }| {
            json!({
                "name": schedule.name, "kind": schedule.job.kind(), "cron": schedule.cron,
                "time_zone": schedule.time_zone.name(), "missed": schedule.missed.name(), "next_tick": next.map(at),
                "last_tick": last.map(|(tick, _)| at(tick)), "last_job": last.map(|(_, job)| job.to_string()),
            })
        })
        .collect();
    let rows: Vec<_> = shown
        .iter()
        .map(|Shown { schedule, next, last }| {
            [
                schedule.name.to_owned(),
                schedule.job.kind().to_owned(),
                schedule.cron.to_owned(),
                schedule.time_zone.name().to_owned(),
                schedule.missed.name().to_owned(),
                or_dash(next.map(at)),
                or_dash(last.map(|(tick, _)| at(tick))),
            ]
        })
        .collect();
    let words = table(["NAME", "KIND", "CRON", "TIME ZONE", "MISSED", "NEXT", "LAST"], &rows);
    Answer::new(json!({ "items": items }), words)
}
