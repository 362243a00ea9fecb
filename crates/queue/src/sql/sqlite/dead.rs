//! Dead letters that live again, or go for good.

use sqlx::sqlite::SqliteConnection;

use super::super::rows;
use super::numbers_back;
use crate::clock::{Millis, day};
use crate::job::{JobId, Queue};

/// The key's day moves on: the job may well end today, and its new envelope say that it was added today.
const RETRY: [&str; 5] = [
    "INSERT INTO queue_jobs (seq, queue, id, tenant, body)
        SELECT $2, queue, id, tenant, COALESCE($4, body) FROM queue_dead WHERE id = $1",
    "INSERT INTO queue_ready (lane, tenant, pos, n) SELECT queue, tenant, $2, 1 FROM queue_dead WHERE id = $1",
    "INSERT INTO queue_keys (seq, id, day) VALUES ($2, $1, $3)
        ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, day = max(queue_keys.day, excluded.day)",
    "DELETE FROM queue_cancels WHERE id = $1",
    "DELETE FROM queue_dead WHERE id = $1",
];

/// The queue in which it is ready now; `None` = no such dead letter.
pub(super) async fn retry(
    connection: &mut SqliteConnection,
    id: JobId,
    body: Option<&[u8]>,
    now: Millis,
) -> Result<Option<Queue>, sqlx::Error> {
    let queue: Option<i16> = sqlx::query_scalar("SELECT queue FROM queue_dead WHERE id = $1")
        .bind(id.0)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(queue) = queue else { return Ok(None) };
    let seq = numbers_back(connection, 1).await?;
    for step in RETRY {
        sqlx::query(step)
            .bind(id.0)
            .bind(seq)
            .bind(day(now))
            .bind(body)
            .execute(&mut *connection)
            .await?;
    }
    rows::queue(queue).map(Some)
}

pub(super) async fn delete(connection: &mut SqliteConnection, id: JobId) -> Result<bool, sqlx::Error> {
    let gone = sqlx::query("DELETE FROM queue_dead WHERE id = $1")
        .bind(id.0)
        .execute(&mut *connection)
        .await?
        .rows_affected();
    if gone > 0 {
        sqlx::query("DELETE FROM queue_errors WHERE id = $1")
            .bind(id.0)
            .execute(connection)
            .await?;
    }
    Ok(gone > 0)
}
