//! How the program is run and reached.

pub mod cli;
pub mod config;
pub mod telemetry;
