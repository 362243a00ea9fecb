//! Dead letters into their buckets and out of them, and from elsewhere.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use super::super::inspect::Connection;
use super::super::letters::{Loose, filled, last_errors};
use super::super::pool::broken;
use super::super::rows::holds;
use super::super::texts::{storable_error, storable_excerpt};
use crate::backend::{BATCH_MAX, NewDead};
use crate::clock::{Millis, day};
use crate::flow::Key;

/// Puts letters that are in no bucket yet into theirs, the latest first, at most [`BATCH_MAX`]. The last of a transaction:
/// it locks rows that many share.
pub(super) async fn put(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    const FILL: &str = "INSERT INTO queue_dead_buckets AS b (grp, queue, tenant, kind, reason, error, letters)
        SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[])
        ON CONFLICT (grp, queue, tenant) DO UPDATE SET letters = b.letters + excluded.letters";
    const PUT: &str = "UPDATE queue_dead d SET bucket = b.id
        FROM unnest($1::uuid[], $2::bigint[]) AS i(id, grp), queue_dead_buckets b
        WHERE d.id = i.id AND b.grp = i.grp AND b.queue = d.queue AND b.tenant = d.tenant";
    let columns = Loose::columns();
    let loose = format!(
        "SELECT {columns} FROM queue_dead WHERE bucket IS NULL ORDER BY died_at DESC LIMIT {BATCH_MAX}
        FOR UPDATE SKIP LOCKED"
    );
    let loose: Vec<Loose> = sqlx::query_as(AssertSqlSafe(loose)).fetch_all(&mut *connection).await?;
    if loose.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = loose.iter().map(|letter| letter.id).collect();
    let errors = last_errors(&mut Connection::Postgres(&mut *connection), &ids).await?;
    let (mut groups, mut buckets) = (Vec::with_capacity(loose.len()), Vec::with_capacity(loose.len()));
    for letter in &loose {
        let bucket = letter.bucket(errors.get(&letter.id).map(|last| last.error.as_str()))?;
        groups.push(bucket.place.0);
        buckets.push(bucket);
    }
    let filled = filled(buckets);
    sqlx::query(FILL)
        .bind(filled.iter().map(|(bucket, _)| bucket.place.0).collect::<Vec<_>>())
        .bind(filled.iter().map(|(bucket, _)| bucket.place.1).collect::<Vec<_>>())
        .bind(filled.iter().map(|(bucket, _)| bucket.place.2).collect::<Vec<_>>())
        .bind(
            filled
                .iter()
                .map(|(bucket, _)| bucket.kind.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(
            filled
                .iter()
                .map(|(bucket, _)| bucket.reason.name())
                .collect::<Vec<_>>(),
        )
        .bind(
            filled
                .iter()
                .map(|(bucket, _)| bucket.error.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(filled.iter().map(|(_, letters)| *letters).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    sqlx::query(PUT).bind(ids).bind(groups).execute(connection).await?;
    Ok(())
}

/// The same as a transaction of its own.
pub(super) async fn put_alone(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    put(&mut transaction).await?;
    transaction.commit().await
}

/// Takes letters, of which these were the buckets, out of them. As [`put`], it comes last.
pub(super) async fn take(
    connection: &mut PgConnection,
    buckets: impl Iterator<Item = Option<i64>>,
) -> Result<(), sqlx::Error> {
    const TAKE: &str = "WITH taken AS MATERIALIZED (
            SELECT b.id, t.letters FROM unnest($1::bigint[], $2::bigint[]) AS t(id, letters)
            JOIN queue_dead_buckets b ON b.id = t.id ORDER BY b.grp, b.queue, b.tenant FOR NO KEY UPDATE OF b)
        UPDATE queue_dead_buckets b SET letters = b.letters - taken.letters FROM taken WHERE b.id = taken.id";
    let mut taken: BTreeMap<i64, i64> = BTreeMap::new();
    for bucket in buckets.flatten() {
        *taken.entry(bucket).or_default() += 1;
    }
    if taken.is_empty() {
        return Ok(());
    }
    let (ids, letters): (Vec<i64>, Vec<i64>) = taken.into_iter().unzip();
    sqlx::query(TAKE).bind(ids).bind(letters).execute(connection).await?;
    Ok(())
}

/// Keeps letters whose keys are not known; answers which.
pub(super) async fn import(
    connection: &mut PgConnection,
    letters: &[NewDead],
    now: Millis,
) -> Result<Vec<bool>, sqlx::Error> {
    const DEAD: &str = "
        WITH base AS MATERIALIZED (SELECT nextval('queue_blocks') AS base),
        src AS MATERIALIZED (
            SELECT * FROM base, unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::bytea[], $5::text[], $6::text[],
                    $7::bool[], $8::text[], $9::bigint[], $10::integer[])
                WITH ORDINALITY AS t(id, queue, tenant, body, limit_key, order_key, holds, reason, died_at, attempts, o)),
        key AS (
            INSERT INTO queue_keys (id, seq, day) SELECT id, base + o, $11 FROM src ORDER BY id, o
            ON CONFLICT DO NOTHING RETURNING seq),
        dead AS (
            INSERT INTO queue_dead
                (id, queue, crashes, attempts, died_at, tenant, reason, body, limit_key, order_key, holds)
            SELECT id, queue, 0, attempts, died_at, tenant, reason, body, limit_key, order_key, holds
            FROM src JOIN key ON key.seq = base + o)
        SELECT src.o FROM src JOIN key ON key.seq = base + o";
    const ERRORS: &str = "INSERT INTO queue_errors (id, attempt, at, error, excerpt)
        SELECT id, attempt, at, error, excerpt
        FROM unnest($1::uuid[], $2::integer[], $3::bigint[], $4::text[], $5::text[])
            WITH ORDINALITY AS t(id, attempt, at, error, excerpt, o) ORDER BY o";

    let mut transaction = connection.begin().await?;
    let places: Vec<i64> = sqlx::query_scalar(DEAD)
        .bind(column(letters, |letter| letter.job.id.0))
        .bind(column(letters, |letter| letter.job.queue as i16))
        .bind(column(letters, |letter| letter.job.tenant))
        .bind(column(letters, |letter| letter.job.body.as_slice()))
        .bind(column(letters, |letter| {
            letter.job.keys.limit.as_ref().map(Key::as_str)
        }))
        .bind(column(letters, |letter| {
            letter.job.keys.order.as_ref().map(|order| order.key.as_str())
        }))
        .bind(column(letters, |letter| holds(&letter.job.keys)))
        .bind(column(letters, |letter| letter.reason.name()))
        .bind(column(letters, |letter| letter.died_at))
        .bind(column(letters, |letter| i32::from(letter.attempts)))
        .bind(day(now))
        .fetch_all(&mut *transaction)
        .await?;
    let mut imported = vec![false; letters.len()];
    for place in places {
        // The database counts from 1.
        imported[usize::try_from(place - 1).map_err(broken)?] = true;
    }
    let kept = letters.iter().zip(&imported).filter(|(_, kept)| **kept);
    let errors: Vec<_> = kept
        .flat_map(|(letter, _)| letter.errors.iter().map(|failure| (letter.job.id.0, failure)))
        .collect();
    sqlx::query(ERRORS)
        .bind(errors.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .bind(
            errors
                .iter()
                .map(|(_, failure)| i32::from(failure.attempt))
                .collect::<Vec<_>>(),
        )
        .bind(errors.iter().map(|(_, failure)| failure.at).collect::<Vec<_>>())
        .bind(
            errors
                .iter()
                .map(|(_, failure)| storable_error(&failure.error))
                .collect::<Vec<_>>(),
        )
        .bind(
            errors
                .iter()
                .map(|(_, failure)| failure.excerpt.as_ref().and_then(storable_excerpt))
                .collect::<Vec<_>>(),
        )
        .execute(&mut *transaction)
        .await?;
    put(&mut transaction).await?;
    transaction.commit().await?;
    Ok(imported)
}

fn column<'a, T>(letters: &'a [NewDead], of: impl Fn(&'a NewDead) -> T) -> Vec<T> {
    letters.iter().map(of).collect()
}
