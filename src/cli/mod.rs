//! The command line: what the program can be asked to do.

use std::process::ExitCode;

use clap::Parser;

use crate::config::Flags;

/// relais: webhooks in, durable jobs, workers.
#[derive(Parser)]
#[command(name = "relais", version)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
}

/// Does what the command line asks for.
#[must_use]
pub fn run() -> ExitCode {
    let _cli = Cli::parse();
    ExitCode::SUCCESS
}
