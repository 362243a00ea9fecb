//! What becomes ready by itself or by a word: due jobs, jobs behind a gate.

use std::collections::HashMap;

use rusqlite::{Connection, Row};
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::super::ring::lanes;
use super::super::texts::storable;
use super::lines::{self, Due};
use super::ready::{Place, make_ready};
use super::statements::{FromRow, query};
use super::{json, limits, number};
use crate::backend::Sweep;
use crate::clock::Millis;
use crate::job::Queue;

/// Due jobs that one sweep makes ready.
const PROMOTE_MAX: usize = 1_000;

/// Parked jobs made ready in one transaction.
pub(super) const UNPARK_MAX: u64 = 5_000;

/// Whether there is something to sweep, and when the next job is due.
pub(super) async fn outlook(
    connection: &mut SqliteConnection,
    queue: Queue,
    now: Millis,
) -> Result<(bool, Option<Millis>), sqlx::Error> {
    const OUTLOOK: &str = "SELECT
        (SELECT min(run_at) FROM queue_later WHERE queue = $1),
        EXISTS (SELECT 1 FROM queue_leases WHERE until < $2 AND lane IN (SELECT value FROM json_each($3)))
        OR EXISTS (SELECT 1 FROM queue_limits
            WHERE queue = $1 AND cool_until <= $2 AND concurrency IS NULL AND rate_count IS NULL)";
    let (next, waits): (Option<Millis>, bool) = sqlx::query_as(OUTLOOK)
        .bind(queue as i16)
        .bind(now)
        .bind(json(&lanes(queue))?)
        .fetch_one(connection)
        .await?;
    Ok((waits || next.is_some_and(|next| next <= now), next))
}

pub(super) fn promote(connection: &Connection, queue: Queue, now: Millis) -> Result<Sweep, sqlx::Error> {
    const DUE: &str = "DELETE FROM queue_later WHERE queue = $1 AND (run_at, seq) IN (
            SELECT run_at, seq FROM queue_later WHERE queue = $1 AND run_at <= $2 ORDER BY run_at, seq LIMIT $3)
        RETURNING run_at, lane, COALESCE(limit_key, '') AS limit_key, tenant, seq, ordered";
    const NEXT: &str = "SELECT min(run_at) FROM queue_later WHERE queue = $1";
    let mut due: Vec<DueRow> = query(DUE)
        .bind(queue as i16)
        .bind(now)
        .bind(number(PROMOTE_MAX))
        .fetch_all(connection)?;
    let promoted = due.len();
    if due.iter().any(|row| row.ordered) {
        due.sort_unstable_by_key(|row| (row.run_at, row.place.seq));
        join(connection, queue, due)?;
    } else {
        make_ready(connection, due.into_iter().map(|row| row.place).collect())?;
    }
    limits::forget_cooled(connection, queue, now)?;
    let next_due = query(NEXT).bind(queue as i16).fetch_one(connection)?;
    Ok(Sweep {
        promoted,
        next_due,
        ..Sweep::default()
    })
}

/// A job that is due.
struct DueRow {
    run_at: Millis,
    place: Place,
    ordered: bool,
}

impl FromRow for DueRow {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            run_at: row.get("run_at")?,
            place: Place::from_row(row)?,
            ordered: row.get("ordered")?,
        })
    }
}

/// Makes jobs ready of which some stand in lines.
fn join(connection: &Connection, queue: Queue, rows: Vec<DueRow>) -> Result<(), sqlx::Error> {
    const ORDERED: &str = "SELECT j.seq, j.order_key, j.id FROM json_each($1) i
        CROSS JOIN queue_jobs j ON j.seq = i.value";
    let ordered: Vec<i64> = rows.iter().filter(|row| row.ordered).map(|row| row.place.seq).collect();
    let found: Vec<(i64, Option<String>, Uuid)> = query(ORDERED).bind(json(&ordered)?).fetch_all(connection)?;
    let mut found: HashMap<i64, (Option<String>, Uuid)> = found
        .into_iter()
        .map(|(seq, order_key, id)| (seq, (order_key, id)))
        .collect();
    let due = rows.into_iter().map(|row| {
        let (order_key, id) = found.remove(&row.place.seq).unwrap_or_default();
        Due {
            queue: queue as i16,
            order_key,
            id,
            place: row.place,
        }
    });
    lines::join(connection, due.collect())
}

/// They keep their `seq`: parking them gave them a new one. One with an order key is the head of its line: it has run.
pub(super) fn unpark(connection: &Connection, queue: Queue, gates: &[String]) -> Result<u64, sqlx::Error> {
    const OPEN: &str = "DELETE FROM queue_parked WHERE seq IN (
            SELECT seq FROM queue_parked WHERE gate IN (SELECT value FROM json_each($1))
                AND lane IN (SELECT value FROM json_each($2)) LIMIT $3)
        RETURNING lane, COALESCE(limit_key, '') AS limit_key, tenant, seq";
    let gates: Vec<_> = gates.iter().map(|gate| storable(gate)).collect();
    let open: Vec<Place> = query(OPEN)
        .bind(json(&gates)?)
        .bind(json(&lanes(queue))?)
        .bind(i64::try_from(UNPARK_MAX).unwrap_or(i64::MAX))
        .fetch_all(connection)?;
    let count = open.len() as u64;
    make_ready(connection, open)?;
    Ok(count)
}
