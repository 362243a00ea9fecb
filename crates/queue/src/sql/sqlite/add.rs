//! Keeping new jobs.

use rusqlite::Connection;
use uuid::Uuid;

use super::super::pool::broken;
use super::super::rows::holds;
use super::lines::{self, Due};
use super::ready::{Place, RUN_MAX};
use super::statements::query;
use super::{json, number, packed};
use crate::backend::{Added, NewJob};
use crate::clock::{Millis, day};

/// Keeps keys under `$1` new numbers behind everything that waits; `$2` ids, `$3` day. Answers the first number and, unless
/// all are, which of the keys are new. Of ids that occur twice the first wins.
const KEYS: &str = "
    UPDATE queue_sequences SET value = value + $1 WHERE name = 'back';
    INSERT INTO queue_keys (seq, id, day)
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $1)
        SELECT s.value - $1 + 1 + i, substr($2, 16 * i + 1, 16), $3
        FROM queue_sequences s CROSS JOIN n WHERE s.name = 'back'
        ON CONFLICT DO NOTHING;
    SELECT s.value - $1 + 1 AS first, CASE WHEN changes() < $1 THEN (
            SELECT json_group_array(k.seq - (s.value - $1 + 1)) FROM queue_keys k WHERE k.seq > s.value - $1) END AS fresh
        FROM queue_sequences s WHERE s.name = 'back'";

/// `$1` the number of the first, `$2` ids, `$3` tenants, `$4` bodies, `$5` jobs as `[index, queue, run_at, offset of the body, its
/// length]`, `$6` those of them that are due later, `$7` runs as `[index of the first job, queue, length]`.
const JOBS: &str = "
    INSERT INTO queue_jobs (seq, run_at, queue, id, tenant, body)
        SELECT $1 + (value ->> 0), value ->> 2, value ->> 1, substr($2, 16 * (value ->> 0) + 1, 16),
            substr($3, 16 * (value ->> 0) + 1, 16), substr($4, (value ->> 3) + 1, value ->> 4)
        FROM json_each($5);
    INSERT INTO queue_later (queue, run_at, seq, lane, tenant)
        SELECT value ->> 1, value ->> 2, $1 + (value ->> 0), value ->> 1, substr($3, 16 * (value ->> 0) + 1, 16)
        FROM json_each($6);
    INSERT INTO queue_ready (lane, tenant, pos, n)
        SELECT value ->> 1, substr($3, 16 * (value ->> 0) + 1, 16), $1 + (value ->> 0), value ->> 2 FROM json_each($7)";

/// The same with `limit key, order key, whether the line holds` behind each job, and without runs.
const JOBS_KEYED: &str = "
    INSERT INTO queue_jobs (seq, run_at, queue, id, tenant, body, limit_key, order_key, holds)
        SELECT $1 + (value ->> 0), value ->> 2, value ->> 1, substr($2, 16 * (value ->> 0) + 1, 16),
            substr($3, 16 * (value ->> 0) + 1, 16), substr($4, (value ->> 3) + 1, value ->> 4),
            value ->> 5, value ->> 6, value ->> 7
        FROM json_each($5);
    INSERT INTO queue_later (queue, run_at, seq, lane, tenant, limit_key, ordered)
        SELECT value ->> 1, value ->> 2, $1 + (value ->> 0), value ->> 1, substr($3, 16 * (value ->> 0) + 1, 16),
            value ->> 5, value ->> 6 IS NOT NULL
        FROM json_each($6)";

pub(super) fn add(connection: &Connection, jobs: &[NewJob], now: Millis) -> Result<Vec<Added>, sqlx::Error> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|&index| (jobs[index].queue, &jobs[index].keys.limit, jobs[index].tenant));
    let sorted: Vec<&NewJob> = order.iter().map(|&index| &jobs[index]).collect();
    let ids = packed(sorted.iter().map(|job| &job.id.0));
    let (base, fresh) = fresh(connection, &ids, jobs.len(), day(now))?;
    let mut added = vec![Added::Duplicate; jobs.len()];
    for &index in &fresh {
        added[order[index]] = Added::New;
    }
    if fresh.is_empty() {
        return Ok(added);
    }
    let batch = Batch {
        tenants: packed(sorted.iter().map(|job| &job.tenant)),
        now,
        sorted: &sorted,
        fresh: &fresh,
        base,
        ids,
    };
    if jobs.iter().all(|job| job.keys.is_free()) {
        batch.keep_free(connection)?;
    } else {
        batch.keep(connection, &order)?;
    }
    Ok(added)
}

/// The jobs of a call.
struct Batch<'a> {
    /// Neighbours are of one queue, limit key and tenant.
    sorted: &'a [&'a NewJob],
    /// Which of them are new.
    fresh: &'a [usize],
    /// The number of the first.
    base: i64,
    ids: Vec<u8>,
    tenants: Vec<u8>,
    now: Millis,
}

