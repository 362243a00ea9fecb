//! The queue in an SQLite file: one writer at a time, every call one transaction.
//!
//! A transaction runs through on a thread of its own ([`writer`]), with its statements one after the other
//! ([`statements`]). Bulk goes in and out as JSON arrays, and as one blob that is cut up with `substr` where it is bytes. What
//! only looks goes over connections that are for reading, and mostly says the same on both databases.
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
mod single;
pub(super) mod statements;
mod sweep;
mod wake;
mod writer;

use std::str::FromStr as _;
use std::sync::Arc;

use rusqlite::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::Notify;
use uuid::Uuid;

use self::statements::query;
use self::writer::{BUSY_LIMIT, Writer};
use super::SqlOptions;
use super::pool::{Pool, call};
use super::ring::{Ring, Rings};
use crate::backend::{Added, BATCH_MAX, Cancelled, ClaimRequest, Claims, Counter, Counts, Finding, NewDead, NewJob};
use crate::backend::{Purged, QueueError, RetryDead, Settle, Sweep};
use crate::clock::Millis;
use crate::flow::{Key, Limit, Missed};
use crate::job::{JobId, Queue};
use crate::pauses::{Pause, Scope};

/// Connections for listings, figures, and whoever looks for what other processes did.
const READERS: usize = 2;

/// How many times one sweep takes back ended leases (each time those of about a thousand jobs).
const RESCUE_ROUNDS: usize = 10;

pub(super) struct SqliteQueue {
    writer: Writer,
    pub(super) reader: Pool<SqliteConnection>,
    rings: Arc<Rings>,
    wakes: wake::Wakes,
}

impl SqliteQueue {
    pub(super) fn connect(url: &str, options: &SqlOptions) -> Result<Self, QueueError> {
        let connect = SqliteConnectOptions::from_str(url)
            .map_err(|_| QueueError::Broken("the URL of the SQLite file cannot be read".into()))?
            .busy_timeout(BUSY_LIMIT)
            .row_buffer_size(BATCH_MAX)
            .pragma("temp_store", "MEMORY");
        only_mode(url)?;
        let checkpoints = checkpoint::Checkpoints::new(connect.clone());
        let reader = connect.pragma("query_only", "1");
        Ok(Self {
            writer: Writer::new(reader.get_filename().to_owned(), options.call_limit, checkpoints)?,
            wakes: wake::Wakes::new(reader.clone()),
            reader: Pool::new(reader, READERS, options.call_limit),
            rings: Arc::default(),
        })
    }

    /// Closes what is idle; the next calls open the file anew.
    pub(super) fn clear(&self) {
        self.writer.clear();
        self.reader.clear();
    }

    pub(super) fn wakes(&self, queue: Queue) -> Arc<Notify> {
        self.wakes.of(queue)
    }

