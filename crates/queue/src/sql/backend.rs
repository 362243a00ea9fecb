//! Which part answers which call.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::inspect::{self, Connection};
use super::pool::call;
use super::{SqlQueue, Store, letters, waits};
use crate::backend::{
    Added, Backend, Cancelled, ClaimRequest, Claims, Counter, Counts, DeadFilter, DeadGroup, Finding, Flights, Kept,
    ListRequest, Mark, NewDead, NewJob, Page, Purged, QueueError, RetryDead, Settle, StillReady, Sweep, Worker,
};
use crate::backend::{bounded, claim_again};
use crate::clock::Millis;
use crate::flow::{Key, Limit, LimitState, Missed};
use crate::job::{JobId, Queue};
use crate::pauses::{Pause, Scope};

/// Asks the one of the two that it is.
macro_rules! each {
    ($queue:expr, $store:ident => $call:expr) => {
        match &$queue.store {
            Store::Postgres($store) => $call,
            Store::Sqlite($store) => $call,
        }
    };
}

/// Runs one of the functions that only look, on whichever connection is for looking.
macro_rules! look {
    ($queue:expr, $connection:ident => $work:expr) => {
        match &$queue.store {
            Store::Postgres(store) => call!(store.pool, inner => {
                let $connection = Connection::Postgres(inner);
                $work
            }),
            Store::Sqlite(store) => call!(store.reader, inner => {
                let $connection = Connection::Sqlite(inner);
                $work
            }),
        }
    };
}

/// How many thousands of dead letters one sweep puts into their buckets.
const SWEEP_ROUNDS: usize = 5;