impl Batch<'_> {
    fn jobs(&self) -> impl Iterator<Item = (usize, &NewJob)> {
        self.fresh.iter().map(|&index| (index, self.sorted[index]))
    }

    /// When a job is due, if that is not now.
    fn due(&self, job: &NewJob) -> Option<Millis> {
        (job.run_at > self.now).then_some(job.run_at)
    }

    fn keep_free(&self, connection: &Connection) -> Result<(), sqlx::Error> {
        let row =
            |(index, job, at): (usize, &NewJob, usize)| (index, job.queue as i16, self.due(job), at, job.body.len());
        let runs = runs(self.jobs().filter(|(_, job)| self.due(job).is_none()));
        self.insert(connection, JOBS, row, &runs)
    }

    /// `order` tells the place of each in the call: neighbours by limit key are no neighbours in a line.
    fn keep(&self, connection: &Connection, order: &[usize]) -> Result<(), sqlx::Error> {
        let limit = |job: &NewJob| job.keys.limit.as_ref().map(|key| key.as_str().to_owned());
        let line = |job: &NewJob| job.keys.order.as_ref().map(|order| order.key.as_str().to_owned());
        let row = |(index, job, at): (usize, &NewJob, usize)| {
            let (queue, due) = (job.queue as i16, self.due(job));
            (
                index,
                queue,
                due,
                at,
                job.body.len(),
                limit(job),
                line(job),
                holds(&job.keys),
            )
        };
        self.insert(connection, JOBS_KEYED, row, &[])?;
        let now = self.jobs().filter(|(_, job)| self.due(job).is_none());
        let mut due: Vec<(usize, Due)> = now
            .map(|(index, job)| {
                let place = Place {
                    lane: job.queue as i16,
                    limit_key: limit(job).unwrap_or_default(),
                    tenant: job.tenant,
                    seq: self.base + number(index),
                };
                let (queue, id) = (job.queue as i16, job.id.0);
                let order_key = line(job);
                (
                    order[index],
                    Due {
                        queue,
                        order_key,
                        id,
                        place,
                    },
                )
            })
            .collect();
        due.sort_by_key(|(place, _)| *place);
        lines::join(connection, due.into_iter().map(|(_, due)| due).collect())
    }

    /// Inserts the rows of the jobs, of those that are due later, and runs; `row` gets each job with the offset of its body.
    fn insert<'j, R: serde::Serialize>(
        &'j self,
        connection: &Connection,
        insert: &'static str,
        row: impl Fn((usize, &'j NewJob, usize)) -> R,
        runs: &[Run],
    ) -> Result<(), sqlx::Error> {
        let (mut rows, mut bodies) = (Vec::with_capacity(self.fresh.len()), Vec::new());
        for (index, job) in self.jobs() {
            rows.push(row((index, job, bodies.len())));
            bodies.extend_from_slice(&job.body);
        }
        let later = rows.iter().zip(self.jobs());
        let later: Vec<&R> = later
            .filter(|(_, (_, job))| self.due(job).is_some())
            .map(|(row, _)| row)
            .collect();
        // Of an empty blob, any part is NULL.
        bodies.push(0);
        query(insert)
            .bind(self.base)
            .bind(&self.ids)
            .bind(&self.tenants)
            .bind(&bodies)
            .bind(json(&rows)?)
            .bind(json(&later)?)
            .bind(json(runs)?)
            .execute(connection)?;
        Ok(())
    }
}

/// Keeps new keys; answers the number of the first, and which are new, ascending.
pub(super) fn fresh(
    connection: &Connection,
    ids: &[u8],
    count: usize,
    day: i32,
) -> Result<(i64, Vec<usize>), sqlx::Error> {
    let rows: Vec<(i64, Option<String>)> = query(KEYS)
        .bind(number(count))
        .bind(ids)
        .bind(day)
        .fetch_all(connection)?;
    let Some((first, fresh)) = rows.into_iter().next() else {
        return Err(broken("no numbers for new jobs"));
    };
    let fresh = match fresh {
        None => (0..count).collect(),
        Some(fresh) => {
            let mut fresh: Vec<usize> = serde_json::from_str(&fresh).map_err(broken)?;
            fresh.sort_unstable();
            fresh
        }
    };
    Ok((first, fresh))
}

/// Neighbours of one queue and tenant: the index of the first, queue, how many.
type Run = (usize, i16, i64);

fn runs<'a>(jobs: impl Iterator<Item = (usize, &'a NewJob)>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut last: Option<(usize, Queued)> = None;
    for (index, job) in jobs {
        let place = (job.queue as i16, job.tenant);
        match runs.last_mut() {
            Some(run) if last == Some((index.wrapping_sub(1), place)) && run.2 < RUN_MAX => run.2 += 1,
            _ => runs.push((index, job.queue as i16, 1)),
        }
        last = Some((index, place));
    }
    runs
}

type Queued = (i16, Uuid);
