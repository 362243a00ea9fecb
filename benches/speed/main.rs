//! How fast it is, beside the least that could be done instead.
//!
//! ```text
//! cargo bench                       everything; about ten minutes
//! cargo bench -- intake             only what is named: intake, signatures, queue, growth,
//!                                   fairness, letters, inbox, retention
//! cargo bench -- growth redis       on some backends only: sqlite, postgres, redis
//! cargo bench -- --quick            a short run (also BENCH_QUICK=1)
//! ```
//! | section | measures | beside |
//! |---|---|---|
//! | [`intake`] | accepted signed webhooks a second through the real `relais web` | an axum handler that only answers 202 |
//! | [`signatures`] | how soon webhooks are answered at a steady pace, signed as providers do, beside a worker | each other |
//! | [`queue`] | add, drain and pick-up on every backend | the writes that cannot be avoided, without a queue around them |
//! | [`growth`] | drain speed and memory with little and with much waiting | itself |
//! | [`fairness`] | how long jobs of one tenant wait while another floods the queue | the same without the flood |
//! | [`letters`] | how long live jobs wait while a group of a million dead letters is retried | the same before |
//! | [`inbox`] | pages of every kind of list, of a million interactions | |
//! | [`retention`] | how soon webhooks are answered while a fifth of a million messages goes because of its age | the same before and after |
//!
//! Tables are printed, and the same figures go to `target/bench/SECTION.json`. Nothing here asserts a time: a figure of
//! a busy machine is not a fault. Every figure with a partner is measured in turns with it, so that both meet the same
//! machine.
//!
//! Redis is needed for its rows, and Postgres for its own (`TEST_POSTGRES_URL`, or a server that is started here with
//! its default settings); what is not installed is left out and said to be. `cargo test --all-targets` also runs this
//! program, without `--bench`: then it goes once through a few jobs on SQLite and ends.

mod bare;
mod child;
mod fairness;
mod figures;
mod floor;
mod growth;
mod inbox;
mod intake;
mod letters;
mod load;
mod machine;
mod place;
mod queue;
mod report;
mod retention;
mod retries;
mod scale;
mod server;
mod services;
mod signatures;
mod table;
mod turns;
mod waits;
mod webhooks;
mod work;

use std::process::ExitCode;

use place::Kind;
use scale::Scale;
use services::Services;

const SECTIONS: [&str; 8] = [
    "intake",
    "signatures",
    "queue",
    "growth",
    "fairness",
    "letters",
    "inbox",
    "retention",
];

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, role, plan] = arguments.as_slice()
        && flag == child::FLAG
    {
        child::play(role, plan)?;
        return Ok(ExitCode::SUCCESS);
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let quick = has("--quick") || std::env::var_os("BENCH_QUICK").is_some();
    let scale = match (has("--bench"), quick) {
        (false, _) => Scale::TINY,
        (true, true) => Scale::QUICK,
        (true, false) => Scale::FULL,
    };
    let named: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_backend = |name: &&str| Kind::ALL.iter().any(|kind| kind.name().eq_ignore_ascii_case(name));
    let (backends, sections): (Vec<&str>, Vec<&str>) = named.into_iter().partition(is_backend);
    if let Some(unknown) = sections.iter().find(|name| !SECTIONS.contains(name)) {
        let sections = SECTIONS.join(", ");
        eprintln!("There is no section and no backend `{unknown}`; sections are {sections}.");
        return Ok(ExitCode::FAILURE);
    }
    let wanted = |section: &str| sections.is_empty() || sections.contains(&section);
    let mut kinds = Kind::ALL.to_vec();
    kinds.retain(|kind| backends.is_empty() || backends.iter().any(|name| kind.name().eq_ignore_ascii_case(name)));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let services = Services::start(&scale, kinds).await?;
        if wanted("intake") {
            intake::measure(&scale, &services).await?;
        }
        if wanted("signatures") {
            signatures::measure(&scale, &services).await?;
        }
        if wanted("queue") {
            queue::measure(&scale, &services).await?;
        }
        if wanted("growth") {
            growth::measure(&scale, &services).await?;
        }
        if wanted("fairness") {
            fairness::measure(&scale, &services).await?;
        }
        if wanted("letters") {
            letters::measure(&scale, &services).await?;
        }
        if wanted("inbox") {
            inbox::measure(&scale, &services).await?;
        }
        if wanted("retention") {
            retention::measure(&scale, &services).await?;
        }
        services.stop().await
    })?;
    Ok(ExitCode::SUCCESS)
}
