//! Does a tenant whose jobs come now and then notice that another one floods the queue?

use serde::Serialize;
use serde_json::json;

use crate::child::{Role, ask};
use crate::figures::median;
use crate::report::Report;
use crate::scale::Scale;
use crate::services::Services;
use crate::table::ms;
use crate::turns::{CALL_MS, Outcome, Plan, SLOTS, VISIT_EVERY};

/// One repetition: without the flood and with it.
#[derive(Serialize)]
struct Round {
    alone: Outcome,
    beside: Outcome,
}

pub(crate) async fn measure(scale: &Scale, services: &Services) -> anyhow::Result<()> {
    let columns = [
        "backend",
        "alone p50 ms",
        "p95",
        "beside the flood p50",
        "p95",
        "ratio of p95",
        "longest ms",
        "slots used",
    ];
    let mut report = Report::new("fairness", &columns);
    let keys = seal::Keyring::generate("bench");
    let mut figures = Vec::new();
    for kind in services.kinds() {
        eprintln!("fairness: {}", kind.name());
        let mut rounds = Vec::new();
        for _ in 0..scale.repeats {
            let turn = async |flood| -> anyhow::Result<Outcome> {
                let place = services.place(kind).await?;
                let plan = Plan {
                    place: place.clone(),
                    keys: keys.clone(),
                    flood,
                    visits: scale.pick_ups,
                };
                let outcome = ask(Role::Turns, &plan).await?;
                services.clear(&place).await?;
                Ok(outcome)
            };
            rounds.push(Round {
                alone: turn(0).await?,
                beside: turn(scale.flood).await?,
            });
        }
        let of = |figure: fn(&Round) -> u64| median(rounds.iter().map(|round| figure(round) as f64));
        let longest = rounds.iter().map(|round| round.beside.longest_us).max().unwrap_or(0);
        let used = median(rounds.iter().filter_map(|round| round.beside.used));
        report.row([
            kind.name().to_owned(),
            ms(of(|round| round.alone.waits.p50_us) as u64),
            ms(of(|round| round.alone.waits.p95_us) as u64),
            ms(of(|round| round.beside.waits.p50_us) as u64),
            ms(of(|round| round.beside.waits.p95_us) as u64),
            format!(
                "{:.2}",
                median(
                    rounds
                        .iter()
                        .map(|round| { round.beside.waits.p95_us as f64 / round.alone.waits.p95_us as f64 })
                )
            ),
            ms(longest),
            format!("{:.0} %", used * 100.0),
        ]);
        figures.push(json!({ "backend": kind, "rounds": rounds }));
    }
    report.note(format!(
        "Medians of {} rounds. One worker with {SLOTS} slots; a job waits {} to {} ms for somebody else. One tenant has {} jobs \
         waiting, another adds one each {VISIT_EVERY:?}, {} in all: from the call that adds it to its run. Slots used: by \
         the flood while it is alone. Wanted: a ratio below 2.",
        scale.repeats,
        CALL_MS.start(),
        CALL_MS.end(),
        scale.flood,
        scale.pick_ups
    ));
    report.finish(scale, json!(figures))
}
