//! What limit keys allow.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::super::limits::{LIMIT, LimitRow, arrival_under, columns};
use super::super::ring::lanes;
use super::json;
use super::statements::query;
use crate::clock::Millis;
use crate::flow::{Key, Limit, Missed};
use crate::job::Queue;

pub(super) fn set(
    connection: &Connection,
    queue: Queue,
    key: &Key,
    limit: Option<Limit>,
    now: Millis,
) -> Result<(), sqlx::Error> {
    const ARRIVAL: &str = "SELECT arrival_us FROM queue_limits WHERE queue = $1 AND limit_key = $2";
    const SET: &str = "
        INSERT INTO queue_limits (queue, limit_key, concurrency, rate_count, rate_per_us, arrival_us)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (queue, limit_key) DO UPDATE SET concurrency = excluded.concurrency,
            rate_count = excluded.rate_count, rate_per_us = excluded.rate_per_us, arrival_us = excluded.arrival_us";
    const FORGET: &str = "DELETE FROM queue_limits WHERE queue = $1 AND limit_key = $2";
    if let Some(limit) = limit {
        let arrival_us: Option<i64> = query(ARRIVAL)
            .bind(queue as i16)
            .bind(key.as_str())
            .fetch_optional(connection)?;
        let (concurrency, rate_count, rate_per_us) = columns(limit);
        query(SET)
            .bind(queue as i16)
            .bind(key.as_str())
            .bind(concurrency)
            .bind(rate_count)
            .bind(rate_per_us)
            .bind(arrival_under(limit, arrival_us.unwrap_or(0), now))
            .execute(connection)?;
    } else {
        query(FORGET)
            .bind(queue as i16)
            .bind(key.as_str())
            .execute(connection)?;
    }
    look_again(connection, queue, &[key.as_str()], false)
}

/// Reserves another start instead of one that was missed.
pub(super) fn reserve_again(
    connection: &Connection,
    queue: Queue,
    key: &Key,
    missed: Missed,
) -> Result<Millis, sqlx::Error> {
    const GOES_ON: &str = "UPDATE queue_limits SET arrival_us = $3 WHERE queue = $1 AND limit_key = $2";
    let row: Option<LimitRow> = query(LIMIT)
        .bind(queue as i16)
        .bind(key.as_str())
        .fetch_optional(connection)?;
    let (instead, arrival_us) = row.map_or((missed.now, None), |row| row.again(missed));
    if let Some(arrival_us) = arrival_us {
        query(GOES_ON)
            .bind(queue as i16)
            .bind(key.as_str())
            .bind(arrival_us)
            .execute(connection)?;
    }
    Ok(instead)
}

/// Closes keys until a time, each for the longest that was said.
pub(super) fn cool(connection: &Connection, queue: Queue, until: &BTreeMap<&str, Millis>) -> Result<(), sqlx::Error> {
    const COOL: &str = "INSERT INTO queue_limits (queue, limit_key, cool_until)
        SELECT $1, value ->> 0, value ->> 1 FROM json_each($2) WHERE true
        ON CONFLICT (queue, limit_key) DO UPDATE SET cool_until = max(cool_until, excluded.cool_until)";
    if until.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = until.iter().collect();
    query(COOL).bind(queue as i16).bind(json(&rows)?).execute(connection)?;
    let keys: Vec<&str> = until.keys().copied().collect();
    look_again(connection, queue, &keys, false)
}

/// What was found out about closed keys is forgotten, so that the next claim looks anew. If only those are meant that the end of
/// a job may open, it stays known where a lane asks for the next room.
fn look_again(connection: &Connection, queue: Queue, keys: &[&str], only_by_ends: bool) -> Result<(), sqlx::Error> {
    const OPEN: &str = "
        INSERT INTO queue_turns (lane, limit_key)
            SELECT lane, limit_key FROM queue_closed WHERE lane IN (SELECT value FROM json_each($1))
                AND limit_key IN (SELECT value FROM json_each($2)) AND (is_full >= $3 OR asks_until < 0)
            ON CONFLICT DO NOTHING;
        DELETE FROM queue_closed WHERE lane IN (SELECT value FROM json_each($1))
            AND limit_key IN (SELECT value FROM json_each($2))
            AND (NOT $3 OR (is_full AND asks_until = 0) OR asks_until < 0)";
    query(OPEN)
        .bind(json(&lanes(queue))?)
        .bind(json(keys)?)
        .bind(only_by_ends)
        .execute(connection)?;
    Ok(())
}

/// Jobs of these keys have left their leases: those that were full are looked at again.
pub(super) fn make_room<'a>(
    connection: &Connection,
    queue: Queue,
    keys: impl Iterator<Item = &'a str>,
) -> Result<(), sqlx::Error> {
    let keys: BTreeSet<&str> = keys.collect();
    let keys: Vec<&str> = keys.into_iter().collect();
    if keys.is_empty() {
        return Ok(());
    }
    look_again(connection, queue, &keys, true)
}

/// Forgets some keys without a limit whose cooling is over.
pub(super) fn forget_cooled(connection: &Connection, queue: Queue, now: Millis) -> Result<(), sqlx::Error> {
    const FORGET: &str = "DELETE FROM queue_limits WHERE queue = $1 AND limit_key IN (
        SELECT limit_key FROM queue_limits
        WHERE queue = $1 AND cool_until <= $2 AND concurrency IS NULL AND rate_count IS NULL
        ORDER BY cool_until LIMIT 100)";
    query(FORGET).bind(queue as i16).bind(now).execute(connection)?;
    Ok(())
}
