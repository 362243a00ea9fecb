#![doc = include_str!("../README.md")]

mod book;
mod facts;
mod fault;
mod fleet;
mod ground;
mod judge;
mod kept;
mod limits;
mod load;
mod plan;
mod postgres;
mod report;
mod site;
mod storm;
mod versions;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use serde_json::json;
use simulator::Ledger;

use book::Book;
use facts::Facts;
use fleet::Role;
use judge::{Evidence, Verdict};
use kept::Kept;
use load::{Load, Rates};
use plan::{Backend, Plan, Style};
use site::{Site, Wanted};
use storm::{Diary, rage};
use versions::Version;

/// How long callers go on asking after all faults have ended.
const PROMISED_WITHIN: Duration = Duration::from_secs(120);

/// Does everything to an installation that can happen to one, under load, and compares what it promised with what it did.
#[derive(Parser)]
#[command(after_help = "Exit status: 0 nothing lost and nothing twice, 1 something was, 2 not understood.")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Subcommand)]
enum Command {
    /// Work as a worker of another version.
    #[command(hide = true)]
    Worker {
        #[arg(long)]
        version: Version,
    },
}

#[derive(Args)]
struct Run {
    /// Decides what is done and asked for. Drawn and printed when not given.
    #[arg(long)]
    seed: Option<u64>,
    /// How long faults and load go on; with `--plan outage`, how long each part is away; with
    /// `--plan limits` it takes what it takes.
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// What the installation stands on.
    #[arg(long, value_enum, default_value = "sqlite")]
    backend: Backend,
    /// Which faults.
    #[arg(long, value_enum, default_value = "storm")]
    plan: Style,
    /// Events each second.
    #[arg(long, default_value_t = 20.0)]
    events: f64,
    /// Messages to be sent each second.
    #[arg(long, default_value_t = 4.0)]
    sends: f64,
    /// With `--plan limits`, how many messages are sent under a limit on calls at once; one worker is killed for every
    /// 2,000.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=500_000))]
    messages: u32,
    /// With `--plan order`, how many people write ten texts each.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=9_000))]
    conversations: u32,
    /// Worker processes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=32))]
    workers: u8,
    /// How long to wait at the end until every job has ended.
    #[arg(long, default_value_t = 30.0)]
    drain_minutes: f64,
    /// Where to keep what processes print.
    #[arg(long, value_name = "DIRECTORY")]
    logs: Option<PathBuf>,
    /// The program under test; by default the one beside this one.
    #[arg(long, value_name = "FILE")]
    relais: Option<PathBuf>,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Some(Command::Worker { version }) => versions::work(version).map(|()| true),
        None => run(&cli.run),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(run: &Run) -> anyhow::Result<bool> {
    let seed = run.seed.unwrap_or_else(rand::random);
    let about = json!({
        "seed": seed, "backend": format!("{:?}", run.backend).to_lowercase(),
        "plan": format!("{:?}", run.plan).to_lowercase(), "minutes": run.minutes,
        "events_per_second": run.events, "sends_per_second": run.sends, "workers": run.workers,
    });
    eprintln!("chaos: {about}");
    let verdict = tokio::select! {
        verdict = all(run, seed) => verdict?,
        // What was started ends as it is dropped.
        () = relais::signals::end() => anyhow::bail!("ended before it was done"),
    };
    if run.json {
        println!("{}", report::summary(&about, &verdict));
        eprint!("{}", report::lines(&about, &verdict));
    } else {
        print!("{}", report::lines(&about, &verdict));
    }
    Ok(verdict.good)
}

async fn all(run: &Run, seed: u64) -> anyhow::Result<Verdict> {
    let here = tempfile::tempdir()?;
    let logs = run.logs.clone().unwrap_or_else(|| here.path().to_owned());
    std::fs::create_dir_all(&logs)?;
    let wanted = Wanted {
        backend: run.backend,
        seed,
        workers: run.workers.into(),
        relais: relais_program(run)?,
        logs,
    };
    let site = Site::start(&wanted).await?;
    let plan = Plan::new(run.plan, run.backend, seed, Duration::from_secs_f64(run.minutes * 60.0));
    let (book, diary) = (Arc::new(Book::default()), Diary::default());
    let load = Load::new(site.reach.clone(), &site.ground, Arc::clone(&book))?;
    let rates = Rates {
        events: run.events,
        sends: run.sends,
    };
    let course = async {
        let limited = match run.plan {
            Style::Limits => Some(limits::course(&site, &load, seed, run.messages).await?),
            Style::Order => {
                let talks = load.converse(seed, run.conversations, plan.length);
                let (raged, ()) = tokio::join!(rage(&site, run.backend, &plan, &diary), talks);
                raged?;
                None
            }
            Style::Storm | Style::Outage | Style::Deploy => {
                tokio::select! {
                    raged = rage(&site, run.backend, &plan, &diary) => raged?,
                    () = load.run(seed, rates) => {}
                }
                None
            }
        };
        let within = Duration::from_secs_f64(run.drain_minutes * 60.0);
        Ok::<_, anyhow::Error>((limited, finish(&site, &load, within).await?))
    };
    let (limited, drained) = tokio::select! {
        drained = course => drained?,
        () = site.fleet.watch() => anyhow::bail!("nobody looks after the processes any more"),
    };
    site.fleet.keep_logs();
    let evidence = Evidence {
        facts: Facts::read(&site.ground.database_url(true)).await?,
        kept: Kept::read(&*site.ground.queue(true)?).await?,
        pages: book.pages(),
        effects: site.simulator.look(marks),
        happened: diary.pages(),
        tenant: site.reach.tenant,
        findings: site.fleet.findings(),
        drained,
        limited,
        no_dead: run.plan == Style::Deploy,
    };
    Ok(judge::judge(&evidence))
}

/// All faults have ended: callers get their promises, the last workers become those of the next version, and every job
/// comes to its end.
async fn finish(site: &Site, load: &Load, within: Duration) -> anyhow::Result<bool> {
    eprintln!("chaos: all faults have ended; waiting for what is left");
    load.finish(PROMISED_WITHIN).await;
    for place in site.fleet.places(Role::Worker) {
        site.fleet.end(place).await;
        site.fleet.put(place, Some(Version::Next));
    }
    Ok(kept::drained(&*site.ground.queue(true)?, within).await?)
}

/// How often each mark was accepted outside.
fn marks(ledger: &Ledger) -> HashMap<String, u64> {
    let mut marks = HashMap::new();
    for effect in ledger.effects() {
        let subject = effect.subject.as_ref().map_or("", |subject| subject.expose());
        let mark = [subject, effect.text.expose()].into_iter().find_map(load::mark_in);
        *marks.entry(mark.unwrap_or("none").to_owned()).or_default() += 1;
    }
    marks
}

fn relais_program(run: &Run) -> anyhow::Result<PathBuf> {
    if let Some(program) = &run.relais {
        return Ok(program.clone());
    }
    let here = std::env::current_exe()?;
    let beside = here.with_file_name("relais");
    anyhow::ensure!(beside.exists(), "{} is not built", beside.display());
    beside.canonicalize().context("the program under test")
}
