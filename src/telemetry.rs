//! Log lines: one JSON object each for machines, or a readable line for eyes.
//!
//! The JSON form is flat. The fields of the spans around an event stand beside its own, so that every line of a job
//! carries `job.id` and `correlation` and can be found by either:
//!
//! ```json
//! {"at":"2026-01-31T09:30:00.000001Z","level":"INFO","target":"jobs","message":"…","job.id":"…","correlation":"…"}
//! ```
//!
//! Lines are collected in memory and written by a thread of their own ([`writer`]), so a busy worker does not stand
//! still for its log; [`Guard`] writes the rest when the process ends.

mod json;
mod writer;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogFormat, LogSettings};
use writer::Writer;

/// Where log lines go, and which there are unless `RUST_LOG` says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard output, from `info` up: for processes whose log is their output.
    Stdout,
    /// Standard error, from `warn` up: for commands whose output is an answer.
    Stderr,
}

/// Keeps the log going. Dropping it writes what is left.
#[must_use = "dropping it ends the log"]
#[derive(Debug)]
pub struct Guard(Writer);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Starts the log of this process, and makes panics lines of it. A second call changes nothing.
pub fn init(settings: &LogSettings, destination: Destination) -> Guard {
    let usual = match destination {
        Destination::Stdout => "info",
        Destination::Stderr => "warn",
    };
    let filter = EnvFilter::new(settings.filter.as_deref().unwrap_or(usual));
    let writer = Writer::start(destination);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match settings.format {
        LogFormat::Json => registry.with(json::JsonLayer::new(writer.clone())).try_init(),
        LogFormat::Pretty => {
            let lines = writer.clone();
            let layer = tracing_subscriber::fmt::layer()
                .with_target(false)
                .with_ansi(writer.is_terminal());
            registry.with(layer.with_writer(move || lines.clone())).try_init()
        }
    };
    if started.is_ok() {
        log_panics(writer.clone());
    }
    Guard(writer)
}

/// A panic's own text may hold anything, a payload included: only its place is logged.
fn log_panics(writer: Writer) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic
            .location()
            .map_or_else(|| "unknown".to_owned(), ToString::to_string);
        let thread = std::thread::current();
        tracing::error!(
            place,
            thread = thread.name().unwrap_or("unnamed"),
            "The program panicked."
        );
        writer.flush();
    }));
}
