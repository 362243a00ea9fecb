//! The queue on Postgres and SQLite.
//!
//! A call that adds jobs gives them consecutive numbers (`seq`), sorted by tenant. Waiting work is not one row per job but
//! one row per *run* of consecutive numbers, so a job costs three writes in its whole life: its row, its key's row, and
//! the end of its row.
//!
//! | table | one row per | who writes it |
//! |---|---|---|
//! | `queue_keys` | unique key, for days after the end of its job | add; settle only if the job ends on a later day |
//! | `queue_jobs` | job that has not ended, by `seq` | add inserts, settle deletes; a claim does **not** touch it |
//! | `queue_ready` | run of jobs that may start: lane, tenant, first `seq`, length | add inserts, claim cuts off |
//! | `queue_leases` | claim: its number, its end, the runs it took | claim inserts, renew, settle or sweep deletes |
//! | `queue_later` | job that waits for its time | add and settle insert, sweep moves it to `queue_ready` |
//! | `queue_parked` | job behind a gate | settle inserts, unpark moves it to `queue_ready` |
//! | `queue_dead`, `queue_errors` | dead letter; failed attempt | settle, sweep, import |
//! | `queue_dead_buckets` | queue, tenant and group of dead letters, with their count | whoever changes `queue_dead`; see `letters` |
//! | `queue_control`, `_cancels`, `_counters`, `_workers` | switch, wish, figure, process | their own calls |
//!
//! **A live job is covered once**: by a ready run, by a lease's run, by a row of `queue_later`, or by one of `queue_parked`.
//! [`check`](crate::backend::Backend::check) looks for any that is not. Ready runs have no holes, so their lengths add up
//! to the number of ready jobs; a lease's runs get holes as its jobs are settled.
//!
//! **A stale owner can do nothing.** Settling locks the lease row and then names jobs by `seq`. If the lease is gone
//! (rescued), nothing happens. And whatever takes a job out of its lease (retry, park, release, rescue) gives it a new
//! `seq`, so an old ticket names a row that is not there.
//!
//! **A crash of a worker** leaves a lease that ends. Sweep deletes the lease row and gives whatever job rows are left in
//! its runs new numbers, with one crash more. **A crash of the database** loses nothing that was answered: one call, one
//! transaction. What was not answered may have happened, and asking again is harmless: a known key is a duplicate, a
//! claim that nobody heard of ends by itself. But for claims and many retries at once on SQLite: a power cut may take back the last
//! of them. A claim goes with its crash and its place in a rate, and its worker is gone, too; whoever retries many notes what
//! it did in the same file afterwards.
//!
//! **Several processes.** On Postgres, rows that somebody else is working on are skipped (`SKIP LOCKED`), and locks on
//! keys and leases are taken in the order of their ids. On SQLite there is one writer at a time (`BEGIN IMMEDIATE`).

mod backend;
mod inspect;
mod letters;
mod limits;
mod outcome;
mod pool;
mod postgres;
mod ring;
mod rows;
mod single;
mod sqlite;
mod texts;
mod waits;

use std::time::Duration;

use crate::backend::{CALL_LIMIT, QueueError};
use postgres::PostgresQueue;
use sqlite::SqliteQueue;

/// How an [`SqlQueue`] uses its database.
#[derive(Clone, Debug)]
pub struct SqlOptions {
    /// Postgres: connections beside the one that listens.
    pub connections: usize,
    /// When a call that has no answer fails.
    pub call_limit: Duration,
}

impl Default for SqlOptions {
    fn default() -> Self {
        Self {
            connections: 5,
            call_limit: CALL_LIMIT,
        }
    }
}

/// The queue in a database that has the tables of `migrations/`.
pub struct SqlQueue {
    store: Store,
    call_limit: Duration,
}

enum Store {
    Postgres(Box<PostgresQueue>),
    Sqlite(Box<SqliteQueue>),
}

impl SqlQueue {
    /// The queue at `postgres://…` or `sqlite://PATH`. Connects when it is first used, so this succeeds while the
    /// database is away.
    ///
    /// # Errors
    /// When the URL is not one of these two.
    pub fn connect(url: &str, options: &SqlOptions) -> Result<Self, QueueError> {
        let store = match url.split_once(':') {
            Some(("postgres" | "postgresql", _)) => Store::Postgres(Box::new(PostgresQueue::connect(url, options)?)),
            Some(("sqlite", _)) => Store::Sqlite(Box::new(SqliteQueue::connect(url, options)?)),
            _ => {
                return Err(QueueError::Broken(
                    "the URL must begin with postgres:// or sqlite://".into(),
                ));
            }
        };
        Ok(Self {
            store,
            call_limit: options.call_limit,
        })
    }
}
