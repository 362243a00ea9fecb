//! Dead letters that live again, or go for good.

use std::collections::HashSet;

use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::super::outcome::End;
use super::super::rows;
use super::pieces::{join_lines, make_ready};
use super::{letters, lines};
use crate::backend::RetryDead;
use crate::clock::{Millis, day};
use crate::job::{JobId, Queue};

/// The key's day moves on: the job may well end today, and its new envelope say that it was added today. In its line it is
/// the head if that waited for it, else the last.
const RETRY: &str = concat!(
    "
WITH base AS MATERIALIZED (SELECT nextval('queue_blocks') AS base),
asked AS MATERIALIZED (
    SELECT DISTINCT ON (id) id, body, o
    FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS t(id, body, o) ORDER BY id, o),
risen AS (
    DELETE FROM queue_dead d USING asked, base WHERE d.id = asked.id
    RETURNING base.base + asked.o AS seq, asked.o, d.id, d.queue, d.tenant, COALESCE(asked.body, d.body) AS body,
        d.limit_key, d.order_key, d.holds, d.bucket),
job AS (
    INSERT INTO queue_jobs (seq, queue, id, tenant, body, limit_key, order_key, holds)
    SELECT seq, queue, id, tenant, body, limit_key, order_key, holds FROM risen),
unmarked AS (DELETE FROM queue_cancels c USING risen WHERE c.id = risen.id),
key AS (
    INSERT INTO queue_keys (id, seq, day) SELECT id, seq, $3 FROM risen ORDER BY id
    ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, day = GREATEST(queue_keys.day, excluded.day)),
due AS MATERIALIZED (
    SELECT queue, queue AS lane, COALESCE(limit_key, '') AS limit_key, tenant, order_key, id, seq, o AS nr FROM risen),
",
    join_lines!(),
    ",
",
    make_ready!(),
    ",
told AS MATERIALIZED (
    SELECT pg_notify('queue_wake', queue::text) FROM (SELECT DISTINCT queue FROM risen) woken)
SELECT o, bucket FROM risen CROSS JOIN (SELECT count(told) FROM told) told"
);

/// Answers of each whether it was dead.
pub(super) async fn retry(
    connection: &mut PgConnection,
    letters: &[RetryDead<'_>],
    now: Millis,
) -> Result<Vec<bool>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let risen: Vec<(i64, Option<i64>)> = sqlx::query_as(RETRY)
        .bind(letters.iter().map(|letter| letter.id.0).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| letter.body).collect::<Vec<_>>())
        .bind(day(now))
        .fetch_all(&mut *transaction)
        .await?;
    letters::take(&mut transaction, risen.iter().map(|(_, bucket)| *bucket)).await?;
    transaction.commit().await?;
    let places: HashSet<i64> = risen.into_iter().map(|(place, _)| place).collect();
    Ok((1..).take(letters.len()).map(|place| places.contains(&place)).collect())
}

/// A dead letter that was removed.
#[derive(sqlx::FromRow)]
struct Removed {
    id: Uuid,
    queue: i16,
    tenant: Uuid,
    /// If its line waited for it.
    order_key: Option<String>,
    bucket: Option<i64>,
}

impl Removed {
    fn end(self) -> Option<End> {
        End::of(self.tenant, self.order_key, self.id)
    }
}

pub(super) async fn delete(connection: &mut PgConnection, id: JobId) -> Result<bool, sqlx::Error> {
    const DELETE: &str = "
        WITH gone AS (DELETE FROM queue_dead WHERE id = $1 RETURNING id, queue, tenant, order_key, holds, bucket),
        failed AS (DELETE FROM queue_errors e USING gone WHERE e.id = gone.id)
        SELECT id, queue, tenant, CASE WHEN holds THEN order_key END AS order_key, bucket FROM gone";
    letters::put_alone(connection).await?;
    let mut transaction = connection.begin().await?;
    let gone: Option<Removed> = sqlx::query_as(DELETE)
        .bind(id.0)
        .fetch_optional(&mut *transaction)
        .await?;
    let found = gone.is_some();
    if let Some(gone) = gone {
        let (queue, bucket) = (rows::queue(gone.queue)?, gone.bucket);
        let end: Vec<End> = gone.end().into_iter().collect();
        lines::end(&mut transaction, queue, &end).await?;
        count(&mut transaction, queue, "deleted", &[bucket]).await?;
        letters::take(&mut transaction, std::iter::once(bucket)).await?;
    }
    transaction.commit().await?;
    Ok(found)
}

/// Counts letters that are gone by their kinds, which their buckets know.
async fn count(
    transaction: &mut PgConnection,
    queue: Queue,
    name: &str,
    buckets: &[Option<i64>],
) -> Result<(), sqlx::Error> {
    const COUNT: &str = "
        INSERT INTO queue_counters (queue, kind, name, value)
        SELECT $1, COALESCE(b.kind, ''), $2, count(*)
        FROM unnest($3::bigint[]) AS gone(bucket) LEFT JOIN queue_dead_buckets b ON b.id = gone.bucket
        GROUP BY 2 ORDER BY 2
        ON CONFLICT (queue, kind, name) DO UPDATE SET value = queue_counters.value + excluded.value";
    sqlx::query(COUNT)
        .bind(queue as i16)
        .bind(name)
        .bind(buckets)
        .execute(transaction)
        .await?;
    Ok(())
}

/// Removes the oldest of those that died before, at most `most`, in the transaction that counts them; answers how many.
pub(super) async fn purge(
    connection: &mut PgConnection,
    queue: Queue,
    dead_before: Millis,
    most: i64,
) -> Result<u64, sqlx::Error> {
    const PURGE: &str = "
        WITH old AS MATERIALIZED (
            SELECT id FROM queue_dead WHERE died_at < $1 AND queue = $2
            ORDER BY died_at LIMIT $3 FOR UPDATE SKIP LOCKED),
        failed AS (DELETE FROM queue_errors e USING old WHERE e.id = old.id)
        DELETE FROM queue_dead d USING old WHERE d.id = old.id
        RETURNING d.id, d.queue, d.tenant, CASE WHEN d.holds THEN d.order_key END AS order_key, d.bucket";
    const EMPTY: &str = "
        DELETE FROM queue_dead_buckets WHERE id IN (
            SELECT id FROM queue_dead_buckets WHERE letters = 0 FOR UPDATE SKIP LOCKED)";
    letters::put_alone(connection).await?;
    let mut transaction = connection.begin().await?;
    let gone: Vec<Removed> = sqlx::query_as(PURGE)
        .bind(dead_before)
        .bind(queue as i16)
        .bind(most)
        .fetch_all(&mut *transaction)
        .await?;
    let buckets: Vec<Option<i64>> = gone.iter().map(|letter| letter.bucket).collect();
    let ends: Vec<End> = gone.into_iter().filter_map(Removed::end).collect();
    lines::end(&mut transaction, queue, &ends).await?;
    count(&mut transaction, queue, "purged", &buckets).await?;
    letters::take(&mut transaction, buckets.iter().copied()).await?;
    sqlx::query(EMPTY).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(buckets.len() as u64)
}
