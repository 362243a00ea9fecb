//! Keeping new jobs.

use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::super::rows::holds;
use super::lines::{self, Due};
use super::ready::{Place, RUN_MAX};
use super::{json, number, numbers_back, packed};
use crate::backend::{Added, NewJob};
use crate::clock::{Millis, day};

/// Of ids that occur twice the first wins.
const KEYS: &str = "
    INSERT INTO queue_keys (seq, id, day)
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $1)
    SELECT $2 + i, substr($3, 16 * i + 1, 16), $4 FROM n WHERE true
    ON CONFLICT DO NOTHING";

/// Rows: `[index, queue, run_at, offset of the body, its length]`.
const JOBS: &str = "
    INSERT INTO queue_jobs (seq, run_at, queue, id, tenant, body)
    SELECT $2 + (value ->> 0), value ->> 2, value ->> 1, substr($3, 16 * (value ->> 0) + 1, 16),
        substr($4, 16 * (value ->> 0) + 1, 16), substr($5, (value ->> 3) + 1, value ->> 4)
    FROM json_each($1)";

const LATER: &str = "
    INSERT INTO queue_later (queue, run_at, seq, lane, tenant)
    SELECT value ->> 1, value ->> 2, $2 + (value ->> 0), value ->> 1, substr($3, 16 * (value ->> 0) + 1, 16)
    FROM json_each($1) WHERE value ->> 2 IS NOT NULL";

/// The same rows with `limit key, order key, whether the line holds` behind.
const JOBS_KEYED: &str = "
    INSERT INTO queue_jobs (seq, run_at, queue, id, tenant, body, limit_key, order_key, holds)
    SELECT $2 + (value ->> 0), value ->> 2, value ->> 1, substr($3, 16 * (value ->> 0) + 1, 16),
        substr($4, 16 * (value ->> 0) + 1, 16), substr($5, (value ->> 3) + 1, value ->> 4),
        value ->> 5, value ->> 6, value ->> 7
    FROM json_each($1)";

const LATER_KEYED: &str = "
    INSERT INTO queue_later (queue, run_at, seq, lane, tenant, limit_key, ordered)
    SELECT value ->> 1, value ->> 2, $2 + (value ->> 0), value ->> 1, substr($3, 16 * (value ->> 0) + 1, 16),
        value ->> 5, value ->> 6 IS NOT NULL
    FROM json_each($1) WHERE value ->> 2 IS NOT NULL";

/// Runs: `[index of the first job, queue, length]`.
const READY: &str = "
    INSERT INTO queue_ready (lane, tenant, pos, n)
    SELECT value ->> 1, substr($3, 16 * (value ->> 0) + 1, 16), $2 + (value ->> 0), value ->> 2
    FROM json_each($1)";

pub(super) async fn add(
    connection: &mut SqliteConnection,
    jobs: &[NewJob],
    now: Millis,
) -> Result<Vec<Added>, sqlx::Error> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|&index| (jobs[index].queue, &jobs[index].keys.limit, jobs[index].tenant));
    let sorted: Vec<&NewJob> = order.iter().map(|&index| &jobs[index]).collect();
    let ids = packed(sorted.iter().map(|job| &job.id.0));
    let base = numbers_back(connection, jobs.len()).await?;

    let fresh = fresh(connection, base, &ids, jobs.len(), day(now)).await?;
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
        batch.keep_free(connection).await?;
    } else {
        batch.keep(connection, &order).await?;
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

    async fn keep_free(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let row =
            |(index, job, at): (usize, &NewJob, usize)| (index, job.queue as i16, self.due(job), at, job.body.len());
        self.insert(connection, [JOBS, LATER], row).await?;
        let runs = runs(self.jobs().filter(|(_, job)| self.due(job).is_none()));
        if !runs.is_empty() {
            sqlx::query(READY)
                .bind(json(&runs)?)
                .bind(self.base)
                .bind(&self.tenants)
                .execute(connection)
                .await?;
        }
        Ok(())
    }

    /// `order` tells the place of each in the call: neighbours by limit key are no neighbours in a line.
    async fn keep(&self, connection: &mut SqliteConnection, order: &[usize]) -> Result<(), sqlx::Error> {
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
        self.insert(connection, [JOBS_KEYED, LATER_KEYED], row).await?;
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
        lines::join(connection, due.into_iter().map(|(_, due)| due).collect()).await
    }

    /// Inserts the rows of the jobs, and of those that are due later; `row` gets each with the offset of its body.
    async fn insert<'j, R: serde::Serialize>(
        &'j self,
        connection: &mut SqliteConnection,
        [jobs, later]: [&'static str; 2],
        row: impl Fn((usize, &'j NewJob, usize)) -> R,
    ) -> Result<(), sqlx::Error> {
        let (mut rows, mut bodies, mut waits) = (Vec::with_capacity(self.fresh.len()), Vec::new(), false);
        for (index, job) in self.jobs() {
            rows.push(row((index, job, bodies.len())));
            bodies.extend_from_slice(&job.body);
            waits |= self.due(job).is_some();
        }
        // An empty blob would be bound as NULL.
        bodies.push(0);
        let rows = json(&rows)?;
        sqlx::query(jobs)
            .bind(&rows)
            .bind(self.base)
            .bind(&self.ids)
            .bind(&self.tenants)
            .bind(&bodies)
            .execute(&mut *connection)
            .await?;
        if waits {
            sqlx::query(later)
                .bind(&rows)
                .bind(self.base)
                .bind(&self.tenants)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}

/// The indices of the jobs whose keys were not known, ascending.
pub(super) async fn fresh(
    connection: &mut SqliteConnection,
    base: i64,
    ids: &[u8],
    count: usize,
    day: i32,
) -> Result<Vec<usize>, sqlx::Error> {
    const KEPT: &str = "SELECT seq - $1 FROM queue_keys WHERE seq >= $1 ORDER BY seq";
    let inserted = sqlx::query(KEYS)
        .bind(number(count))
        .bind(base)
        .bind(ids)
        .bind(day)
        .execute(&mut *connection)
        .await?;
    if inserted.rows_affected() == count as u64 {
        return Ok((0..count).collect());
    }
    let kept: Vec<i64> = sqlx::query_scalar(KEPT).bind(base).fetch_all(connection).await?;
    kept.into_iter()
        .map(|index| usize::try_from(index).map_err(super::super::pool::broken))
        .collect()
}

/// Neighbours of one queue and tenant as `(index of the first, queue, length)`.
fn runs<'a>(jobs: impl Iterator<Item = (usize, &'a NewJob)>) -> Vec<(usize, i16, i64)> {
    let mut runs: Vec<(usize, i16, i64)> = Vec::new();
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
