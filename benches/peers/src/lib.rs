//! The same work on relais' queue and on what users would pick instead, in one run on one machine.
//!
//! Every contender is a program of its own (`src/bin/`, `node/`) that understands a [`Plan`] and answers with an
//! [`Outcome`], one line of JSON each; the loads are the same for all Rust ones because they are written once, in
//! [`play`]. `run` builds them, starts the servers and calls [`measure`]. What is compared with what, and how to read the
//! figures, is in README.md.

// The same sums, words and tables as in `cargo bench`, where these files are built and linted with the program.
#[path = "../../speed/figures.rs"]
#[allow(dead_code)]
mod figures;
#[path = "../../speed/machine.rs"]
mod machine;
#[path = "../../speed/table.rs"]
mod table;

mod apalis_worker;
mod contender;
mod job;
mod load;
mod plan;
mod run;
mod stage;

pub use apalis_worker::nothing;
pub use contender::Contender;
pub use job::Nothing;
pub use load::play;
pub use plan::{Outcome, Place, Plan, Task, Tuning};
pub use run::{Scale, measure};
pub use stage::Stage;

/// The name of the worker, where workers have one.
pub const WORKER: &str = "bench";

/// Jobs at once, where the contender's documents name no better number.
pub const CONCURRENCY: usize = 512;

/// Connections to Postgres, where the contender's documents name no better number: one for each caller.
pub const CONNECTIONS: u32 = 64;
