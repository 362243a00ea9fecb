//! `relais queues`.

use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use queue::backend::Worker;
use queue::{Clock, Queue};
use serde_json::json;

use super::answer::{Answer, table, time};
use crate::config::Settings;
use crate::connect;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Claim nothing more from a queue. Jobs are still taken in; what runs is finished.
    Pause {
        /// Which one.
        #[arg(value_parser = names())]
        queue: String,
    },
    /// Claim from a queue again.
    Resume {
        /// Which one.
        #[arg(value_parser = names())]
        queue: String,
    },
}

/// The names a queue argument may have.
pub(super) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(Queue::ALL.map(Queue::name))
}

pub(super) async fn run(command: Option<Command>, settings: &Settings) -> anyhow::Result<Answer> {
    let backend = connect::queue(settings).await?;
    let (queue, paused) = match command {
        None => {
            let mut figures = Vec::new();
            for queue in Queue::ALL {
                figures.push((queue, backend.counts(queue).await?));
            }
            return Ok(show(&figures, &backend.workers(Clock::System.now()).await?));
        }
        Some(Command::Pause { queue }) => (queue, true),
        Some(Command::Resume { queue }) => (queue, false),
    };
    let queue = Queue::named(&queue).ok_or_else(|| anyhow::anyhow!("there is no queue of that name"))?;
    backend.pause(queue, paused).await?;
    let words = format!("{queue} {}.", if paused { "is paused" } else { "flows" });
    Ok(Answer::new(json!({ "queue": queue.name(), "paused": paused }), words))
}

fn show(figures: &[(Queue, queue::backend::Counts)], workers: &[Worker]) -> Answer {
    let items: Vec<_> = figures
        .iter()
        .map(|(queue, counts)| {
            json!({
                "queue": queue.name(), "ready": counts.ready, "scheduled": counts.scheduled, "running": counts.running,
                "parked": counts.parked, "dead": counts.dead, "paused": counts.paused,
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
                counts.dead,
            ];
            let [ready, scheduled, running, parked, dead] = numbers.map(|number| number.to_string());
            let paused = if counts.paused { "yes" } else { "no" };
            [
                queue.name().to_owned(),
                ready,
                scheduled,
                running,
                parked,
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
                worker.serves(),
                time(worker.started_at),
                worker.session.to_string(),
            ]
        })
        .collect();
    let mut words = table(
        ["QUEUE", "READY", "SCHEDULED", "RUNNING", "PARKED", "DEAD", "PAUSED"],
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
                "session": worker.session, "name": worker.name, "queues": worker.serves(),
                "started_at": time(worker.started_at),
            })
        })
        .collect();
    Answer::new(json!({ "items": items, "workers": workers }), words)
}
