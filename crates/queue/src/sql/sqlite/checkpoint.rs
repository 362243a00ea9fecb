//! Writing back what the write-ahead log holds, beside the calls instead of in the middle of one.
//!
//! SQLite by itself has whoever commits when the log has become long copy it into the file: tens of milliseconds, which
//! that call and all behind it wait for. A task of ours does it earlier, on a connection of its own, while calls go on. It
//! never waits for a reader or for the writer (`PASSIVE`) and nothing depends on it: when it does not get to it, or is dead,
//! the writer's own limit counts. What it writes back was committed, so that it may die anywhere.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// After so many transactions the log is written back. Each leaves some ten pages in it.
const TRANSACTIONS: u32 = 64;

/// The pause after a checkpoint: it makes the disk busy.
const PAUSE: Duration = Duration::from_millis(100);

/// Pages in the log at which the writer writes back itself, as its `wal_autocheckpoint`.
pub(super) const PAGES_MAX: &str = "4000";

/// Counts transactions, and has the log written back.
pub(super) struct Checkpoints {
    options: SqliteConnectOptions,
    count: AtomicU32,
    due: Arc<Notify>,
    task: OnceLock<AbortHandle>,
}

impl Checkpoints {
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        Self {
            options,
            count: AtomicU32::new(0),
            due: Arc::default(),
            task: OnceLock::new(),
        }
    }

    /// A transaction has ended.
    pub(super) fn count(&self) {
        if self.count.fetch_add(1, Ordering::Relaxed) + 1 < TRANSACTIONS {
            return;
        }
        self.count.store(0, Ordering::Relaxed);
        self.task
            .get_or_init(|| tokio::spawn(keep(self.options.clone(), Arc::clone(&self.due))).abort_handle());
        self.due.notify_one();
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

async fn keep(options: SqliteConnectOptions, due: Arc<Notify>) {
    let mut idle: Option<SqliteConnection> = None;
    loop {
        due.notified().await;
        let connection = match idle.take() {
            Some(connection) => Ok(connection),
            None => options.connect().await,
        };
        if let Ok(mut connection) = connection {
            // What fails here the writer does itself, or says.
            let written = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
                .execute(&mut connection)
                .await;
            idle = written.is_ok().then_some(connection);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
