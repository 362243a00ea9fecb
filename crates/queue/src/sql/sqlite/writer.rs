//! The one connection that writes, and the threads on which its transactions run.
//!
//! A transaction is a closure, so it runs through without a word to anybody: the file is busy as long as SQLite needs, and not
//! as long as two threads need to talk about each statement.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use turns::Turns;

use super::super::pool::{failure, is_busy, too_late};
use super::checkpoint::{Checkpoints, PAGES_MAX};
use super::statements;
use crate::backend::QueueError;

/// How long SQLite waits by itself for another process that writes.
pub(super) const BUSY_LIMIT: Duration = Duration::from_millis(50);

/// The pause before it is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(1);

/// Pages that are kept in memory, as its `cache_size`: 16 MiB. Keys are random, so each job touches pages of its own.
const CACHE_KIB: i64 = -16_384;

/// More than there are statements.
const STATEMENTS_MAX: usize = 256;

/// Whether what is answered is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sync {
    /// It is.
    Now,
    /// With the next transaction that is.
    Later,
}

pub(super) struct Writer {
    path: PathBuf,
    call_limit: Duration,
    /// Not there while it is in use, and after something went wrong.
    idle: Arc<Mutex<Option<Connection>>>,
    turns: Turns,
    checkpoints: Checkpoints,
}

impl Writer {
    pub(super) fn new(path: PathBuf, call_limit: Duration, checkpoints: Checkpoints) -> Self {
        Self {
            turns: Turns::of(&path),
            path,
            call_limit,
            idle: Arc::default(),
            checkpoints,
        }
    }

    /// Closes the connection, if it is idle; the next call opens it anew.
    pub(super) fn clear(&self) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Runs a transaction. One that fails leaves nothing behind, and neither does one that nobody waits for any more before
    /// it is committed.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, sqlx::Error> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.run(Sync::Now, work).await
    }

    /// The same without a wait for the disk, for what is worth nothing without the process that did it. A power cut takes a
    /// lease back together with its worker: the job is as ready as before, its crash is not counted, and its start of a rate
    /// was not used. Whatever a run writes into this file carries its claim to the disk with it.
    pub(super) async fn write_soon<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, sqlx::Error> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.run(Sync::Later, work).await
    }

    async fn run<T: Send + 'static>(
        &self,
        sync: Sync,
        work: impl FnOnce(&Connection) -> Result<T, sqlx::Error> + Send + 'static,
    ) -> Result<T, QueueError> {
        let deadline = Instant::now() + self.call_limit;
        let outcome = tokio::time::timeout(self.call_limit, async {
            let turn = self.turns.take().await;
            let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
            // Dropped with this future, if nobody waits for the answer any more.
            let waits = Arc::new(());
            let waited_for = Arc::downgrade(&waits);
            let transaction = tokio::task::spawn_blocking(move || {
                // Until the end, whoever waits for it.
                let _turn = turn;
                let is_over = || Instant::now() >= deadline || waited_for.strong_count() == 0;
                transact(&path, &idle, sync, is_over, work)
            });
            let outcome = transaction.await;
            drop(waits);
            outcome
        });
        match outcome.await {
            Ok(Ok(outcome)) => {
                let answer = outcome.map_err(|error| failure(&error))?;
                self.checkpoints.count();
                Ok(answer)
            }
            Ok(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
            Ok(Err(_)) => Err(QueueError::Unavailable("the process ends".into())),
            Err(_) => Err(too_late()),
        }
    }
}

fn transact<T>(
    path: &Path,
    idle: &Mutex<Option<Connection>>,
    sync: Sync,
    is_over: impl Fn() -> bool,
    work: impl FnOnce(&Connection) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    let waiting = idle.lock().unwrap_or_else(PoisonError::into_inner).take();
    let connection = match waiting {
        Some(connection) => connection,
        None => until_free(&is_over, || open(path))?,
    };
    if sync == Sync::Later {
        run(&connection, "PRAGMA synchronous = NORMAL")?;
    }
    // SQLite itself looks again after ever longer pauses, and under steady writing by others the one that pauses longest never
    // gets to it; so it is given little time, and asked anew.
    until_free(&is_over, || run(&connection, "BEGIN IMMEDIATE"))?;
    let answer = work(&connection)?;
    if is_over() {
        return Err(sqlx::Error::PoolTimedOut);
    }
    run(&connection, "COMMIT")?;
    if sync == Sync::Later {
        run(&connection, "PRAGMA synchronous = FULL")?;
    }
    // A connection with which something went wrong is closed instead, and with it goes its transaction.
    *idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
    Ok(answer)
}

/// Tries again while another process writes, or opens the file for the first time, which SQLite does not wait for.
fn until_free<T>(
    is_over: impl Fn() -> bool,
    mut attempt: impl FnMut() -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    loop {
        match attempt() {
            Err(error) if is_busy(&error) && !is_over() => std::thread::sleep(BUSY_PAUSE),
            outcome => return outcome,
        }
    }
}

fn run(connection: &Connection, statement: &'static str) -> Result<(), sqlx::Error> {
    statements::query(statement).execute(connection).map(drop)
}

fn open(path: &Path) -> Result<Connection, sqlx::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_LIMIT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        // Otherwise SQLite plans a statement anew, for ten times what it costs to run, whenever a value is bound that might
        // decide about a partial index.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "cache_size", CACHE_KIB)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        // The mode is the file's, so the writer alone sets it: to change it takes the whole file for a moment. As to
        // `synchronous`, with NORMAL a power cut may take back what was answered already.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", PAGES_MAX)?;
        Ok(connection)
    };
    open().map_err(statements::failure)
}