impl SqlQueue {
    /// Puts letters into their buckets, at most so many thousands.
    async fn put_letters(&self, rounds: usize) -> Result<(), QueueError> {
        for _ in 0..rounds {
            if !look!(self, connection => letters::any_loose(connection))? {
                break;
            }
            each!(self, store => store.put_letters().await)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Backend for SqlQueue {
    /// A file has one writer: a second call would wait for the first, without what comes meanwhile.
    fn flights(&self) -> Flights {
        match &self.store {
            Store::Postgres(_) => Flights { adds: 2, steps: 2 },
            Store::Sqlite(_) => Flights { adds: 1, steps: 1 },
        }
    }

    fn call_limit(&self) -> Duration {
        self.call_limit
    }

    async fn add(&self, jobs: &[NewJob], now: Millis) -> Result<Vec<Added>, QueueError> {
        each!(self, store => store.add(jobs, now).await)
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, QueueError> {
        each!(self, store => store.claim(request).await)
    }

    async fn settle(
        &self,
        queue: Queue,
        settles: &[Settle],
        finished: &[i64],
        now: Millis,
    ) -> Result<Vec<bool>, QueueError> {
        each!(self, store => store.settle(queue, settles, finished, now).await)
    }

    async fn step(
        &self,
        settles: &[Settle],
        finished: &[i64],
        request: &ClaimRequest,
    ) -> Result<(Vec<bool>, Claims), QueueError> {
        match &self.store {
            Store::Postgres(store) => {
                let held = store.settle(request.queue, settles, finished, request.now).await?;
                Ok((held, store.claim(request).await.or_else(claim_again)?))
            }
            Store::Sqlite(store) => store.step(settles, finished, request).await,
        }
    }

    async fn renew(&self, _queue: Queue, claims: &[i64], until: Millis) -> Result<Vec<i64>, QueueError> {
        each!(self, store => store.renew(claims, until).await)
    }

    async fn sweep(&self, queue: Queue, now: Millis, dice: f64) -> Result<Sweep, QueueError> {
        let swept = each!(self, store => store.sweep(queue, now, dice).await)?;
        self.put_letters(SWEEP_ROUNDS).await?;
        Ok(swept)
    }

    fn wakes(&self, queue: Queue) -> Arc<Notify> {
        each!(self, store => store.wakes(queue))
    }

    async fn unpark(&self, queue: Queue, gates: &[String], _now: Millis) -> Result<u64, QueueError> {
        each!(self, store => store.unpark(queue, gates).await)
    }

    async fn set_limit(&self, queue: Queue, key: &Key, limit: Option<Limit>, now: Millis) -> Result<(), QueueError> {
        each!(self, store => store.set_limit(queue, key, limit, now).await)
    }

    async fn reserve_again(&self, queue: Queue, key: &Key, missed: Missed) -> Result<Millis, QueueError> {
        each!(self, store => store.reserve_again(queue, key, missed).await)
    }

    async fn limits(&self, queue: Queue, now: Millis) -> Result<Vec<LimitState>, QueueError> {
        look!(self, connection => inspect::limits(connection, queue, now))
    }

    async fn gates(&self, queue: Queue) -> Result<Vec<(String, u64)>, QueueError> {
        look!(self, connection => inspect::gates(connection, queue))
    }

    async fn pause(&self, pause: &Pause) -> Result<(), QueueError> {
        each!(self, store => store.pause(pause).await)
    }

    async fn resume(&self, scope: &Scope) -> Result<(), QueueError> {
        each!(self, store => store.resume(scope).await)
    }

    async fn pauses(&self) -> Result<Vec<Pause>, QueueError> {
        look!(self, connection => inspect::pauses(connection))
    }

    async fn counts(&self, queue: Queue) -> Result<Counts, QueueError> {
        each!(self, store => store.counts(queue).await)
    }

    async fn still_ready(&self, queue: Queue, marks: &[Mark], dice: f64) -> Result<StillReady, QueueError> {
        look!(self, connection => waits::still_ready(connection, queue, marks, dice))
    }

    async fn find(&self, id: JobId) -> Result<Option<Kept>, QueueError> {
        look!(self, connection => inspect::find(connection, id))
    }

    async fn ended(&self, id: JobId) -> Result<bool, QueueError> {
        look!(self, connection => inspect::ended(connection, id))
    }

    async fn list(&self, request: ListRequest<'_>) -> Result<Page, QueueError> {
        look!(self, connection => inspect::list(connection, request))
    }

    async fn cancel(&self, id: JobId, now: Millis) -> Result<Cancelled, QueueError> {
        each!(self, store => store.cancel(id, now).await)
    }

    async fn cancelled(&self, _queue: Queue, running: &[JobId]) -> Result<Vec<JobId>, QueueError> {
        each!(self, store => store.cancelled(running).await)
    }

    async fn list_dead(&self, filter: &DeadFilter, cursor: Option<&str>, limit: usize) -> Result<Page, QueueError> {
        if letters::asks_for_buckets(filter) {
            self.put_letters(usize::MAX).await?;
        }
        look!(self, connection => letters::list(connection, filter, cursor, limit))
    }

    async fn dead_groups(&self, filter: &DeadFilter) -> Result<Vec<DeadGroup>, QueueError> {
        self.put_letters(usize::MAX).await?;
        look!(self, connection => letters::groups(connection, filter))
    }

    async fn import_dead(&self, letters: &[NewDead], now: Millis) -> Result<Vec<bool>, QueueError> {
        if letters.is_empty() {
            return Ok(Vec::new());
        }
        each!(self, store => store.import_dead(letters, now).await)
    }

    async fn retry_all_dead(&self, letters: &[RetryDead<'_>], now: Millis) -> Result<Vec<bool>, QueueError> {
        bounded(letters.len())?;
        each!(self, store => store.retry_all_dead(letters, now).await)
    }

    async fn retry_dead(&self, id: JobId, body: Option<&[u8]>, now: Millis) -> Result<bool, QueueError> {
        let letters = [RetryDead { id, body }];
        let risen = match &self.store {
            Store::Postgres(store) => store.retry_all_dead(&letters, now).await?,
            Store::Sqlite(store) => store.retry_for_good(&letters, now).await?,
        };
        Ok(risen == [true])
    }

    async fn rewrite(&self, id: JobId, old: &[u8], new: &[u8]) -> Result<bool, QueueError> {
        each!(self, store => store.rewrite(id, old, new).await)
    }

    async fn delete_dead(&self, id: JobId) -> Result<bool, QueueError> {
        each!(self, store => store.delete_dead(id).await)
    }

    async fn count(&self, counters: &[(Counter, u64)]) -> Result<(), QueueError> {
        each!(self, store => store.count(counters).await)
    }

    async fn counters(&self) -> Result<Vec<(Counter, u64)>, QueueError> {
        look!(self, connection => inspect::counters(connection))
    }

    async fn announce(&self, worker: &Worker, until: Millis) -> Result<(), QueueError> {
        each!(self, store => store.announce(worker, until).await)
    }

    async fn workers(&self, now: Millis) -> Result<Vec<Worker>, QueueError> {
        look!(self, connection => inspect::workers(connection, now))
    }

    async fn purge(&self, queue: Queue, now: Millis, dead_before: Millis) -> Result<Purged, QueueError> {
        each!(self, store => store.purge(queue, now, dead_before).await)
    }

    async fn reconnect(&self) {
        match &self.store {
            Store::Postgres(store) => store.pool.clear(),
            Store::Sqlite(store) => store.clear(),
        }
    }

    async fn ping(&self) -> Result<(), QueueError> {
        look!(self, connection => inspect::ping(connection))
    }

    async fn check(&self) -> Result<Vec<Finding>, QueueError> {
        each!(self, store => store.check().await)
    }
}
