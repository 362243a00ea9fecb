//! Keeping new jobs.

use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::{json, number, numbers_back, packed};
use crate::backend::{Added, NewJob};
use crate::clock::{Millis, day};

/// The longest run; a run is what one claim cuts from, and shorter ones let several claims work side by side.
const RUN_MAX: i64 = 128;

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
    order.sort_by_key(|&index| (jobs[index].queue, jobs[index].tenant));
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

    let due = |job: &NewJob| (job.run_at > now).then_some(job.run_at);
    let tenants = packed(sorted.iter().map(|job| &job.tenant));
    let (mut rows, mut bodies) = (Vec::with_capacity(fresh.len()), Vec::new());
    for &index in &fresh {
        let job = sorted[index];
        rows.push((index, job.queue as i16, due(job), bodies.len(), job.body.len()));
        bodies.extend_from_slice(&job.body);
    }
    // An empty blob would be bound as NULL.
    bodies.push(0);
    let waits = rows.iter().any(|row| row.2.is_some());
    let rows = json(&rows)?;
    sqlx::query(JOBS)
        .bind(&rows)
        .bind(base)
        .bind(&ids)
        .bind(&tenants)
        .bind(&bodies)
        .execute(&mut *connection)
        .await?;
    if waits {
        sqlx::query(LATER)
            .bind(&rows)
            .bind(base)
            .bind(&tenants)
            .execute(&mut *connection)
            .await?;
    }
    let runs = runs(
        fresh
            .iter()
            .map(|&index| (index, sorted[index]))
            .filter(|(_, job)| due(job).is_none()),
    );
    if !runs.is_empty() {
        sqlx::query(READY)
            .bind(json(&runs)?)
            .bind(base)
            .bind(&tenants)
            .execute(connection)
            .await?;
    }
    Ok(added)
}

/// The indices of the jobs whose keys were not known, ascending.
async fn fresh(
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

/// Sequences of consecutive numbers in `seqs`, which must be ascending, as `(first, length)`.
pub(super) fn islands(seqs: &[i64]) -> Vec<(i64, i64)> {
    let mut islands: Vec<(i64, i64)> = Vec::new();
    for &seq in seqs {
        match islands.last_mut() {
            Some((first, length)) if *first + *length == seq && *length < RUN_MAX => *length += 1,
            _ => islands.push((seq, 1)),
        }
    }
    islands
}
