//! `relais queues`.

use anyhow::Context as _;
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use queue::backend::Worker;
use queue::{Clock, Pause, Queue, Scope};
use serde_json::json;

use super::answer::{Answer, table};
use super::pause;
use crate::config::Settings;
use crate::connect;
use crate::ops::serving::claimed_by;
use crate::time::rfc3339;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Claim nothing more from a queue. Jobs are still taken in; what runs is finished.
    Pause {
        /// Which one.
        #[arg(value_parser = names())]
        queue: String,
        /// Who asks; shown to whoever wonders why nothing runs, and kept in the audit log.
        #[arg(long)]
        by: Option<String>,
    },
    /// Claim from a queue again.
    Resume {
        /// Which one.
        #[arg(value_parser = names())]
        queue: String,
        /// Who asks; kept in the audit log.
        #[arg(long)]
        by: Option<String>,
    },
}

/// The names a queue argument may have.
pub(super) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(Queue::ALL.map(Queue::name))
}

pub(super) async fn run(command: Option<Command>, settings: &Settings) -> anyhow::Result<Answer> {
    let backend = connect::queue(settings).await?;
    let named = |queue: &str| Queue::named(queue).context("there is no queue of that name");
    match command {
        None => {
            let mut figures = Vec::new();
            for queue in Queue::ALL {
                figures.push((queue, backend.counts(queue).await?));
            }
            Ok(show(
                &figures,
                &backend.workers(Clock::System.now()).await?,
                &backend.pauses().await?,
            ))
        }
        Some(Command::Pause { queue, by }) => pause::stop(&*backend, Scope::Queue(named(&queue)?), by, settings).await,
        Some(Command::Resume { queue, by }) => {
            pause::start(&*backend, Scope::Queue(named(&queue)?), by, settings).await
        }
    }
}

fn show(figures: &[(Queue, queue::backend::Counts)], workers: &[Worker], pauses: &[Pause]) -> Answer {
    let items: Vec<_> = figures
        .iter()
        .map(|(queue, counts)| {
            json!({
                "queue": queue.name(), "ready": counts.ready, "scheduled": counts.scheduled, "running": counts.running,
                "parked": counts.parked, "behind": counts.behind, "dead": counts.dead, "paused": counts.paused,
            })
        })
        .collect();
    let rows: Vec<_> = figures
        .iter()
        .map(|(queue, counts)| {
            let numbers = [
                counts.ready,
                counts.scheduled,
                counts.running,
                counts.parked,
                counts.behind,
                counts.dead,
            ];
            let [ready, scheduled, running, parked, behind, dead] = numbers.map(|number| number.to_string());
            let paused = if counts.paused { "yes" } else { "no" };
            [
                queue.name().to_owned(),
                ready,
                scheduled,
                running,
                parked,
                behind,
                dead,
                paused.to_owned(),
            ]
        })
        .collect();
    let people: Vec<_> = workers
        .iter()
        .map(|worker| {
            [
                worker.name.clone(),
                claimed_by(worker, pauses),
                rfc3339(worker.started_at),
                worker.session.to_string(),
            ]
        })
        .collect();
    let mut words = table(
        [
            "QUEUE",
            "READY",
            "SCHEDULED",
            "RUNNING",
            "PARKED",
            "BEHIND",
            "DEAD",
            "PAUSED",
        ],
        &rows,
    );
    words.push('\n');
    words += &match people.len() {
        0 => "No worker is alive; `relais worker` starts one.".to_owned(),
        _ => table(["WORKER", "SERVES", "SINCE", "SESSION"], &people),
    };
    let workers: Vec<_> = workers
        .iter()
        .map(|worker| {
            json!({
                "session": worker.session, "name": worker.name, "queues": claimed_by(worker, pauses),
                "started_at": rfc3339(worker.started_at),
            })
        })
        .collect();
    let mut paused = Vec::new();
    for Pause { scope, by, at } in pauses {
        let (what, name) = crate::ops::why::scope(scope);
        words += &format!("\n{what} {name} is paused by {by} since {}.", rfc3339(*at));
        paused.push(json!({ what: name, "by": by, "since": rfc3339(*at) }));
    }
    Answer::new(json!({ "items": items, "workers": workers, "pauses": paused }), words)
}
