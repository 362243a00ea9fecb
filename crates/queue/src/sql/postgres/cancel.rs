//! Cancelling.

use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::super::outcome::End;
use super::super::ring::lane;
use super::super::rows::{crashes, queue};
use super::lines;
use crate::backend::Cancelled;
use crate::clock::{Millis, day};
use crate::job::JobId;

/// How often we look again for a job that moves while we reach for it.
const TRIES: usize = 20;

#[derive(sqlx::FromRow)]
struct Place {
    seq: i64,
    run_at: Option<i64>,
    queue: i16,
    crashes: i16,
    tenant: Uuid,
    limit_key: String,
    order_key: Option<String>,
}

impl Place {
    /// The end of this job, if it stands in a line.
    fn end(&self, id: JobId) -> Vec<End> {
        End::of(self.tenant, self.order_key.clone(), id.0).into_iter().collect()
    }
}

/// Cancels a job: takes it out of where it waits, or marks it where it runs.
///
/// The mark is also what is left when the job moved each time we reached for it; whoever runs it next finds it.
pub(super) async fn cancel(connection: &mut PgConnection, id: JobId, now: Millis) -> Result<Cancelled, sqlx::Error> {
    const PLACE: &str = "SELECT j.seq, j.run_at, j.queue, j.crashes, j.tenant,
            COALESCE(j.limit_key, '') AS limit_key, j.order_key
        FROM queue_keys k JOIN queue_jobs j ON j.seq = k.seq WHERE k.id = $1";
    const END: &str = "
        WITH job AS (DELETE FROM queue_jobs WHERE seq = $2),
        failed AS (DELETE FROM queue_errors WHERE id = $1),
        marked AS (DELETE FROM queue_cancels WHERE id = $1)
        UPDATE queue_keys SET day = GREATEST(day, $3) WHERE id = $1";
    const MARK: &str = "INSERT INTO queue_cancels (id, at) VALUES ($1, $2) ON CONFLICT DO NOTHING";

    for _ in 0..TRIES {
        let Some(place) = sqlx::query_as::<_, Place>(PLACE)
            .bind(id.0)
            .fetch_optional(&mut *connection)
            .await?
        else {
            return Ok(Cancelled::Unknown);
        };
        let mut transaction = connection.begin().await?;
        let end = place.end(id);
        if take_out(&mut transaction, &place, &end).await? {
            lines::end(&mut transaction, queue(place.queue)?, &end).await?;
            sqlx::query(END)
                .bind(id.0)
                .bind(place.seq)
                .bind(day(now))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            return Ok(Cancelled::Removed);
        }
        transaction.rollback().await?;
        let mut transaction = connection.begin().await?;
        if doom(&mut transaction, &place).await? {
            sqlx::query(MARK)
                .bind(id.0)
                .bind(now)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            return Ok(Cancelled::Signalled);
        }
        transaction.rollback().await?;
    }
    sqlx::query(MARK).bind(id.0).bind(now).execute(connection).await?;
    Ok(Cancelled::Signalled)
}

/// Writes into the lease that this job of it shall not go on, however its run ends; `false` = no lease has it.
async fn doom(connection: &mut PgConnection, place: &Place) -> Result<bool, sqlx::Error> {
    const DOOM: &str = "UPDATE queue_leases l SET cancelled = array_append(l.cancelled, $1)
        WHERE l.lane = $2 AND EXISTS (
            SELECT FROM unnest(l.firsts, l.lens) AS run(first, len) WHERE run.first <= $1 AND $1 < run.first + run.len)";
    // Asked after the lease is ours: the run may have been settled while we waited for it.
    const RUNS: &str = "SELECT EXISTS (SELECT FROM queue_jobs WHERE seq = $1)";

    let lane = lane(queue(place.queue)?, crashes(place.crashes)?);
    let leases = sqlx::query(DOOM)
        .bind(place.seq)
        .bind(lane)
        .execute(&mut *connection)
        .await?;
    if leases.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query_scalar(RUNS).bind(place.seq).fetch_one(connection).await
}

