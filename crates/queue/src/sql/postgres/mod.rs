//! The queue on Postgres: every call is one statement, so one round trip and atomic by itself, except where noted. Calls
//! that have to do with limits or lines are short transactions where one statement cannot do it: it would not see what
//! others did while it waited for their locks.

mod add;
mod cancel;
mod care;
mod claim;
mod dead;
mod keyed;
mod letters;
mod limits;
mod lines;
mod pieces;
mod rescue;
mod settle;
mod single;
mod sweep;
mod wake;

use std::str::FromStr as _;
use std::sync::Arc;

use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{Notify, Semaphore};

use super::SqlOptions;
use super::pool::{Pool, call};
use super::ring::Rings;
use crate::backend::{Added, Cancelled, Claims, Counter, Counts, Finding, NewJob, QueueError, Settle, Sweep, Worker};
use crate::backend::{ClaimRequest, NewDead, Purged, RetryDead};
use crate::clock::Millis;
use crate::flow::{Key, Limit, Missed};
use crate::job::{JobId, Queue};
use crate::pauses::{Pause, Scope};

/// The planner's estimates are made for tables that keep their size. Ours are empty now and full in a minute, and a plan
/// that sorts all runs of a tenant to find the first is ruinous, so the ways to it are closed, and every plan is made
/// once, for unknown values. Hash joins stay: adds need them.
const SESSION: [(&str, &str); 8] = [
    ("enable_bitmapscan", "off"),
    ("enable_seqscan", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    // What the client has given up shall not go on holding locks.
    ("statement_timeout", "5000"),
    ("idle_in_transaction_session_timeout", "5000"),
    ("timezone", "UTC"),
];

/// How often a claim that came back empty looks again while work waits.
const CLAIM_TRIES: usize = 3;

/// How many times one sweep takes back ended leases (each time those of about a thousand jobs).
const RESCUE_ROUNDS: usize = 10;

/// How many starts that were missed are reserved again at once.
const RESERVES_AT_ONCE: usize = 2;

pub(super) struct PostgresQueue {
    pub(super) pool: Pool<PgConnection>,
    rings: Rings,
    wakes: wake::Wakes,
    /// Of all whose starts were missed at once, few ask at a time: they would meet at the same row, each with a connection
    /// that claims and settles wait for.
    reserves: Semaphore,
}

impl PostgresQueue {
    pub(super) fn connect(url: &str, options: &SqlOptions) -> Result<Self, QueueError> {
        let connect = PgConnectOptions::from_str(url)
            // The parser's error may repeat the URL, and with it the password.
            .map_err(|_| QueueError::Broken("the URL of the Postgres database cannot be read".into()))?
            .application_name("relais queue");
        let wakes = wake::Wakes::new(connect.clone());
        let pool = Pool::new(connect.options(SESSION), options.connections, options.call_limit);
        Ok(Self {
            pool,
            rings: Rings::default(),
            wakes,
            reserves: Semaphore::new(RESERVES_AT_ONCE),
        })
    }

    pub(super) fn wakes(&self, queue: Queue) -> Arc<Notify> {
        self.wakes.of(queue)
    }

    pub(super) async fn add(&self, jobs: &[NewJob], now: Millis) -> Result<Vec<Added>, QueueError> {
        call!(self.pool, connection => add::add(connection, jobs, now))
    }

    /// A claim can come back empty while work waits: another claim changed the run between our look and our lock. And one
    /// that finds that limit keys may be open leaves these to the next.
    pub(super) async fn claim(&self, request: &ClaimRequest) -> Result<Claims, QueueError> {
        let mut opens_at = None;
        for _ in 0..CLAIM_TRIES {
            let ring = self.rings.get(request.queue, request.lane);
            let outcome = if ring.keyed {
                call!(self.pool, connection => keyed::claim(connection, request, &ring, &self.rings))?
            } else {
                call!(self.pool, connection => claim::claim(connection, request, &ring))?
            };
            opens_at = outcome.claims.opens_at;
            self.rings
                .went(request.queue, request.lane, ring, outcome.visit, request.want);
            if !outcome.claims.jobs.is_empty() || !outcome.claims.more {
                return Ok(outcome.claims);
            }
        }
        Ok(Claims {
            jobs: Vec::new(),
            more: true,
            opens_at,
        })
    }

    pub(super) async fn settle(
        &self,
        queue: Queue,
        settles: &[Settle],
        finished: &[i64],
        now: Millis,
    ) -> Result<Vec<bool>, QueueError> {
        if settles.is_empty() && finished.is_empty() {
            return Ok(Vec::new());
        }
        call!(self.pool, connection => settle::settle(connection, queue, settles, finished, now))
    }

    pub(super) async fn renew(&self, claims: &[i64], until: Millis) -> Result<Vec<i64>, QueueError> {
        call!(self.pool, connection => settle::renew(connection, claims, until))
    }

    pub(super) async fn sweep(&self, queue: Queue, now: Millis, dice: f64) -> Result<Sweep, QueueError> {
        let mut sweep = call!(self.pool, connection => sweep::promote(connection, queue, now))?;
        for _ in 0..RESCUE_ROUNDS {
            let found = call!(self.pool, connection => rescue::rescue(connection, queue, now, dice))?;
            sweep.rescued += found.rescued;
            sweep.unheard += found.unheard;
            sweep.poisoned += found.poisoned;
            sweep.next_due = [sweep.next_due, found.next_due].into_iter().flatten().min();
            if found.leases == 0 {
                break;
            }
        }
        Ok(sweep)
    }

    pub(super) async fn unpark(&self, queue: Queue, gates: &[String]) -> Result<u64, QueueError> {
        let mut total = 0;
        loop {
            let count = call!(self.pool, connection => sweep::unpark(connection, queue, gates))?;
            total += count;
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
        call!(self.pool, connection => limits::set(connection, queue, key, limit, now))
    }

    pub(super) async fn reserve_again(&self, queue: Queue, key: &Key, missed: Missed) -> Result<Millis, QueueError> {
        let _permit = self.reserves.acquire().await;
        call!(self.pool, connection => limits::reserve_again(connection, queue, key, missed))
    }

    pub(super) async fn pause(&self, pause: &Pause) -> Result<(), QueueError> {
        call!(self.pool, connection => single::pause(connection, pause))
    }

    pub(super) async fn resume(&self, scope: &Scope) -> Result<(), QueueError> {
        call!(self.pool, connection => single::resume(connection, scope))
    }

    pub(super) async fn counts(&self, queue: Queue) -> Result<Counts, QueueError> {
        call!(self.pool, connection => care::counts(connection, queue))
    }

    pub(super) async fn cancel(&self, id: JobId, now: Millis) -> Result<Cancelled, QueueError> {
        call!(self.pool, connection => cancel::cancel(connection, id, now))
    }

    pub(super) async fn cancelled(&self, running: &[JobId]) -> Result<Vec<JobId>, QueueError> {
        call!(self.pool, connection => cancel::cancelled(connection, running))
    }

    pub(super) async fn retry_all_dead(&self, letters: &[RetryDead<'_>], now: Millis) -> Result<Vec<bool>, QueueError> {
        call!(self.pool, connection => dead::retry(connection, letters, now))
    }

    pub(super) async fn rewrite(&self, id: JobId, old: &[u8], new: &[u8]) -> Result<bool, QueueError> {
        call!(self.pool, connection => single::rewrite(connection, id, old, new))
    }

    pub(super) async fn delete_dead(&self, id: JobId) -> Result<bool, QueueError> {
        call!(self.pool, connection => dead::delete(connection, id))
    }

    pub(super) async fn put_letters(&self) -> Result<(), QueueError> {
        call!(self.pool, connection => letters::put_alone(connection))
    }

    pub(super) async fn import_dead(&self, letters: &[NewDead], now: Millis) -> Result<Vec<bool>, QueueError> {
        call!(self.pool, connection => letters::import(connection, letters, now))
    }

    pub(super) async fn count(&self, counters: &[(Counter, u64)]) -> Result<(), QueueError> {
        call!(self.pool, connection => care::count(connection, counters))
    }

    pub(super) async fn announce(&self, worker: &Worker, until: Millis) -> Result<(), QueueError> {
        call!(self.pool, connection => single::announce(connection, worker, until))
    }

    pub(super) async fn purge(&self, queue: Queue, now: Millis, dead_before: Millis) -> Result<Purged, QueueError> {
        call!(self.pool, connection => care::purge(connection, queue, now, dead_before))
    }

    pub(super) async fn check(&self) -> Result<Vec<Finding>, QueueError> {
        let mut held = self.pool.hold_for(care::CHECK_LIMIT).await?;
        let deadline = held.deadline;
        let outcome = tokio::time::timeout_at(deadline, care::check(held.connection())).await;
        held.end(outcome)
    }
}
