//! What limit keys allow.

use std::collections::BTreeMap;

use sqlx::{Connection as _, PgConnection};

use super::super::limits::{LIMIT, LimitRow, arrival_under, columns};
use super::super::ring::lanes;
use super::wake;
use crate::clock::Millis;
use crate::flow::{Key, Limit, Missed};
use crate::job::Queue;

/// Where the rate goes on of queue `$1` and key `$2`, which was at `$3` and will be at `$4`; of no row if it is not there any
/// more, or is no longer `$5` in `$6` microseconds.
const GOES_ON: &str = "UPDATE queue_limits SET arrival_us = $4
    WHERE queue = $1 AND limit_key = $2 AND arrival_us = $3
        AND rate_count IS NOT DISTINCT FROM $5 AND rate_per_us IS NOT DISTINCT FROM $6";

pub(super) async fn set(
    connection: &mut PgConnection,
    queue: Queue,
    key: &Key,
    limit: Option<Limit>,
    now: Millis,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    match limit {
        Some(limit) => keep(&mut transaction, queue, key, limit, now).await?,
        None => forget(&mut transaction, queue, key).await?,
    }
    look_again(&mut transaction, queue, &[key.as_str()]).await?;
    wake::tell(&mut transaction, queue).await?;
    transaction.commit().await
}

async fn keep(
    connection: &mut PgConnection,
    queue: Queue,
    key: &Key,
    limit: Limit,
    now: Millis,
) -> Result<(), sqlx::Error> {
    const LOCK: &str = "INSERT INTO queue_limits AS l (queue, limit_key) VALUES ($1, $2)
        ON CONFLICT (queue, limit_key) DO UPDATE SET arrival_us = l.arrival_us RETURNING l.arrival_us";
    const SET: &str = "UPDATE queue_limits SET concurrency = $3, rate_count = $4, rate_per_us = $5, arrival_us = $6
        WHERE queue = $1 AND limit_key = $2";
    let arrival_us: i64 = sqlx::query_scalar(LOCK)
        .bind(queue as i16)
        .bind(key.as_str())
        .fetch_one(&mut *connection)
        .await?;
    let (concurrency, rate_count, rate_per_us) = columns(limit);
    sqlx::query(SET)
        .bind(queue as i16)
        .bind(key.as_str())
        .bind(concurrency)
        .bind(rate_count)
        .bind(rate_per_us)
        .bind(arrival_under(limit, arrival_us, now))
        .execute(connection)
        .await?;
    Ok(())
}

async fn forget(connection: &mut PgConnection, queue: Queue, key: &Key) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM queue_limits WHERE queue = $1 AND limit_key = $2")
        .bind(queue as i16)
        .bind(key.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Closes keys until a time, each for the longest that was said.
pub(super) async fn cool(
    connection: &mut PgConnection,
    queue: Queue,
    until: &BTreeMap<&str, Millis>,
) -> Result<(), sqlx::Error> {
    // In the order of the keys, which are the same for everybody.
    const COOL: &str = "INSERT INTO queue_limits AS l (queue, limit_key, cool_until)
        SELECT $1, * FROM unnest($2::text[], $3::bigint[])
        ON CONFLICT (queue, limit_key) DO UPDATE SET cool_until = GREATEST(l.cool_until, excluded.cool_until)";
    if until.is_empty() {
        return Ok(());
    }
    let (keys, until): (Vec<&str>, Vec<Millis>) = until.iter().unzip();
    sqlx::query(COOL)
        .bind(queue as i16)
        .bind(&keys)
        .bind(until)
        .execute(&mut *connection)
        .await?;
    look_again(connection, queue, &keys).await
}

/// What was found out about closed keys is forgotten, so that the next claim looks anew. After their limits were locked: a
/// claim that knows the old ones has written down by then what it found.
async fn look_again(connection: &mut PgConnection, queue: Queue, keys: &[&str]) -> Result<(), sqlx::Error> {
    const AGAIN: &str = "
        WITH closed AS MATERIALIZED (
            SELECT held.ctid FROM unnest($2::text[]) AS k(limit_key), unnest($1::smallint[]) AS l(lane),
                LATERAL (SELECT ctid FROM queue_closed c
                    WHERE c.lane = l.lane AND c.limit_key = k.limit_key LIMIT 1 FOR UPDATE) held),
        opened AS (
            DELETE FROM queue_closed WHERE ctid = ANY(ARRAY(SELECT ctid FROM closed)) RETURNING lane, limit_key)
        INSERT INTO queue_turns (lane, limit_key) SELECT lane, limit_key FROM opened";
    sqlx::query(AGAIN)
        .bind(lanes(queue))
        .bind(keys)
        .execute(connection)
        .await?;
    Ok(())
}

/// Reserves another start instead of one that was missed. Nothing is locked while it is thought about: who comes too late for
/// what was read reads again.
pub(super) async fn reserve_again(
    connection: &mut PgConnection,
    queue: Queue,
    key: &Key,
    missed: Missed,
) -> Result<Millis, sqlx::Error> {
    loop {
        let row: Option<LimitRow> = sqlx::query_as(LIMIT)
            .bind(queue as i16)
            .bind(key.as_str())
            .fetch_optional(&mut *connection)
            .await?;
        let Some(row) = row else { return Ok(missed.now) };
        let (instead, arrival_us) = row.again(missed);
        let Some(arrival_us) = arrival_us else {
            return Ok(instead);
        };
        let went_on = sqlx::query(GOES_ON)
            .bind(queue as i16)
            .bind(key.as_str())
            .bind(row.arrival_us)
            .bind(arrival_us)
            .bind(row.rate_count)
            .bind(row.rate_per_us)
            .execute(&mut *connection)
            .await?;
        if went_on.rows_affected() > 0 {
            return Ok(instead);
        }
    }
}
