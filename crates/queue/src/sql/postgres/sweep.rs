//! What becomes ready by itself or by a word: due jobs, jobs of ended leases, jobs behind a gate.

use sqlx::PgConnection;

use super::super::ring::lanes;
use super::super::texts::storable;
use super::crash_due;
use crate::backend::{CRASHES_MAX, Reason, Sweep};
use crate::clock::{Millis, day};
use crate::job::Queue;

/// Due jobs that one sweep makes ready.
const PROMOTE_MAX: i64 = 1_000;

/// Ended leases that are looked at in one round.
const LEASES_MAX: i64 = 100;

/// Of these, as many are taken back as have this many jobs before the last: a lease has at most a thousand, and one
/// block of numbers is 2047.
const JOBS_MAX: i64 = 1_000;

/// Parked jobs made ready by one statement.
pub(super) const UNPARK_MAX: u64 = 5_000;

const PROMOTE: &str = "
WITH due AS (
    DELETE FROM queue_later l USING (
        SELECT run_at, seq FROM queue_later WHERE queue = $1 AND run_at <= $2
        ORDER BY run_at, seq LIMIT $3 FOR UPDATE SKIP LOCKED) d
    WHERE l.queue = $1 AND l.run_at = d.run_at AND l.seq = d.seq
    RETURNING l.lane, l.tenant, l.seq),
ready AS (
    INSERT INTO queue_ready (lane, tenant, pos, n)
    SELECT lane, tenant, min(seq), count(*)::integer
    FROM (SELECT lane, tenant, seq, seq - row_number() OVER (PARTITION BY lane, tenant ORDER BY seq) AS island
          FROM due) runs
    GROUP BY lane, tenant, island, seq / 128),
told AS MATERIALIZED (SELECT pg_notify('queue_wake', $4) FROM (SELECT FROM due LIMIT 1) woken)
SELECT (SELECT count(*) FROM due), (SELECT count(told) FROM told),
    (SELECT run_at FROM queue_later WHERE queue = $1 AND run_at > $2 ORDER BY run_at LIMIT 1)";

pub(super) async fn promote(connection: &mut PgConnection, queue: Queue, now: Millis) -> Result<Sweep, sqlx::Error> {
    let (promoted, _, next): (i64, i64, Option<Millis>) = sqlx::query_as(PROMOTE)
        .bind(queue as i16)
        .bind(now)
        .bind(PROMOTE_MAX)
        .bind((queue as i16).to_string())
        .fetch_one(connection)
        .await?;
    let next_due = if promoted == PROMOTE_MAX { Some(now) } else { next };
    Ok(Sweep {
        promoted: usize::try_from(promoted).unwrap_or(0),
        next_due,
        ..Sweep::default()
    })
}

/// What one round of taking back found.
pub(super) struct Rescued {
    pub(super) leases: i64,
    pub(super) rescued: usize,
    pub(super) unheard: usize,
    pub(super) poisoned: usize,
    pub(super) next_due: Option<Millis>,
}

/// Somebody who is settling or renewing one of these leases holds its lock, so it is left alone. Whoever comes to settle
/// while we hold it waits, and then finds it gone.
const RESCUE: &str = "
WITH ended AS MATERIALIZED (
    SELECT id, (SELECT sum(len) FROM unnest(lens) len) AS jobs FROM queue_leases
    WHERE lane = ANY($1) AND until < $2 ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED),
taken AS MATERIALIZED (
    SELECT id FROM (SELECT id, sum(jobs) OVER (ORDER BY id) - jobs AS before FROM ended) e WHERE before < $4),
lost AS (
    DELETE FROM queue_leases l USING taken WHERE l.id = taken.id RETURNING l.firsts, l.lens, l.cancelled,
        EXISTS (SELECT FROM queue_workers w WHERE w.session = l.session AND w.until > $2) AS unheard),
runs AS MATERIALIZED (
    SELECT run.first, run.len, lost.cancelled, lost.unheard FROM lost, unnest(lost.firsts, lost.lens) AS run(first, len)),
left_over AS MATERIALIZED (
    SELECT job.seq, job.crashes + (NOT runs.unheard)::integer AS crashes, runs.unheard,
        row_number() OVER (ORDER BY job.tenant, job.seq) AS o, job.seq = ANY(runs.cancelled) AS cancelled
    FROM runs, LATERAL (
        SELECT seq, tenant, crashes FROM queue_jobs j WHERE j.seq >= runs.first AND j.seq < runs.first + runs.len
        OFFSET 0) job),
