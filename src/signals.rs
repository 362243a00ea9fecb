//! What the operating system tells a process.

use tokio::signal::unix::{SignalKind, signal};

/// Returns at SIGTERM or SIGINT.
///
/// # Panics
/// When the process may not listen for signals, which no sane system forbids.
pub async fn end() {
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be listened for");
    let mut interrupt = signal(SignalKind::interrupt()).expect("signals can be listened for");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Calls `quiet` at every SIGUSR1.
///
/// # Panics
/// As [`end`].
pub async fn on_quiet(quiet: impl Fn()) {
    let mut usr1 = signal(SignalKind::user_defined1()).expect("signals can be listened for");
    while usr1.recv().await.is_some() {
        quiet();
    }
}
