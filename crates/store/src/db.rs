//! Two databases, one text.
//!
//! [`on!`] expands its body once for Postgres and once for SQLite, so a statement is written once, in the words both
//! understand: `$1` parameters, `ON CONFLICT … RETURNING`, times and ids bound and never computed in SQL. Where they
//! truly differ (row locks), the second text stands beside the first.

use std::fs::OpenOptions;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Executor as _, Postgres, Sqlite, SqlitePool, Transaction};
use turns::{Turn, Turns};
use uuid::Uuid;

use crate::StoreError;

/// Runs a body on whichever database it is: `on!(db.reader(), pool => sqlx::query(…).fetch_all(pool).await)`.
macro_rules! on {
    ($side:expr, $executor:ident => $body:expr) => {
        match $side {
            $crate::db::On::Postgres($executor) => $body,
            $crate::db::On::Sqlite($executor) => $body,
        }
    };
}

/// Runs a body, a single statement that writes, in its turn: `write_on!(self.db, pool => sqlx::query(…).execute(pool).await)`.
macro_rules! write_on {
    ($db:expr, $executor:ident => $body:expr) => {{
        let writer = $db.writer().await?;
        on!(writer.pool(), $executor => $body)
    }};
}

/// Ends a condition with the values of a list: after `query.push(" AND id")`, `push_in!(query, contact in contacts => contact.0)`
/// makes it ` AND id IN ($1, $2, …)`.
macro_rules! push_in {
    ($query:expr, $item:pat in $items:expr => $value:expr) => {
        $query.push(" IN (");
        let mut list = $query.separated(", ");
        for $item in $items {
            list.push_bind($value);
        }
        $query.push(")");
    };
}

/// Ends what would otherwise hold a lock for ever: a process stopped in the middle of a transaction, a statement
/// waiting for one. A job that meets such an end is simply run again.
const POSTGRES_SESSION: &str =
    "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '5s'; SET statement_timeout = '20s'";

/// How long a write waits for its turn to write to an SQLite file: within this process.
const SQLITE_WRITER_WAIT: Duration = Duration::from_secs(30);
/// How long SQLite waits for whoever writes without a turn: another process, or a call that was given up and is not over yet.
const SQLITE_BUSY_WAIT: Duration = Duration::from_secs(5);

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Postgres connections at most; on SQLite, readers at most beside the one writer.
    pub connections: u32,
    /// How long to wait for a free connection, a new one's set-up included.
    pub acquire_timeout: Duration,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            connections: 8,
            acquire_timeout: Duration::from_secs(2),
        }
    }
}

/// The database, whichever of the two it is. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Db {
    /// A Postgres server.
    Postgres(PgPool),
    /// An SQLite file in WAL mode: one writer, and readers that never wait for it.
    Sqlite {
        /// The one connection that writes.
        writer: SqlitePool,
        /// Connections that refuse to write.
        readers: SqlitePool,
        /// Who writes next, here or in a queue in the same file.
        turns: Turns,
    },
}

impl Db {
    /// Connects to `sqlite://PATH` (made when it does not exist) or `postgres://…`.
    ///
    /// Postgres is reached lazily: starting while it is away succeeds, and every later call finds it again by itself.
    ///
    /// # Errors
    /// [`StoreError::Url`] for an address of another kind; [`StoreError::Unavailable`] when the SQLite file cannot be
    /// opened.
    pub async fn connect(url: &str, options: &ConnectOptions) -> Result<Self, StoreError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            connect_postgres(url, options)
        } else if url.starts_with("sqlite:") {
            connect_sqlite(url, options).await
        } else {
            Err(StoreError::Url("must begin with sqlite:// or postgres://"))
        }
    }

    /// Asks the database for an answer.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is none in time.
    pub async fn ping(&self) -> Result<(), StoreError> {
        on!(self.reader(), pool => sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(pool).await)?;
        Ok(())
    }

    /// Closes every connection, once those in use come back.
    pub async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
        }
    }

    /// Where to run a statement that only reads.
    pub(crate) fn reader(&self) -> On<&PgPool, &SqlitePool> {
        match self {
            Self::Postgres(pool) => On::Postgres(pool),
            Self::Sqlite { readers, .. } => On::Sqlite(readers),
        }
    }

    /// The right to run a single statement that writes; see `write_on!`.
    pub(crate) async fn writer(&self) -> Result<Writer<'_>, StoreError> {
        Ok(match self {
            Self::Postgres(pool) => Writer {
                pool: On::Postgres(pool),
                _turn: None,
            },
            Self::Sqlite { writer, turns, .. } => Writer {
                pool: On::Sqlite(writer),
                _turn: Some(turn(turns).await?),
            },
        })
    }

    /// Begins a transaction that writes. On SQLite it has the file's write lock from its first moment, because one
    /// that reads first and then writes is refused when another wrote in between.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Postgres(pool) => On::Postgres(begin_whole(pool).await?),
            Self::Sqlite { writer, turns, .. } => {
                let turn = turn(turns).await?;
                On::Sqlite(SqliteTransaction {
                    inner: writer.begin_with("BEGIN IMMEDIATE").await?,
                    _turn: turn,
                })
            }
        })
    }
}

