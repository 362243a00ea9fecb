//! The one connection that writes, and the thread that has it.
//!
//! A transaction is a closure, so it runs through without a word to anybody: the file is busy as long as SQLite needs, and not
//! as long as two threads need to talk about each statement. It goes on when its caller has given up, and then has no effect
//! unless it was about to be committed.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;
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

/// What the thread does with the connection. There is none at first, and after something went wrong or was given up.
type Work = Box<dyn FnOnce(&mut Option<Connection>) + Send>;

type Outcome<T> = Result<Result<T, sqlx::Error>, Box<dyn Any + Send>>;

pub(super) struct Writer {
    path: PathBuf,
    call_limit: Duration,
    turns: Turns,
    checkpoints: Checkpoints,
    /// It ends, and closes the connection, when this does.
    thread: mpsc::Sender<Work>,
}

impl Writer {
    pub(super) fn new(path: PathBuf, call_limit: Duration, checkpoints: Checkpoints) -> Result<Self, QueueError> {
        let (thread, work) = mpsc::channel();
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || serve(&work))
            .map_err(|error| QueueError::Unavailable(format!("no thread for the SQLite file: {error}")))?;
        Ok(Self {
            turns: Turns::of(&path),
            path,
            call_limit,
            checkpoints,
            thread,
        })
    }

    /// Closes the connection; the next call opens it anew.
    pub(super) fn clear(&self) {
        self.tell(|connection| *connection = None);
    }

    /// Runs a transaction. One that fails leaves nothing behind, and neither does one that nobody waits for any more before
    /// it is committed.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, sqlx::Error> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.run(Sync::Now, work).await
    }

    /// The same without a wait for the disk: a power cut may take it back, until something else is written into this file. For
    /// what is worth nothing without what will be. A lease is taken back together with its worker: the job is as ready as before,
    /// its crash is not counted, and its start of a rate was not used; and whatever a run writes carries its claim to the disk.
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
            let (answer, answered) = oneshot::channel::<Outcome<T>>();
            let path = self.path.clone();
            self.tell(move |connection| {
                // Until the end, whoever waits for it.
                let _turn = turn;
                let is_over = || Instant::now() >= deadline || answer.is_closed();
                let transaction = AssertUnwindSafe(|| transact(&path, connection, sync, is_over, work));
                let outcome = catch_unwind(transaction);
                // Nobody may be there to hear it.
                let _ = answer.send(outcome);
            });
            answered.await
        });
        match outcome.await {
            Ok(Ok(Ok(outcome))) => {
                let answer = outcome.map_err(|error| failure(&error))?;
                self.checkpoints.count();
                Ok(answer)
            }
            Ok(Ok(Err(panic))) => resume_unwind(panic),
            Ok(Err(_)) => Err(QueueError::Unavailable(
                "the thread for the SQLite file has ended".into(),
            )),
            Err(_) => Err(too_late()),
        }
    }

    /// Without a thread the work is dropped, and with it the answer to whoever waits for it.
    fn tell(&self, work: impl FnOnce(&mut Option<Connection>) + Send + 'static) {
        drop(self.thread.send(Box::new(work)));
    }
}

fn serve(work: &mpsc::Receiver<Work>) {
    let mut connection = None;
    for work in work {
        work(&mut connection);
    }
}

/// The connection is taken for the time being, and put back only if all went well: else it is closed, and with it goes its
/// transaction.
fn transact<T>(
    path: &Path,
    idle: &mut Option<Connection>,
    sync: Sync,
    is_over: impl Fn() -> bool,
    work: impl FnOnce(&Connection) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    if is_over() {
        return Err(sqlx::Error::PoolTimedOut);
    }
    let connection = match idle.take() {
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
    // It has happened: what goes wrong now is the next call's.
    let is_durable_again = sync == Sync::Now || run(&connection, "PRAGMA synchronous = FULL").is_ok();
    *idle = is_durable_again.then_some(connection);
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