base AS MATERIALIZED (SELECT nextval('queue_blocks') AS base),
moved AS (
    UPDATE queue_jobs j SET seq = base.base + l.o, crashes = l.crashes,
        run_at = CASE WHEN l.unheard THEN $2 ELSE ($5::bigint[])[l.crashes] END
    FROM left_over l CROSS JOIN base WHERE j.seq = l.seq AND l.crashes < $6 AND NOT l.cancelled
    RETURNING j.seq, j.run_at, j.id, j.queue, j.tenant, j.crashes, l.unheard),
followed AS (UPDATE queue_keys k SET seq = moved.seq, day = GREATEST(k.day, $7) FROM moved WHERE k.id = moved.id),
later AS (
    INSERT INTO queue_later (queue, run_at, seq, lane, tenant)
    SELECT queue, run_at, seq, queue + 10 * crashes, tenant FROM moved),
buried AS (
    DELETE FROM queue_jobs j USING left_over l WHERE j.seq = l.seq AND (l.crashes >= $6 OR l.cancelled)
    RETURNING l.crashes, l.cancelled, j.id, j.queue, j.tenant, j.attempts, j.body),
dead AS (
    INSERT INTO queue_dead (id, queue, crashes, attempts, died_at, tenant, reason, body)
    SELECT id, queue, crashes, attempts, $2, tenant, CASE WHEN cancelled THEN $9 ELSE $8 END, body FROM buried),
failed AS (
    INSERT INTO queue_errors (id, attempt, at, error)
    SELECT id, attempts + 1, $2, 'the worker died under it ' || crashes || ' times' FROM buried WHERE NOT cancelled),
late AS (UPDATE queue_keys k SET day = GREATEST(k.day, $7) FROM buried WHERE k.id = buried.id),
unmarked AS (DELETE FROM queue_cancels c USING buried WHERE c.id = buried.id),
told AS MATERIALIZED (SELECT pg_notify('queue_wake', queue::text) FROM (SELECT DISTINCT queue FROM moved) woken)
SELECT (SELECT count(*) FROM lost), (SELECT count(*) FROM moved WHERE NOT unheard),
    (SELECT count(*) FROM moved WHERE unheard), (SELECT count(*) FROM buried WHERE NOT cancelled),
    (SELECT min(run_at) FROM moved), (SELECT count(told) FROM told)";

pub(super) async fn rescue(
    connection: &mut PgConnection,
    queue: Queue,
    now: Millis,
    dice: f64,
) -> Result<Rescued, sqlx::Error> {
    let (leases, rescued, unheard, poisoned, next_due, _): (i64, i64, i64, i64, Option<Millis>, i64) =
        sqlx::query_as(RESCUE)
            .bind(lanes(queue))
            .bind(now)
            .bind(LEASES_MAX)
            .bind(JOBS_MAX)
            .bind(crash_due(now, dice))
            .bind(i32::from(CRASHES_MAX))
            .bind(day(now))
            .bind(Reason::Poison.name())
            .bind(Reason::Cancelled.name())
            .fetch_one(connection)
            .await?;
    let size = |count| usize::try_from(count).unwrap_or(0);
    Ok(Rescued {
        leases,
        rescued: size(rescued),
        unheard: size(unheard),
        poisoned: size(poisoned),
        next_due,
    })
}

/// They keep their `seq`: parking them gave them a new one.
const UNPARK: &str = "
WITH open AS (
    DELETE FROM queue_parked p USING (
        SELECT seq FROM queue_parked WHERE gate = ANY($1) AND lane = ANY($2) LIMIT $3 FOR UPDATE SKIP LOCKED) o
    WHERE p.seq = o.seq RETURNING p.lane, p.tenant, p.seq),
ready AS (
    INSERT INTO queue_ready (lane, tenant, pos, n)
    SELECT lane, tenant, min(seq), count(*)::integer
    FROM (SELECT lane, tenant, seq, seq - row_number() OVER (PARTITION BY lane, tenant ORDER BY seq) AS island
          FROM open) runs
    GROUP BY lane, tenant, island, seq / 128),
told AS MATERIALIZED (SELECT pg_notify('queue_wake', $4) FROM (SELECT FROM open LIMIT 1) woken)
SELECT (SELECT count(*) FROM open), (SELECT count(told) FROM told)";

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
