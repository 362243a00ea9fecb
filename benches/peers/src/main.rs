//! Measures all contenders in turns; `benches/peers/run` builds them and starts the servers.

use std::path::PathBuf;

use clap::Parser;

/// The same work on relais' queue and on what users would pick instead.
#[derive(Parser)]
struct Arguments {
    /// Only these: names of contenders, or redis, postgres, sqlite. Ours is always among them.
    names: Vec<String>,
    /// Jobs that a worker runs.
    #[arg(long, default_value_t = 100_000)]
    jobs: usize,
    /// So many of them are added one at a time, from 64 callers; the others in bulk.
    #[arg(long, default_value_t = 20_000)]
    adds: usize,
    /// Jobs that wait beside them, so that the memory of a worker in front of a long queue shows.
    #[arg(long, default_value_t = 0)]
    waiting: usize,
    /// Jobs whose pick-up is timed.
    #[arg(long, default_value_t = 250)]
    pick_ups: usize,
    /// How often everybody has a turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// After so many seconds a part has failed.
    #[arg(long, default_value_t = 120)]
    limit: u64,
    /// For files of SQLite, on a disk like that of the servers.
    #[arg(long)]
    directory: PathBuf,
    /// All figures, as JSON.
    #[arg(long)]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let scale = peers::Scale {
        jobs: arguments.jobs,
        adds: arguments.adds.min(arguments.jobs),
        waiting: arguments.waiting,
        pick_ups: arguments.pick_ups,
        rounds: arguments.rounds,
        limit_s: arguments.limit,
    };
    peers::measure(&arguments.names, scale, arguments.directory, &arguments.out).await
}
