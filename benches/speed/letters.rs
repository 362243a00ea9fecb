//! Does live work notice that fifty thousand of a million dead letters are retried?

use seal::Keyring;
use serde_json::json;

use crate::child::{Role, ask};
use crate::figures::median;
use crate::place::Kind;
use crate::report::Report;
use crate::retries::{ERRORS, LIVE_EVERY, Outcome, Plan};
use crate::scale::Scale;
use crate::services::Services;
use crate::table::ms;

/// A round takes minutes.
const ROUNDS_MAX: usize = 1;

pub(crate) async fn measure(scale: &Scale, services: &Services) -> anyhow::Result<()> {
    let columns = [
        "backend",
        "calm p50 ms",
        "p99",
        "while letters are retried p50",
        "p99",
        "ratio of p99",
        "retried",
        "in s",
    ];
    let mut report = Report::new("letters", &columns);
    let mut figures = Vec::new();
    for kind in services.kinds() {
        eprintln!("letters: {}", kind.name());
        let mut outcomes: Vec<Outcome> = Vec::new();
        for _ in 0..scale.repeats.min(ROUNDS_MAX) {
            let place = services.place(kind).await?;
            // Beside a queue in Redis the store is a Postgres, if there is one here.
            let has_postgres = services.kinds().contains(&Kind::Postgres);
            let beside = match kind {
                Kind::Redis if has_postgres => Some(services.place(Kind::Postgres).await?),
                Kind::Redis => Some(services.place(Kind::Sqlite).await?),
                Kind::Sqlite | Kind::Postgres => None,
            };
            let plan = Plan {
                database: beside.as_ref().unwrap_or(&place).url.clone(),
                place: place.clone(),
                keys: Keyring::generate("bench"),
                letters: scale.letters,
                live: scale.live,
            };
            outcomes.push(ask(Role::Letters, &plan).await?);
            for place in beside.iter().chain([&place]) {
                services.clear(place).await?;
            }
        }
        let of = |figure: fn(&Outcome) -> f64| median(outcomes.iter().map(figure));
        report.row([
            kind.name().to_owned(),
            ms(of(|outcome| outcome.calm.p50_us as f64) as u64),
            ms(of(|outcome| outcome.calm.p99_us as f64) as u64),
            ms(of(|outcome| outcome.beside.p50_us as f64) as u64),
            ms(of(|outcome| outcome.beside.p99_us as f64) as u64),
            format!(
                "{:.2}",
                of(|outcome| outcome.beside.p99_us as f64 / outcome.calm.p99_us as f64)
            ),
            of(|outcome| outcome.retried as f64).to_string(),
            format!("{:.0}", of(|outcome| outcome.seconds)),
        ]);
        figures.push(json!({ "backend": kind, "rounds": outcomes }));
    }
    report.note(format!(
        "{} dead letters, a {ERRORS}th of which is retried by a bulk action at its usual rate; {} live \
         jobs, one each {LIVE_EVERY:?}, before it, and as many as it lasts. One worker with its usual slots. Wanted: a ratio \
         below 1.2.",
        scale.letters, scale.live
    ));
    report.finish(scale, json!(figures))
}
