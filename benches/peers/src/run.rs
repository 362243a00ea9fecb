//! Everybody in turns: A B C, A B C.

mod field;
mod process;
mod report;
mod servers;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::machine::{Ticks, load_average};
use crate::plan::{Outcome, Task};
use field::Entrant;
use process::{Failed, ask};
use report::Report;
use servers::Servers;

/// Callers that add at once.
const CALLERS: usize = 64;

/// More of the processors than this given to other machines, in percent, and a figure says little.
const STOLEN_MAX: f64 = 5.0;

/// How much is done.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Scale {
    /// Jobs that a worker runs.
    pub jobs: usize,
    /// So many of them are added one at a time.
    pub adds: usize,
    /// Jobs that wait beside them.
    pub waiting: usize,
    /// Jobs whose pick-up is timed.
    pub pick_ups: usize,
    /// How often everybody has a turn.
    pub rounds: usize,
    /// After so many seconds a part has failed.
    pub limit_s: u64,
}

/// One entrant's turn in one round.
#[derive(Clone, Debug, Serialize)]
struct Turn {
    round: usize,
    add: Result<Outcome, Failed>,
    drain: Result<Outcome, Failed>,
    pick_up: Result<Outcome, Failed>,
    stolen_percent: f64,
    load_before: String,
}

impl Turn {
    fn is_noisy(&self) -> bool {
        self.stolen_percent > STOLEN_MAX
    }
}

/// Measures, prints and writes. No names = everybody.
///
/// # Errors
/// When a server is not as it should be. A contender that fails is a line of the report.
pub async fn measure(names: &[String], scale: Scale, directory: PathBuf, out: &Path) -> anyhow::Result<()> {
    let entrants = field::chosen(names)?;
    let servers = Servers::find(directory, &entrants).await?;
    let mut turns: Vec<Vec<Turn>> = vec![Vec::new(); entrants.len()];
    for round in 1..=scale.rounds {
        for (entrant, turns) in entrants.iter().zip(&mut turns) {
            eprintln!("round {round} of {}: {}", scale.rounds, entrant.label());
            let turn = turn(entrant, scale, &servers, round).await?;
            for failed in [&turn.add, &turn.drain, &turn.pick_up]
                .into_iter()
                .filter_map(|part| part.as_ref().err())
            {
                eprintln!("  {failed}");
            }
            turns.push(turn);
        }
    }
    Report::new(&entrants, &turns, scale, servers.durability()).finish(out)
}

/// Two places: jobs to pick up wait behind nobody.
async fn turn(entrant: &Entrant, scale: Scale, servers: &Servers, round: usize) -> anyhow::Result<Turn> {
    let (load_before, ticks) = (load_average(), Ticks::now());
    let place = servers.place(entrant.storage, entrant.throughput()).await?;
    let work = async |task| ask(entrant, &place, task, scale.limit_s).await;
    let prepared = work(Task::Prepare).await;
    let add = match prepared {
        Ok(_) => {
            let jobs = scale.adds;
            work(Task::Add { jobs, callers: CALLERS }).await
        }
        Err(failed) => Err(failed),
    };
    let waiting = scale.jobs + scale.waiting;
    let drain = match &add {
        Ok(_) => {
            let rest = waiting - scale.adds;
            match work(Task::Fill { jobs: rest }).await {
                Ok(_) => {
                    servers.settle(entrant.storage).await?;
                    let jobs = scale.jobs;
                    work(Task::Drain { jobs, waiting }).await
                }
                Err(failed) => Err(failed),
            }
        }
        Err(failed) => Err(failed.clone()),
    };
    servers.clear(entrant.storage, &place).await?;
    let place = servers.place(entrant.storage, entrant.latency()).await?;
    let pick_up = match ask(entrant, &place, Task::Prepare, scale.limit_s).await {
        Ok(_) => {
            let jobs = scale.pick_ups;
            ask(entrant, &place, Task::PickUp { jobs }, scale.limit_s).await
        }
        Err(failed) => Err(failed),
    };
    servers.clear(entrant.storage, &place).await?;
    Ok(Turn {
        round,
        add,
        drain,
        pick_up,
        stolen_percent: Ticks::now().stolen_since(ticks),
        load_before,
    })
}