/// Takes the job from where it waits; `false` = it does not wait there.
///
/// A job with an order key becomes ready only under the lock of its line's row, so that is held before it is looked for
/// behind the head or among the ready ones; but not before it is taken from those that wait for their time, as whoever
/// makes them ready has these first and locks the line then.
///
/// A ready run is *changed*, never only locked: a claim that looked before us must not find the run as it saw it, or it
/// would go on with a view of the world in which our job is still there.
async fn take_out(connection: &mut PgConnection, place: &Place, end: &[End]) -> Result<bool, sqlx::Error> {
    const LATER: &str = "DELETE FROM queue_later WHERE queue = $1 AND run_at = $2 AND seq = $3";
    const PARKED: &str = "DELETE FROM queue_parked WHERE seq = $1";
    const BEHIND: &str = "DELETE FROM queue_behind WHERE seq = $1";

    if let Some(run_at) = place.run_at {
        let waited = sqlx::query(LATER)
            .bind(place.queue)
            .bind(run_at)
            .bind(place.seq)
            .execute(&mut *connection)
            .await?;
        if waited.rows_affected() > 0 {
            return Ok(true);
        }
    }
    if sqlx::query(PARKED)
        .bind(place.seq)
        .execute(&mut *connection)
        .await?
        .rows_affected()
        > 0
    {
        return Ok(true);
    }
    if !end.is_empty() {
        lines::lock(connection, &[], queue(place.queue)?, end).await?;
        let waited = sqlx::query(BEHIND).bind(place.seq).execute(&mut *connection).await?;
        if waited.rows_affected() > 0 {
            return Ok(true);
        }
    }
    take_from_run(connection, place).await
}

/// Takes the job out of a ready run; `false` = none has it.
async fn take_from_run(connection: &mut PgConnection, place: &Place) -> Result<bool, sqlx::Error> {
    const RUN: &str = "SELECT pos, n FROM queue_ready
        WHERE lane = $1 AND limit_key = $2 AND tenant = $3 AND pos <= $4 ORDER BY pos DESC LIMIT 1 FOR UPDATE";
    const CUT: &str = "
        WITH behind AS (
            INSERT INTO queue_ready (lane, limit_key, tenant, pos, n)
            SELECT $1, $2, $3, $6 + 1, ($5 - ($6 - $4) - 1)::integer WHERE $5 - ($6 - $4) - 1 > 0),
        emptied AS (
            DELETE FROM queue_ready WHERE lane = $1 AND limit_key = $2 AND tenant = $3 AND pos = $4 AND $6 = $4)
        UPDATE queue_ready SET n = ($6 - $4)::integer
        WHERE lane = $1 AND limit_key = $2 AND tenant = $3 AND pos = $4 AND $6 > $4";

    let lane = lane(queue(place.queue)?, crashes(place.crashes)?);
    let run: Option<(i64, i32)> = sqlx::query_as(RUN)
        .bind(lane)
        .bind(&place.limit_key)
        .bind(place.tenant)
        .bind(place.seq)
        .fetch_optional(&mut *connection)
        .await?;
    let Some((pos, n)) = run.filter(|(pos, n)| place.seq < pos + i64::from(*n)) else {
        return Ok(false);
    };
    sqlx::query(CUT)
        .bind(lane)
        .bind(&place.limit_key)
        .bind(place.tenant)
        .bind(pos)
        .bind(i64::from(n))
        .bind(place.seq)
        .execute(connection)
        .await?;
    Ok(true)
}

pub(super) async fn cancelled(connection: &mut PgConnection, running: &[JobId]) -> Result<Vec<JobId>, sqlx::Error> {
    let ids: Vec<Uuid> = running.iter().map(|id| id.0).collect();
    let marked: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM queue_cancels WHERE id = ANY($1)")
        .bind(ids)
        .fetch_all(connection)
        .await?;
    Ok(marked.into_iter().map(JobId).collect())
}
