//! The queue in an SQLite file: one writer at a time, every call one transaction, few statements in each.
//!
//! A call to the connection's thread and back costs more than most statements, so one call brings all statements that need
//! nothing of each other's answers, with an empty array for those that have nothing to do. Bulk goes in and out as JSON
//! arrays, and as one blob that is cut up with `substr` where it is bytes.
//!
//! The store in this process writes to the same file, by turns with the queue, and so may other processes: every transaction
//! begins with `BEGIN IMMEDIATE`, and a file that stays busy is an unreachable queue.

mod add;
mod cancel;
mod care;
mod checkpoint;
mod claim;
mod dead;
mod keyed;
mod letters;
mod limits;
mod lines;
mod ready;
mod rescue;
mod settle;
mod sweep;
mod wake;

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use tokio::sync::Notify;
use turns::Turns;
use uuid::Uuid;

use super::inspect::Connection;
use super::limits::reserve_again;
use super::pool::{Pool, call, is_busy};
use super::ring::Rings;
use super::{SqlOptions, inspect};
use crate::backend::{Added, BATCH_MAX, Cancelled, ClaimRequest, Claims, Counter, Counts, Finding, NewDead, NewJob};
use crate::backend::{Purged, QueueError, RetryDead, Settle, Sweep};
use crate::clock::Millis;
use crate::flow::{Key, Limit, Missed};
use crate::job::{JobId, Queue};
use crate::pauses::{Pause, Scope};

/// How long SQLite waits by itself for another process that writes.
const BUSY_LIMIT: Duration = Duration::from_millis(50);

/// Pages that the writer keeps in memory, as its `cache_size`: 16 MiB. Keys are random, so each job touches pages of its own.
const WRITER_CACHE: &str = "-16384";

/// Readers beside the writer: listings, figures, and whoever looks for what other processes did.
const READERS: usize = 2;

/// How many times one sweep takes back ended leases (each time those of about a thousand jobs).
const RESCUE_ROUNDS: usize = 10;

pub(super) struct SqliteQueue {
    pub(super) writer: Pool<SqliteConnection>,
    pub(super) reader: Pool<SqliteConnection>,
    rings: Rings,
    wakes: wake::Wakes,
    checkpoints: checkpoint::Checkpoints,
    turns: Turns,
}

/// Runs a future that borrows the writer's connection in a transaction of its own. There is no rollback: a call that
/// fails closes its connection, and that is one.
macro_rules! write {
    ($queue:expr, $connection:ident => $work:expr) => {
        write!($queue, "BEGIN IMMEDIATE", "COMMIT", $connection => $work)
    };
    ($queue:expr, $begin:literal, $commit:literal, $connection:ident => $work:expr) => {
        call!($queue.writer, $connection => async {
            let _turn = $queue.turns.take().await;
            begin(&mut *$connection, $begin).await?;
            let answer = {
                let $connection: &mut SqliteConnection = &mut *$connection;
                $work.await?
            };
            sqlx::query($commit).execute(&mut *$connection).await?;
            $queue.checkpoints.count();
            Ok(answer)
        })
    };
}

/// The same without a wait for the disk, for what is worth nothing without the process that did it. A power cut takes a lease back
/// together with its worker: the job is as ready as before, its crash is not counted, and its start of a rate was not used.
/// Whatever a run writes into this file carries its claim to the disk with it.
macro_rules! write_soon {
    ($queue:expr, $connection:ident => $work:expr) => {
        write!(
            $queue,
            "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
            "COMMIT; PRAGMA synchronous = FULL",
            $connection => $work
        )
    };
}

