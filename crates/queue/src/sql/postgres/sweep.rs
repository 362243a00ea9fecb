//! What becomes ready by itself or by a word: due jobs, jobs behind a gate.

use sqlx::PgConnection;

use super::super::ring::lanes;
use super::super::texts::storable;
use super::pieces::{join_lines, make_ready};
use crate::backend::Sweep;
use crate::clock::Millis;
use crate::job::Queue;

/// Due jobs that one sweep makes ready.
const PROMOTE_MAX: i64 = 1_000;

/// Keys without a limit whose cooling is over, and that are forgotten by one sweep.
const COOLED_MAX: i64 = 100;

/// Parked jobs made ready by one statement.
pub(super) const UNPARK_MAX: u64 = 5_000;

/// A row that waits for its time is never changed, so once it is locked its `ctid` stands for it. (A join would be planned as
/// if both sides were short, and look at the due rows again for each row that waits.)
const PROMOTE: &str = concat!(
    "
WITH found AS MATERIALIZED (
    SELECT ctid FROM queue_later WHERE queue = $1 AND run_at <= $2
    ORDER BY run_at, seq LIMIT $3 FOR UPDATE SKIP LOCKED),
taken AS (
    DELETE FROM queue_later WHERE ctid = ANY(ARRAY(SELECT ctid FROM found))
    RETURNING queue, run_at, lane, tenant, seq, limit_key, ordered),
due AS MATERIALIZED (
    SELECT taken.queue, taken.lane, COALESCE(taken.limit_key, '') AS limit_key, taken.tenant, job.order_key, job.id,
        taken.seq, row_number() OVER (ORDER BY taken.run_at, taken.seq) AS nr
    FROM taken LEFT JOIN LATERAL (
        SELECT order_key, id FROM queue_jobs j WHERE taken.ordered AND j.seq = taken.seq OFFSET 0) job ON true),
",
    join_lines!(),
    ",
",
    make_ready!(),
    ",
cooled AS MATERIALIZED (
    SELECT limit_key FROM queue_limits
    WHERE queue = $1 AND cool_until <= $2 AND concurrency IS NULL AND rate_count IS NULL
    ORDER BY cool_until LIMIT $5 FOR UPDATE SKIP LOCKED),
forgotten AS (
    DELETE FROM queue_limits WHERE queue = $1 AND limit_key = ANY(ARRAY(SELECT limit_key FROM cooled))),
told AS MATERIALIZED (SELECT pg_notify('queue_wake', $4) FROM (SELECT FROM due LIMIT 1) woken)
SELECT (SELECT count(*) FROM due), (SELECT count(told) FROM told),
    (SELECT run_at FROM queue_later WHERE queue = $1 AND run_at > $2 ORDER BY run_at LIMIT 1)"
);

pub(super) async fn promote(connection: &mut PgConnection, queue: Queue, now: Millis) -> Result<Sweep, sqlx::Error> {
    let (promoted, _, next): (i64, i64, Option<Millis>) = sqlx::query_as(PROMOTE)
        .bind(queue as i16)
        .bind(now)
        .bind(PROMOTE_MAX)
        .bind((queue as i16).to_string())
        .bind(COOLED_MAX)
        .fetch_one(connection)
        .await?;
    let next_due = if promoted == PROMOTE_MAX { Some(now) } else { next };
    Ok(Sweep {
        promoted: usize::try_from(promoted).unwrap_or(0),
        next_due,
        ..Sweep::default()
    })
}

/// They keep their `seq`: parking them gave them a new one. One with an order key is the head of its line: it has run.
const UNPARK: &str = concat!(
    "
WITH found AS MATERIALIZED (
    SELECT seq FROM queue_parked WHERE gate = ANY($1) AND lane = ANY($2) LIMIT $3 FOR UPDATE SKIP LOCKED),
open AS (
    DELETE FROM queue_parked WHERE seq = ANY(ARRAY(SELECT seq FROM found))
    RETURNING lane, tenant, seq, limit_key),
start AS MATERIALIZED (SELECT lane, COALESCE(limit_key, '') AS limit_key, tenant, seq FROM open),
",
    make_ready!(),
    ",
told AS MATERIALIZED (SELECT pg_notify('queue_wake', $4) FROM (SELECT FROM open LIMIT 1) woken)
SELECT (SELECT count(*) FROM open), (SELECT count(told) FROM told)"
);

pub(super) async fn unpark(connection: &mut PgConnection, queue: Queue, gates: &[String]) -> Result<u64, sqlx::Error> {
    let gates: Vec<_> = gates.iter().map(|gate| storable(gate).into_owned()).collect();
    let (count, _): (i64, i64) = sqlx::query_as(UNPARK)
        .bind(gates)
        .bind(lanes(queue))
        .bind(i64::try_from(UNPARK_MAX).unwrap_or(i64::MAX))
        .bind((queue as i16).to_string())
        .fetch_one(connection)
        .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}
