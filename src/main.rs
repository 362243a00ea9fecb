//! The program: reads what it was asked to do and does it.

use std::process::ExitCode;

fn main() -> ExitCode {
    relais::cli::run()
}
