//! Adding, draining and picking up on every backend, each beside its floor.

use serde::Serialize;
use serde_json::json;

use crate::child::{Role, ask};
use crate::figures::median;
use crate::place::{Kind, Place};
use crate::report::Report;
use crate::scale::Scale;
use crate::services::Services;
use crate::table::{ms, thousands};
use crate::work::{Outcome, Plan, Task};

/// Callers that add at once.
const CALLERS: usize = 64;

/// Jobs in one call: what the callers fill while another call is under way; what a worker's calls share.
const ADD_BATCH: usize = 32;
const DRAIN_BATCH: usize = 256;

/// One repetition: the queue and its floor in turns.
#[derive(Serialize)]
struct Round {
    add: Outcome,
    floor_add: Outcome,
    drain: Outcome,
    floor_drain: Outcome,
    pick_up: Outcome,
    floor_pick_up: Outcome,
}

pub(crate) async fn measure(scale: &Scale, services: &Services) -> anyhow::Result<()> {
    let columns = [
        "backend",
        "per second",
        "floor",
        "ratio",
        "p50 ms",
        "p99 ms",
        "floor p50",
        "floor p99",
    ];
    let mut report = Report::new("queue", &columns);
    let keys = seal::Keyring::generate("bench");
    let mut figures = Vec::new();
    for kind in services.kinds() {
        eprintln!("queue: {}", kind.name());
        let mut rounds = Vec::new();
        for _ in 0..scale.repeats {
            let place = services.place(kind).await?;
            rounds.push(round(scale, &place, &keys).await?);
            services.clear(&place).await?;
        }
        tell(&mut report, kind, &rounds);
        figures.push(json!({ "backend": kind, "rounds": rounds }));
    }
    report.note(format!(
        "Medians of {} rounds. add: {} jobs of 300 bytes from {CALLERS} callers; times are those of one call. drain: the \
         same jobs, which do nothing, through one worker with 512 at once. pick-up: from the call that adds a job to its \
         run, one each 20 ms.",
        scale.repeats, scale.jobs
    ));
    report.finish(scale, json!(figures))
}

async fn round(scale: &Scale, place: &Place, keys: &str) -> anyhow::Result<Round> {
    let (jobs, few) = (scale.jobs, scale.pick_ups);
    let work = async |task| -> anyhow::Result<Outcome> {
        ask(
            Role::Work,
            &Plan {
                place: place.clone(),
                keys: keys.to_owned(),
                task,
            },
        )
        .await
    };
    Ok(Round {
        add: work(Task::Add { jobs, callers: CALLERS }).await?,
        floor_add: work(Task::FloorAdd { jobs, batch: ADD_BATCH }).await?,
        drain: work(Task::Drain { jobs }).await?,
        floor_drain: work(Task::FloorDrain {
            jobs,
            batch: DRAIN_BATCH,
        })
        .await?,
        pick_up: work(Task::PickUp { jobs: few }).await?,
        floor_pick_up: work(Task::FloorPickUp { jobs: few }).await?,
    })
}

fn tell(report: &mut Report, kind: Kind, rounds: &[Round]) {
    let of = |figure: &dyn Fn(&Round) -> f64| median(rounds.iter().map(figure));
    type Pick = fn(&Round) -> &Outcome;
    let turns: [(&str, Pick, Pick); 3] = [
        ("add", |round| &round.add, |round| &round.floor_add),
        ("drain", |round| &round.drain, |round| &round.floor_drain),
        ("pick-up", |round| &round.pick_up, |round| &round.floor_pick_up),
    ];
    for (name, own, floor) in turns {
        let paced = name == "pick-up";
        let speed = |pick: Pick| {
            if paced {
                "-".into()
            } else {
                thousands(of(&|round| pick(round).per_second))
            }
        };
        let time = |pick: Pick, high: bool| {
            let us = of(&|round| {
                let within = pick(round).within;
                (if high { within.p99_us } else { within.p50_us }) as f64
            });
            if us > 0.0 { ms(us as u64) } else { "-".into() }
        };
        let ratio = of(&|round| match paced {
            true => floor(round).within.p50_us as f64 / own(round).within.p50_us as f64,
            false => own(round).per_second / floor(round).per_second,
        });
        report.row([
            format!("{} {name}", kind.name()),
            speed(own),
            speed(floor),
            format!("{ratio:.2}"),
            time(own, false),
            time(own, true),
            time(floor, false),
            time(floor, true),
        ]);
    }
}