    pub(super) async fn add(&self, jobs: &[NewJob], now: Millis) -> Result<Vec<Added>, QueueError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let owned = jobs.to_vec();
        let added = self
            .writer
            .write(move |connection| add::add(connection, &owned, now))
            .await?;
        for queue in Queue::ALL {
            if jobs.iter().any(|job| job.queue == queue) {
                self.wakes.ring(queue);
            }
        }
        Ok(added)
    }

    pub(super) async fn claim(&self, request: &ClaimRequest) -> Result<Claims, QueueError> {
        let ring = self.rings.get(request.queue, request.lane);
        let claim = self.claiming(request, &ring);
        let outcome = self.writer.write_soon(claim).await?;
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
        let settle = settling(queue, settles, finished, now);
        let held = self.writer.write(settle).await?;
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
        let settle = settling(request.queue, settles, finished, request.now);
        let claim = self.claiming(request, &ring);
        let (held, outcome) = self
            .writer
            .write(move |connection| Ok((settle(connection)?, claim(connection)?)))
            .await?;
        self.rings
            .went(request.queue, request.lane, ring, outcome.visit, request.want);
        self.wake_after(request.queue, settles);
        Ok((held, outcome.claims))
    }

    fn claiming(
        &self,
        request: &ClaimRequest,
        ring: &Ring,
    ) -> impl FnOnce(&Connection) -> Result<claim::Outcome, sqlx::Error> + use<> {
        let (request, ring, rings) = (request.clone(), ring.clone(), Arc::clone(&self.rings));
        move |connection| claim::claim(connection, &request, &ring, &rings)
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
        let claims = claims.to_vec();
        let renew = move |connection: &Connection| settle::renew(connection, &claims, until);
        self.writer.write(renew).await
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
        let mut sweep = self
            .writer
            .write(move |connection| sweep::promote(connection, queue, now))
            .await?;
        for _ in 0..RESCUE_ROUNDS {
            let rescue = move |connection: &Connection| rescue::rescue(connection, queue, now, dice);
            let found = self.writer.write(rescue).await?;
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
            let gates = gates.to_vec();
            let unpark = move |connection: &Connection| sweep::unpark(connection, queue, &gates);
            let count = self.writer.write(unpark).await?;
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
        let key = key.clone();
        let set = move |connection: &Connection| limits::set(connection, queue, &key, limit, now);
        self.writer.write(set).await?;
        self.wakes.ring(queue);
        Ok(())
    }

    pub(super) async fn reserve_again(&self, queue: Queue, key: &Key, missed: Missed) -> Result<Millis, QueueError> {
        let key = key.clone();
        let reserve = move |connection: &Connection| limits::reserve_again(connection, queue, &key, missed);
        self.writer.write_soon(reserve).await
    }

    pub(super) async fn pause(&self, pause: &Pause) -> Result<(), QueueError> {
        let (gate, details) = (pause.scope.gate(), pause.details());
        self.writer
            .write(move |connection| single::pause(connection, &gate, &details))
            .await
    }

    pub(super) async fn resume(&self, scope: &Scope) -> Result<(), QueueError> {
        let gate = scope.gate();
        self.writer
            .write(move |connection| single::resume(connection, &gate))
            .await?;
        if let Scope::Queue(queue) = scope {
            self.wakes.ring(*queue);
        }
        Ok(())
    }

    pub(super) async fn counts(&self, queue: Queue) -> Result<Counts, QueueError> {
        call!(self.reader, connection => care::counts(connection, queue))
    }

    pub(super) async fn cancel(&self, id: JobId, now: Millis) -> Result<Cancelled, QueueError> {
        let (cancelled, follows) = self
            .writer
            .write(move |connection| cancel::cancel(connection, id, now))
            .await?;
        if let Some(queue) = follows {
            self.wakes.ring(queue);
        }
        Ok(cancelled)
    }

    pub(super) async fn cancelled(&self, running: &[JobId]) -> Result<Vec<JobId>, QueueError> {
        call!(self.reader, connection => cancel::cancelled(connection, running))
    }

    /// Without a wait for the disk. What whoever retries many writes down about it goes into the same file, and takes all that
    /// was written before with it.
    pub(super) async fn retry_all_dead(&self, letters: &[RetryDead<'_>], now: Millis) -> Result<Vec<bool>, QueueError> {
        let retried = self.writer.write_soon(retrying(letters, now)).await?;
        Ok(self.told_of(retried))
    }

    pub(super) async fn retry_for_good(&self, letters: &[RetryDead<'_>], now: Millis) -> Result<Vec<bool>, QueueError> {
        let retried = self.writer.write(retrying(letters, now)).await?;
        Ok(self.told_of(retried))
    }

    /// Wakes the queues in which letters live again.
    fn told_of(&self, (risen, queues): dead::Retried) -> Vec<bool> {
        queues.into_iter().for_each(|queue| self.wakes.ring(queue));
        risen
    }

    pub(super) async fn rewrite(&self, id: JobId, old: &[u8], new: &[u8]) -> Result<bool, QueueError> {
        let (old, new) = (old.to_vec(), new.to_vec());
        self.writer
            .write(move |connection| single::rewrite(connection, id, &old, &new))
            .await
    }

    pub(super) async fn delete_dead(&self, id: JobId) -> Result<bool, QueueError> {
        let queue = self
            .writer
            .write(move |connection| dead::delete(connection, id))
            .await?;
        // Another job of its line may follow.
        if let Some(queue) = queue {
            self.wakes.ring(queue);
        }
        Ok(queue.is_some())
    }

    pub(super) async fn put_letters(&self) -> Result<(), QueueError> {
        self.writer.write(letters::put).await
    }

    pub(super) async fn import_dead(&self, letters: &[NewDead], now: Millis) -> Result<Vec<bool>, QueueError> {
        let letters = letters.to_vec();
        let import = move |connection: &Connection| letters::import(connection, &letters, now);
        self.writer.write(import).await
    }

    pub(super) async fn count(&self, counters: &[(Counter, u64)]) -> Result<(), QueueError> {
        let counters = counters.to_vec();
        self.writer
            .write(move |connection| care::count(connection, &counters))
            .await
    }

    pub(super) async fn announce(&self, worker: &crate::backend::Worker, until: Millis) -> Result<(), QueueError> {
        let worker = worker.clone();
        self.writer
            .write(move |connection| single::announce(connection, &worker, until))
            .await
    }

    pub(super) async fn purge(&self, queue: Queue, now: Millis, dead_before: Millis) -> Result<Purged, QueueError> {
        let purge = move |connection: &Connection| care::purge(connection, queue, now, dead_before);
        let purged = self.writer.write(purge).await?;
        if purged.dead > 0 {
            self.wakes.ring(queue);
        }
        Ok(purged)
    }

    pub(super) async fn check(&self) -> Result<Vec<Finding>, QueueError> {
        let settings = self.writer.write(care::settings).await?;
        let mut held = self.reader.hold_for(care::CHECK_LIMIT).await?;
        let deadline = held.deadline;
        let faults = tokio::time::timeout_at(deadline, care::faults(held.connection())).await;
        Ok(care::findings(&settings, &held.end(faults)?))
    }
}

/// Other parameters change how a file is locked, which all who use it must agree about.
fn only_mode(url: &str) -> Result<(), QueueError> {
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    if matches!(parameters, "" | "mode=rw" | "mode=rwc") {
        return Ok(());
    }
    Err(QueueError::Broken(
        "the URL of an SQLite file has no parameters but mode=rw or mode=rwc".into(),
    ))
}

fn settling(
    queue: Queue,
    settles: &[Settle],
    finished: &[i64],
    now: Millis,
) -> impl FnOnce(&Connection) -> Result<Vec<bool>, sqlx::Error> + use<> {
    let (settles, finished) = (settles.to_vec(), finished.to_vec());
    move |connection| settle::settle(connection, queue, &settles, &finished, now)
}

fn retrying(
    letters: &[RetryDead<'_>],
    now: Millis,
) -> impl FnOnce(&Connection) -> Result<dead::Retried, sqlx::Error> + use<> {
    let owned = |letter: &RetryDead<'_>| (letter.id, letter.body.map(<[u8]>::to_vec));
    let letters: Vec<_> = letters.iter().map(owned).collect();
    move |connection| dead::retry(connection, &letters, now)
}

/// Takes `count` new numbers for jobs that go behind everything that waits, and answers the first of them.
fn numbers_back(connection: &Connection, count: usize) -> Result<i64, sqlx::Error> {
    const BACK: &str = "UPDATE queue_sequences SET value = value + $1 WHERE name = 'back' RETURNING value - $1 + 1";
    query(BACK).bind(number(count)).fetch_one(connection)
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
