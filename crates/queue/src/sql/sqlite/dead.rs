//! Dead letters that live again, or go for good.

use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::super::outcome::End;
use super::super::rows;
use super::lines::{self, Due};
use super::ready::Place;
use super::{json, letters, numbers_back};
use crate::clock::{Millis, day};
use crate::job::{JobId, Queue};

/// The key's day moves on: the job may well end today, and its new envelope say that it was added today.
const RETRY: [&str; 5] = [
    "INSERT INTO queue_jobs (seq, queue, id, tenant, body, limit_key, order_key, holds)
        SELECT $2, queue, id, tenant, COALESCE($4, body), limit_key, order_key, holds FROM queue_dead WHERE id = $1",
    "INSERT INTO queue_keys (seq, id, day) VALUES ($2, $1, $3)
        ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, day = max(queue_keys.day, excluded.day)",
    "DELETE FROM queue_cancels WHERE id = $1",
    LEAVE,
    "DELETE FROM queue_dead WHERE id = $1",
];

/// Takes a letter out of its bucket.
const LEAVE: &str = "UPDATE queue_dead_buckets SET letters = letters - 1
    WHERE id = (SELECT bucket FROM queue_dead WHERE id = $1)";

/// A dead letter's place.
#[derive(sqlx::FromRow)]
struct Letter {
    id: Uuid,
    queue: i16,
    tenant: Uuid,
    limit_key: String,
    order_key: Option<String>,
    holds: Option<bool>,
}

impl Letter {
    /// Its end, if its line waits for it.
    fn end(self) -> Option<End> {
        let order_key = self.order_key.filter(|_| self.holds == Some(true));
        End::of(self.tenant, order_key, self.id)
    }
}

async fn letter(connection: &mut SqliteConnection, id: JobId) -> Result<Option<Letter>, sqlx::Error> {
    const LETTER: &str = "SELECT id, queue, tenant, COALESCE(limit_key, '') AS limit_key, order_key, holds
        FROM queue_dead WHERE id = $1";
    sqlx::query_as(LETTER).bind(id.0).fetch_optional(connection).await
}

/// The queue in which it lives now; `None` = no such dead letter. In its line it is the head if that waited for it, else
/// the last.
pub(super) async fn retry(
    connection: &mut SqliteConnection,
    id: JobId,
    body: Option<&[u8]>,
    now: Millis,
) -> Result<Option<Queue>, sqlx::Error> {
    let Some(letter) = letter(connection, id).await? else {
        return Ok(None);
    };
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
    let queue = letter.queue;
    let due = Due {
        queue,
        order_key: letter.order_key,
        id: letter.id,
        place: Place {
            lane: queue,
            limit_key: letter.limit_key,
            tenant: letter.tenant,
            seq,
        },
    };
    lines::join(connection, vec![due]).await?;
    rows::queue(queue).map(Some)
}

/// The queue of which it was; `None` = no such dead letter.
pub(super) async fn delete(connection: &mut SqliteConnection, id: JobId) -> Result<Option<Queue>, sqlx::Error> {
    const STEPS: [&str; 4] = [
        "INSERT INTO queue_counters (queue, kind, name, value)
            SELECT d.queue, COALESCE(b.kind, ''), 'deleted', 1
            FROM queue_dead d LEFT JOIN queue_dead_buckets b ON b.id = d.bucket WHERE d.id = $1
            ON CONFLICT (queue, kind, name) DO UPDATE SET value = value + excluded.value",
        LEAVE,
        "DELETE FROM queue_dead WHERE id = $1",
        "DELETE FROM queue_errors WHERE id = $1",
    ];
    let Some(letter) = letter(connection, id).await? else {
        return Ok(None);
    };
    letters::put(connection).await?;
    for step in STEPS {
        sqlx::query(step).bind(id.0).execute(&mut *connection).await?;
    }
    let queue = rows::queue(letter.queue)?;
    let end: Vec<End> = letter.end().into_iter().collect();
    lines::follow(connection, queue, &end).await?;
    Ok(Some(queue))
}

/// Removes the oldest of those that died before, at most `most`, once they are counted; answers how many.
pub(super) async fn purge(
    connection: &mut SqliteConnection,
    queue: Queue,
    dead_before: Millis,
    most: i64,
) -> Result<u64, sqlx::Error> {
    const OLD: &str = "SELECT rowid FROM queue_dead WHERE died_at < $1 AND queue = $2 ORDER BY died_at LIMIT $3";
    const LETTERS: &str = "SELECT id, queue, tenant, COALESCE(limit_key, '') AS limit_key, order_key, holds
        FROM queue_dead WHERE rowid IN (SELECT value FROM json_each($1)) AND holds";
    const STEPS: [&str; 5] = [
        "INSERT INTO queue_counters (queue, kind, name, value)
            SELECT d.queue, COALESCE(b.kind, ''), 'purged', count(*)
            FROM queue_dead d LEFT JOIN queue_dead_buckets b ON b.id = d.bucket
            WHERE d.rowid IN (SELECT value FROM json_each($1)) GROUP BY 1, 2
            ON CONFLICT (queue, kind, name) DO UPDATE SET value = value + excluded.value",
        "UPDATE queue_dead_buckets SET letters = letters - gone.n FROM (
                SELECT bucket, count(*) AS n FROM queue_dead WHERE rowid IN (SELECT value FROM json_each($1)) GROUP BY bucket
            ) AS gone WHERE id = gone.bucket",
        "DELETE FROM queue_dead_buckets WHERE letters = 0",
        "DELETE FROM queue_errors WHERE id IN (
            SELECT id FROM queue_dead WHERE rowid IN (SELECT value FROM json_each($1)))",
        "DELETE FROM queue_dead WHERE rowid IN (SELECT value FROM json_each($1))",
    ];
    letters::put(connection).await?;
    let old: Vec<i64> = sqlx::query_scalar(OLD)
        .bind(dead_before)
        .bind(queue as i16)
        .bind(most)
        .fetch_all(&mut *connection)
        .await?;
    let rows = json(&old)?;
    let letters: Vec<Letter> = sqlx::query_as(LETTERS).bind(&rows).fetch_all(&mut *connection).await?;
    for step in STEPS {
        sqlx::query(step).bind(&rows).execute(&mut *connection).await?;
    }
    let ends: Vec<End> = letters.into_iter().filter_map(Letter::end).collect();
    lines::follow(connection, queue, &ends).await?;
    Ok(old.len() as u64)
}
