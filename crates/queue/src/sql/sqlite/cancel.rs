//! Cancelling.

use std::collections::HashSet;

use rusqlite::Connection;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::super::outcome::End;
use super::super::rows;
use super::statements::{by_name, query};
use super::{json, lines};
use crate::backend::Cancelled;
use crate::clock::{Millis, day};
use crate::job::{JobId, Queue};

struct Place {
    seq: i64,
    run_at: Option<i64>,
    queue: i16,
    lane: i16,
    tenant: Uuid,
    limit_key: String,
    order_key: Option<String>,
}

by_name!(Place {
    seq,
    run_at,
    queue,
    lane,
    tenant,
    limit_key,
    order_key
});

/// Answers with the queue in which another job follows it in its line, if one does.
pub(super) fn cancel(
    connection: &Connection,
    id: JobId,
    now: Millis,
) -> Result<(Cancelled, Option<Queue>), sqlx::Error> {
    const PLACE: &str = "SELECT j.seq, j.run_at, j.queue, j.queue + 10 * j.crashes AS lane, j.tenant,
            COALESCE(j.limit_key, '') AS limit_key, j.order_key
        FROM queue_keys k JOIN queue_jobs j ON j.seq = k.seq WHERE k.id = $1";
    const MARK: &str = "INSERT INTO queue_cancels (id, at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    const END: &str = "
        DELETE FROM queue_jobs WHERE seq = $2;
        DELETE FROM queue_errors WHERE id = $1;
        DELETE FROM queue_cancels WHERE id = $1;
        UPDATE queue_keys SET day = max(day, $3) WHERE id = $1";
    let Some(place) = query(PLACE).bind(id.0).fetch_optional::<Place>(connection)? else {
        return Ok((Cancelled::Unknown, None));
    };
    if !take_out(connection, &place)? {
        query(MARK).bind(id.0).bind(now).execute(connection)?;
        return Ok((Cancelled::Signalled, None));
    }
    query(END)
        .bind(id.0)
        .bind(place.seq)
        .bind(day(now))
        .execute(connection)?;
    let queue = rows::queue(place.queue)?;
    let end: Vec<End> = End::of(place.tenant, place.order_key, id.0).into_iter().collect();
    let follows = lines::follow(connection, queue, &end)?;
    Ok((Cancelled::Removed, follows.then_some(queue)))
}

/// Takes the job from where it waits; `false` = it does not wait, so it runs.
fn take_out(connection: &Connection, place: &Place) -> Result<bool, sqlx::Error> {
    const LATER: &str = "DELETE FROM queue_later WHERE queue = $1 AND run_at = $2 AND seq = $3";
    const ELSEWHERE: [&str; 2] = [
        "DELETE FROM queue_parked WHERE seq = $1",
        "DELETE FROM queue_behind WHERE seq = $1",
    ];

    if let Some(run_at) = place.run_at {
        let waited = query(LATER)
            .bind(place.queue)
            .bind(run_at)
            .bind(place.seq)
            .execute(connection)?;
        if waited > 0 {
            return Ok(true);
        }
    }
    for step in ELSEWHERE {
        let waited = query(step).bind(place.seq).execute(connection)?;
        if waited > 0 {
            return Ok(true);
        }
    }
    take_from_run(connection, place)
}

/// Takes the job out of a ready run; `false` = none has it.
fn take_from_run(connection: &Connection, place: &Place) -> Result<bool, sqlx::Error> {
    const RUN: &str = "SELECT pos, n FROM queue_ready
        WHERE lane = $1 AND limit_key = $2 AND tenant = $3 AND pos <= $4 ORDER BY pos DESC LIMIT 1";
    const CUT: &str = "DELETE FROM queue_ready WHERE lane = $1 AND limit_key = $2 AND tenant = $3 AND pos = $4";
    const REST: &str = "INSERT INTO queue_ready (lane, limit_key, tenant, pos, n) VALUES ($1, $2, $3, $4, $5)";

    let run: Option<(i64, i64)> = query(RUN)
        .bind(place.lane)
        .bind(&place.limit_key)
        .bind(place.tenant)
        .bind(place.seq)
        .fetch_optional(connection)?;
    let Some((pos, n)) = run.filter(|(pos, n)| place.seq < pos + n) else {
        return Ok(false);
    };
    query(CUT)
        .bind(place.lane)
        .bind(&place.limit_key)
        .bind(place.tenant)
        .bind(pos)
        .execute(connection)?;
    for (pos, n) in [(pos, place.seq - pos), (place.seq + 1, pos + n - place.seq - 1)] {
        if n > 0 {
            query(REST)
                .bind(place.lane)
                .bind(&place.limit_key)
                .bind(place.tenant)
                .bind(pos)
                .bind(n)
                .execute(connection)?;
        }
    }
    Ok(true)
}

/// The numbers of the jobs that somebody cancelled while they ran.
pub(super) fn doomed(connection: &Connection) -> Result<HashSet<i64>, sqlx::Error> {
    const DOOMED: &str = "SELECT k.seq FROM queue_cancels c CROSS JOIN queue_keys k ON k.id = c.id";
    let seqs: Vec<i64> = query(DOOMED).fetch_all(connection)?;
    Ok(seqs.into_iter().collect())
}

/// Reads the marks of everything that runs: there are hardly ever any.
pub(super) async fn cancelled(connection: &mut SqliteConnection, running: &[JobId]) -> Result<Vec<JobId>, sqlx::Error> {
    const MARKED: &str = "SELECT id FROM queue_cancels WHERE hex(id) IN (SELECT value FROM json_each($1))";
    let ids: Vec<String> = running
        .iter()
        .map(|id| id.0.simple().to_string().to_uppercase())
        .collect();
    let marked: Vec<Uuid> = sqlx::query_scalar(MARKED)
        .bind(json(&ids)?)
        .fetch_all(connection)
        .await?;
    Ok(marked.into_iter().map(JobId).collect())
}
