//! Rows as both databases give them, and what they mean.

use uuid::Uuid;

use super::pool::broken;
use crate::backend::{Failure, Kept, Reason, State};
use crate::clock::Millis;
use crate::flow::{AfterDeath, Key, Keys, Order};
use crate::job::{JobId, Queue};

/// A live job, with what says whether it waits.
#[derive(sqlx::FromRow)]
pub(super) struct JobRow {
    pub(super) seq: i64,
    id: Uuid,
    queue: i16,
    tenant: Uuid,
    attempts: i32,
    crashes: i16,
    due: Option<i64>,
    gate: Option<String>,
    head: Option<Uuid>,
    limit_key: Option<String>,
    order_key: Option<String>,
    holds: Option<bool>,
    body: Vec<u8>,
}

/// A run under a lease.
#[derive(sqlx::FromRow)]
pub(super) struct LeasedRun {
    pub(super) first: i64,
    len: i64,
    claim: i64,
    session: Uuid,
    until: i64,
}

/// A dead letter.
#[derive(sqlx::FromRow)]
pub(super) struct DeadRow {
    pub(super) id: Uuid,
    queue: i16,
    tenant: Uuid,
    attempts: i32,
    crashes: i16,
    reason: String,
    died_at: i64,
    limit_key: Option<String>,
    order_key: Option<String>,
    holds: Option<bool>,
    body: Vec<u8>,
    /// `None` = not in its bucket yet.
    pub(super) bucket: Option<i64>,
}

/// A failed attempt.
#[derive(sqlx::FromRow)]
pub(super) struct ErrorRow {
    pub(super) id: Uuid,
    attempt: i32,
    at: i64,
    error: String,
    excerpt: Option<String>,
}

impl JobRow {
    /// `leased` sorted by `first`.
    pub(super) fn kept(self, leased: &[LeasedRun]) -> Result<Kept, sqlx::Error> {
        let after = leased.partition_point(|run| run.first <= self.seq);
        let lease = leased[..after].last().filter(|run| self.seq < run.first + run.len);
        let state = match (self.due, self.gate, self.head, lease) {
            (Some(run_at), _, _, _) => State::Scheduled { run_at },
            (None, Some(gate), _, _) => State::Parked { gate },
            (None, None, Some(head), _) => State::Behind { head: JobId(head) },
            (None, None, None, Some(run)) => State::Running {
                claim: run.claim,
                session: run.session,
                until: run.until,
            },
            (None, None, None, None) => State::Ready,
        };
        Ok(Kept {
            id: JobId(self.id),
            queue: queue(self.queue)?,
            tenant: self.tenant,
            attempts: attempts(self.attempts)?,
            crashes: crashes(self.crashes)?,
            state,
            keys: keys(self.limit_key, self.order_key, self.holds),
            body: self.body,
            errors: Vec::new(),
        })
    }
}

impl DeadRow {
    pub(super) fn kept(self) -> Result<Kept, sqlx::Error> {
        let reason = reason(&self.reason)?;
        Ok(Kept {
            id: JobId(self.id),
            queue: queue(self.queue)?,
            tenant: self.tenant,
            attempts: attempts(self.attempts)?,
            crashes: crashes(self.crashes)?,
            state: State::Dead {
                reason,
                died_at: self.died_at,
            },
            keys: keys(self.limit_key, self.order_key, self.holds),
            body: self.body,
            errors: Vec::new(),
        })
    }

    /// Where the next page begins.
    pub(super) fn cursor(&self) -> String {
        format!("{}_{}", self.died_at, self.id)
    }
}

impl ErrorRow {
    pub(super) fn failure(self) -> Result<Failure, sqlx::Error> {
        Ok(Failure {
            attempt: attempts(self.attempt)?,
            at: self.at,
            error: self.error,
            // One that cannot be read must not hide the error beside it.
            excerpt: self.excerpt.and_then(|excerpt| serde_json::from_str(&excerpt).ok()),
        })
    }
}

/// The keys of a job as its columns have them.
pub(super) fn keys(limit: Option<String>, order: Option<String>, holds: Option<bool>) -> Keys {
    let after_death = match holds {
        Some(true) => AfterDeath::Hold,
        _ => AfterDeath::GoOn,
    };
    let key = |name: Option<String>| Key::new(&name?);
    Keys {
        limit: key(limit),
        order: key(order).map(|key| Order { key, after_death }),
    }
}

/// Whether a job's line waits for it if it dies; `None` if it stands in none.
pub(super) fn holds(keys: &Keys) -> Option<bool> {
    let order = keys.order.as_ref()?;
    Some(order.after_death == AfterDeath::Hold)
}

pub(super) fn queue(number: i16) -> Result<Queue, sqlx::Error> {
    Queue::numbered(number).ok_or_else(|| broken("a job of an unknown queue"))
}

pub(super) fn reason(name: &str) -> Result<Reason, sqlx::Error> {
    Reason::named(name).ok_or_else(|| broken("a dead letter with an unknown reason"))
}

pub(super) fn attempts(number: i32) -> Result<u16, sqlx::Error> {
    u16::try_from(number).map_err(broken)
}

pub(super) fn crashes(number: i16) -> Result<u8, sqlx::Error> {
    u8::try_from(number).map_err(broken)
}

/// The place in the list of jobs after which a page begins.
pub(super) fn job_cursor(cursor: Option<&str>) -> Result<i64, sqlx::Error> {
    cursor.map_or(Ok(i64::MIN), |cursor| cursor.parse().map_err(|_| foreign_cursor()))
}

/// The place in the list of dead letters before which a page begins.
pub(super) fn dead_cursor(cursor: Option<&str>) -> Result<(Millis, Uuid), sqlx::Error> {
    let Some(cursor) = cursor else {
        return Ok((Millis::MAX, Uuid::max()));
    };
    let (died_at, id) = cursor.split_once('_').ok_or_else(foreign_cursor)?;
    Ok((
        died_at.parse().map_err(|_| foreign_cursor())?,
        id.parse().map_err(|_| foreign_cursor())?,
    ))
}

fn foreign_cursor() -> sqlx::Error {
    broken("the cursor is not one that a list gave")
}