pub(crate) async fn turn(turns: &Turns) -> Result<Turn, StoreError> {
    let turn = tokio::time::timeout(SQLITE_WRITER_WAIT, turns.take()).await;
    turn.map_err(|_| StoreError::Unavailable("others write to the SQLite file all the time".into()))
}

/// Begins a transaction to the end, also when whoever asked gives up on the way, as they do at a time-out.
///
/// The driver counts a transaction when the answer to `BEGIN` is there (sqlx 0.9, issue 4393). A connection given up before
/// that would go back to the pool in a transaction that nobody ends, and what is written through it next would be lost. In
/// a task of its own the answer is always read, and a transaction that nobody takes any more is rolled back.
async fn begin_whole(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let pool = pool.clone();
    tokio::spawn(async move { pool.begin().await })
        .await
        .unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

fn connect_postgres(url: &str, options: &ConnectOptions) -> Result<Db, StoreError> {
    let connect = PgConnectOptions::from_str(url).map_err(|_| StoreError::Url("is not a valid postgres:// URL"))?;
    let pool = PgPoolOptions::new()
        .max_connections(options.connections)
        .acquire_timeout(options.acquire_timeout)
        .after_connect(|connection, _| Box::pin(async move { connection.execute(POSTGRES_SESSION).await.map(|_| ()) }))
        .connect_lazy_with(connect.application_name("relais"));
    Ok(Db::Postgres(pool))
}

async fn connect_sqlite(url: &str, options: &ConnectOptions) -> Result<Db, StoreError> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(StoreError::Url(
            "must name a file: every connection would have a memory of its own",
        ));
    }
    let connect = SqliteConnectOptions::from_str(url)
        .map_err(|_| StoreError::Url("is not of the form sqlite://PATH"))?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL would lose what was acknowledged when the power fails.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What is written back to the file at that length keeps a caller waiting. Beside a queue in the same file, the
        // queue sees to it earlier.
        .pragma("wal_autocheckpoint", "4000")
        .busy_timeout(SQLITE_BUSY_WAIT);
    make_file(connect.get_filename()).map_err(|error| {
        StoreError::Unavailable(format!("the SQLite file cannot be made ({})", error.kind()).into())
    })?;
    let turns = Turns::of(connect.get_filename());
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(SQLITE_WRITER_WAIT)
        .test_before_acquire(false)
        // SQLite ends a transaction by itself when the disk is full. The driver does not notice, and would begin no other.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
        .connect_with(connect.clone())
        .await?;
    // Each is asked whether it is well when it comes back, and a file does not go away as a server does.
    let readers = SqlitePoolOptions::new()
        .max_connections(options.connections)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .connect_lazy_with(connect.pragma("query_only", "ON"));
    Ok(Db::Sqlite { writer, readers, turns })
}

/// Makes the file, if there is none, so that nobody but its user reads it, whatever the process's umask: not all that is in it
/// is sealed. SQLite gives the files beside it the same mode. A file that is there keeps the mode that somebody chose for it.
fn make_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// One of two things, by dialect.
#[derive(Clone, Copy)]
pub(crate) enum On<P, S> {
    Postgres(P),
    Sqlite(S),
}

/// The right to write, and where.
pub(crate) struct Writer<'a> {
    pool: On<&'a PgPool, &'a SqlitePool>,
    _turn: Option<Turn>,
}

impl Writer<'_> {
    pub(crate) fn pool(&self) -> On<&PgPool, &SqlitePool> {
        self.pool
    }
}

/// A transaction of either kind. Rolled back when it is dropped.
pub(crate) type Tx = On<Transaction<'static, Postgres>, SqliteTransaction>;

/// A transaction in its turn.
pub(crate) struct SqliteTransaction {
    // The first to be dropped.
    inner: Transaction<'static, Sqlite>,
    _turn: Turn,
}

impl SqliteTransaction {
    async fn commit(self) -> Result<(), sqlx::Error> {
        self.inner.commit().await
    }

    async fn rollback(self) -> Result<(), sqlx::Error> {
        self.inner.rollback().await
    }
}

impl Deref for SqliteTransaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.inner
    }
}

impl DerefMut for SqliteTransaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.inner
    }
}

impl Tx {
    /// Where to run the transaction's statements.
    pub(crate) fn connection(&mut self) -> On<&mut PgConnection, &mut SqliteConnection> {
        match self {
            Self::Postgres(transaction) => On::Postgres(&mut **transaction),
            Self::Sqlite(transaction) => On::Sqlite(&mut **transaction),
        }
    }

    /// Waits until no other transaction works on what `id` names, and keeps others out until this one ends. Works for
    /// what has no row yet, which a row lock cannot do.
    pub(crate) async fn serialise_on(&mut self, id: Uuid) -> Result<(), StoreError> {
        match self {
            Self::Postgres(transaction) => {
                sqlx::query("SELECT pg_advisory_xact_lock($1)")
                    .bind(id.as_u64_pair().0.cast_signed())
                    .execute(&mut **transaction)
                    .await?;
            }
            // There is only one writer.
            Self::Sqlite(_) => {}
        }
        Ok(())
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        on!(self, transaction => transaction.commit().await)?;
        Ok(())
    }

    pub(crate) async fn rollback(self) -> Result<(), StoreError> {
        on!(self, transaction => transaction.rollback().await)?;
        Ok(())
    }
}