/// Waits for other processes that write. SQLite itself looks again after ever longer pauses, and under steady writing by
/// others the one that pauses longest never gets to it; so it is given little time, and asked anew until the call's time is up.
async fn begin(connection: &mut SqliteConnection, begin: &'static str) -> Result<(), sqlx::Error> {
    loop {
        match sqlx::query(begin).execute(&mut *connection).await {
            Ok(_) => return Ok(()),
            Err(error) if is_busy(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

impl SqliteQueue {
    pub(super) fn connect(url: &str, options: &SqlOptions) -> Result<Self, QueueError> {
        let connect = SqliteConnectOptions::from_str(url)
            .map_err(|_| QueueError::Broken("the URL of the SQLite file cannot be read".into()))?
            .foreign_keys(true)
            // All rows of a batch: a smaller buffer makes the two threads wait for each other again and again.
            .row_buffer_size(BATCH_MAX)
            .busy_timeout(BUSY_LIMIT)
            .pragma("temp_store", "MEMORY");
        let reader = connect.clone().pragma("query_only", "1");
        // The mode is the file's, so the writer alone sets it: to change it takes the whole file for a moment. As to
        // `synchronous`, with NORMAL a power cut may take back what was answered already.
        let writer = connect
            .pragma("cache_size", WRITER_CACHE)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", checkpoint::PAGES_MAX);
        Ok(Self {
            turns: Turns::of(writer.get_filename()),
            checkpoints: checkpoint::Checkpoints::new(writer.clone()),
            writer: Pool::new(writer, 1, options.call_limit),
            wakes: wake::Wakes::new(reader.clone()),
            reader: Pool::new(reader, READERS, options.call_limit),
            rings: Rings::default(),
        })
    }

    pub(super) fn wakes(&self, queue: Queue) -> Arc<Notify> {
        self.wakes.of(queue)
    }

    pub(super) async fn add(&self, jobs: &[NewJob], now: Millis) -> Result<Vec<Added>, QueueError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let added = write!(self, connection => add::add(connection, jobs, now))?;
        for queue in Queue::ALL {
            if jobs.iter().any(|job| job.queue == queue) {
                self.wakes.ring(queue);
            }
        }
        Ok(added)
    }

    pub(super) async fn claim(&self, request: &ClaimRequest) -> Result<Claims, QueueError> {
        let ring = self.rings.get(request.queue, request.lane);
        let outcome = write_soon!(self, connection => claim::claim(connection, request, &ring, &self.rings))?;
        self.rings
            .went(request.queue, request.lane, ring, outcome.visit, request.want);
        Ok(outcome.claims)
    }

    pub(super) async fn settle(
        &self,
        queue: Queue,
        settles: &[Settle],
        finished: &[i64],
        now: Millis,
    ) -> Result<Vec<bool>, QueueError> {
        let held = write!(self, connection => settle::settle(connection, queue, settles, finished, now))?;
        self.wake_after(queue, settles);
        Ok(held)
    }

    /// One transaction, so one wait for the disk.
    pub(super) async fn step(
        &self,
        settles: &[Settle],
        finished: &[i64],
        request: &ClaimRequest,
    ) -> Result<(Vec<bool>, Claims), QueueError> {
        let ring = self.rings.get(request.queue, request.lane);
        let (held, outcome) = write!(self, connection => async {
            let held = settle::settle(connection, request.queue, settles, finished, request.now).await?;
            Ok::<_, sqlx::Error>((held, claim::claim(connection, request, &ring, &self.rings).await?))
        })?;
        self.rings
            .went(request.queue, request.lane, ring, outcome.visit, request.want);
        self.wake_after(request.queue, settles);
        Ok((held, outcome.claims))
    }

    fn wake_after(&self, queue: Queue, settles: &[Settle]) {
        use crate::backend::Outcome::{Later, Release};
        // Another job of its line may follow, or its limit key have room.
        let others = |settle: &Settle| !settle.keys.is_free();
        if settles
            .iter()
            .any(|settle| matches!(settle.outcome, Later { .. } | Release) || others(settle))
        {
            self.wakes.ring(queue);
        }
    }

    pub(super) async fn renew(&self, claims: &[i64], until: Millis) -> Result<Vec<i64>, QueueError> {
        write!(self, connection => settle::renew(connection, claims, until))
    }

    pub(super) async fn sweep(&self, queue: Queue, now: Millis, dice: f64) -> Result<Sweep, QueueError> {
        // Looked at first without the right to write, which only one can have at a time.
        let (due, next) = call!(self.reader, connection => sweep::outlook(connection, queue, now))?;
        if !due {
            return Ok(Sweep {
                next_due: next,
                ..Sweep::default()
            });
        }
        let mut sweep = write!(self, connection => sweep::promote(connection, queue, now))?;
        for _ in 0..RESCUE_ROUNDS {
            let found = write!(self, connection => rescue::rescue(connection, queue, now, dice))?;
            sweep.rescued += found.rescued;
            sweep.unheard += found.unheard;
            sweep.poisoned += found.poisoned;
            sweep.next_due = [sweep.next_due, found.next_due].into_iter().flatten().min();
            if found.leases == 0 {
                break;
            }
        }
        // Of those that were poisoned, the next in their lines are ready.
        if sweep.promoted + sweep.rescued + sweep.unheard + sweep.poisoned > 0 {
            self.wakes.ring(queue);
        }
        Ok(sweep)
    }

    pub(super) async fn unpark(&self, queue: Queue, gates: &[String]) -> Result<u64, QueueError> {
        let mut total = 0;
        loop {
            let count = write!(self, connection => sweep::unpark(connection, queue, gates))?;
            total += count;
            if count > 0 {
                self.wakes.ring(queue);
            }
            if count < sweep::UNPARK_MAX {
                return Ok(total);
            }
        }
    }

    pub(super) async fn set_limit(
        &self,
        queue: Queue,
        key: &Key,
        limit: Option<Limit>,
        now: Millis,
    ) -> Result<(), QueueError> {
        write!(self, connection => limits::set(connection, queue, key, limit, now))?;
        self.wakes.ring(queue);
        Ok(())
    }

    pub(super) async fn reserve_again(&self, queue: Queue, key: &Key, missed: Missed) -> Result<Millis, QueueError> {
        write_soon!(self, connection => reserve_again(Connection::Sqlite(connection), queue, key, missed))
    }

    pub(super) async fn pause(&self, pause: &Pause) -> Result<(), QueueError> {
        write!(self, connection => inspect::pause(inspect::Connection::Sqlite(connection), pause))
    }

    pub(super) async fn resume(&self, scope: &Scope) -> Result<(), QueueError> {
        write!(self, connection => inspect::resume(inspect::Connection::Sqlite(connection), scope))?;
        if let Scope::Queue(queue) = scope {
            self.wakes.ring(*queue);
        }
        Ok(())
    }

    pub(super) async fn counts(&self, queue: Queue) -> Result<Counts, QueueError> {
        call!(self.reader, connection => care::counts(connection, queue))
    }

    pub(super) async fn cancel(&self, id: JobId, now: Millis) -> Result<Cancelled, QueueError> {
        let (cancelled, follows) = write!(self, connection => cancel::cancel(connection, id, now))?;
        if let Some(queue) = follows {
            self.wakes.ring(queue);
        }
        Ok(cancelled)
    }

    pub(super) async fn cancelled(&self, running: &[JobId]) -> Result<Vec<JobId>, QueueError> {
        call!(self.reader, connection => cancel::cancelled(connection, running))
    }

    pub(super) async fn retry_all_dead(&self, letters: &[RetryDead<'_>], now: Millis) -> Result<Vec<bool>, QueueError> {
        let (risen, queues) = write!(self, connection => dead::retry(connection, letters, now))?;
        queues.into_iter().for_each(|queue| self.wakes.ring(queue));
        Ok(risen)
    }

    pub(super) async fn rewrite(&self, id: JobId, old: &[u8], new: &[u8]) -> Result<bool, QueueError> {
        write!(self, connection => inspect::rewrite(inspect::Connection::Sqlite(connection), id, old, new))
    }

    pub(super) async fn delete_dead(&self, id: JobId) -> Result<bool, QueueError> {
        let queue = write!(self, connection => dead::delete(connection, id))?;
        // Another job of its line may follow.
        if let Some(queue) = queue {
            self.wakes.ring(queue);
        }
        Ok(queue.is_some())
    }

    pub(super) async fn put_letters(&self) -> Result<(), QueueError> {
        write!(self, connection => letters::put(connection))
    }

    pub(super) async fn import_dead(&self, letters: &[NewDead], now: Millis) -> Result<Vec<bool>, QueueError> {
        write!(self, connection => letters::import(connection, letters, now))
    }

    pub(super) async fn count(&self, counters: &[(Counter, u64)]) -> Result<(), QueueError> {
        write!(self, connection => care::count(connection, counters))
    }

    pub(super) async fn announce(&self, worker: &crate::backend::Worker, until: Millis) -> Result<(), QueueError> {
        write!(self, connection => inspect::announce(inspect::Connection::Sqlite(connection), worker, until))
    }

    pub(super) async fn purge(&self, queue: Queue, now: Millis, dead_before: Millis) -> Result<Purged, QueueError> {
        let purged = write!(self, connection => care::purge(connection, queue, now, dead_before))?;
        if purged.dead > 0 {
            self.wakes.ring(queue);
        }
        Ok(purged)
    }

    pub(super) async fn check(&self) -> Result<Vec<Finding>, QueueError> {
        let settings = call!(self.writer, connection => care::settings(connection))?;
        let mut held = self.reader.hold_for(care::CHECK_LIMIT).await?;
        let deadline = held.deadline;
        let faults = tokio::time::timeout_at(deadline, care::faults(held.connection())).await;
        Ok(care::findings(&settings, &held.end(faults)?))
    }
}

/// Takes `count` new numbers for jobs that go behind everything that waits, and answers the first of them.
async fn numbers_back(connection: &mut SqliteConnection, count: usize) -> Result<i64, sqlx::Error> {
    const BACK: &str = "UPDATE queue_sequences SET value = value + $1 WHERE name = 'back' RETURNING value - $1 + 1";
    sqlx::query_scalar(BACK).bind(number(count)).fetch_one(connection).await
}

/// A size as the database has it.
fn number(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Values as a JSON array, for `json_each`.
fn json<T: serde::Serialize>(values: &[T]) -> Result<String, sqlx::Error> {
    serde_json::to_string(values).map_err(super::pool::broken)
}

/// Uuids as one blob, for `substr`: the one with index `i` begins at byte `16 × i + 1`.
fn packed<'a>(ids: impl IntoIterator<Item = &'a Uuid>) -> Vec<u8> {
    ids.into_iter().flat_map(Uuid::as_bytes).copied().collect()
}
