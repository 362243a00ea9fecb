//! Does a long queue drain as fast as a short one, and does a worker in front of it need more memory?

use serde::Serialize;
use serde_json::json;

use crate::child::{Role, ask};
use crate::figures::median;
use crate::place::{Kind, Place};
use crate::report::Report;
use crate::scale::Scale;
use crate::services::Services;
use crate::table::thousands;
use crate::work::{Outcome, Plan, Task};

/// Callers that fill a queue: enough for full batches.
const FILLERS: usize = 2_000;

#[derive(Serialize)]
struct Sample {
    waiting: usize,
    taken: usize,
    drain: Outcome,
}

pub(crate) async fn measure(scale: &Scale, services: &Services) -> anyhow::Result<()> {
    let columns = [
        "backend, waiting",
        "taken",
        "drain/s",
        "least",
        "most",
        "memory peak MiB",
    ];
    let mut report = Report::new("growth", &columns);
    let mut figures = Vec::new();
    for kind in services.kinds() {
        eprintln!("growth: {}", kind.name());
        let samples = samples(scale, services, kind).await?;
        let mut speeds = Vec::new();
        for waiting in scale.waiting {
            let own: Vec<&Sample> = samples.iter().filter(|sample| sample.waiting == waiting).collect();
            let rates = || own.iter().map(|sample| sample.drain.per_second);
            let memory = own.iter().map(|sample| sample.drain.memory_peak_kib).max().unwrap_or(0);
            speeds.push(median(rates()));
            report.row([
                format!("{}, {waiting}", kind.name()),
                own.first().map_or(0, |sample| sample.taken).to_string(),
                thousands(median(rates())),
                thousands(rates().fold(f64::INFINITY, f64::min)),
                thousands(rates().fold(0.0, f64::max)),
                format!("{:.1}", memory as f64 / 1024.0),
            ]);
        }
        let [least, _, most] = scale.waiting;
        if let ([few, .., many], true) = (speeds.as_slice(), least < most) {
            report.note(format!(
                "{}: with {most} waiting {:.2}× as fast as with {least}.",
                kind.name(),
                many / few
            ));
        }
        figures.push(json!({ "backend": kind, "samples": samples }));
    }
    report.note(format!(
        "Medians of {} rounds, in which the lengths take turns; each in a fresh worker process with 512 jobs at once, \
         whose memory is given. Jobs of 300 bytes that do nothing. Wanted: at least 0.8.",
        scale.repeats
    ));
    report.finish(scale, json!(figures))
}

async fn samples(scale: &Scale, services: &Services, kind: Kind) -> anyhow::Result<Vec<Sample>> {
    let keys = seal::Keyring::generate("bench");
    let work = async |place: &Place, task| -> anyhow::Result<Outcome> {
        ask(
            Role::Work,
            &Plan {
                place: place.clone(),
                keys: keys.clone(),
                task,
            },
        )
        .await
    };
    let mut queues = Vec::new();
    for waiting in scale.waiting {
        let place = services.place(kind).await?;
        work(
            &place,
            Task::Add {
                jobs: waiting,
                callers: FILLERS,
            },
        )
        .await?;
        queues.push((waiting, place));
    }
    let mut samples = Vec::new();
    for round in 0..scale.repeats {
        for (waiting, place) in &queues {
            if round > 0 {
                // The worker may have taken a few more than it was asked for; they do not matter here.
                work(
                    place,
                    Task::Add {
                        jobs: scale.taken.min(*waiting),
                        callers: FILLERS,
                    },
                )
                .await?;
            }
            let taken = scale.taken.min(*waiting);
            let drain = work(place, Task::Drain { jobs: taken }).await?;
            samples.push(Sample {
                waiting: *waiting,
                taken,
                drain,
            });
        }
    }
    for (_, place) in &queues {
        services.clear(place).await?;
    }
    Ok(samples)
}
