//! Taking jobs back from leases that have ended.

use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::super::outcome::End;
use super::super::ring::lanes;
use super::lines;
use super::pieces::make_room;
use crate::backend::{CRASH_BACKOFF, CRASHES_MAX, Reason};
use crate::clock::{Millis, day, millis};
use crate::job::Queue;

/// Ended leases that are looked at in one round.
const LEASES_MAX: i64 = 100;

/// Of these, as many are taken back as have this many jobs before the last: a lease has at most a thousand, and one
/// block of numbers is 2047.
const JOBS_MAX: i64 = 1_000;

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
const RESCUE: &str = concat!(
    "
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
    RETURNING j.seq, j.run_at, j.id, j.queue, j.tenant, j.crashes, j.limit_key, j.order_key, l.unheard),
followed AS (UPDATE queue_keys k SET seq = moved.seq, day = GREATEST(k.day, $7) FROM moved WHERE k.id = moved.id),
later AS (
    INSERT INTO queue_later (queue, run_at, seq, lane, tenant, limit_key, ordered)
    SELECT queue, run_at, seq, queue + 10 * crashes, tenant, limit_key, order_key IS NOT NULL FROM moved),
buried AS (
    DELETE FROM queue_jobs j USING left_over l WHERE j.seq = l.seq AND (l.crashes >= $6 OR l.cancelled)
    RETURNING l.crashes, l.cancelled, j.id, j.queue, j.tenant, j.attempts, j.limit_key, j.order_key, j.holds, j.body),
dead AS (
    INSERT INTO queue_dead
        (id, queue, crashes, attempts, died_at, tenant, reason, body, limit_key, order_key, holds)
    SELECT id, queue, crashes, attempts, $2, tenant, CASE WHEN cancelled THEN $9 ELSE $8 END, body,
        limit_key, order_key, holds
    FROM buried),
failed AS (
    INSERT INTO queue_errors (id, attempt, at, error)
    SELECT id, attempts + 1, $2, 'the worker died under it ' || crashes || ' times' FROM buried WHERE NOT cancelled),
late AS (UPDATE queue_keys k SET day = GREATEST(k.day, $7) FROM buried WHERE k.id = buried.id),
unmarked AS (DELETE FROM queue_cancels c USING buried WHERE c.id = buried.id),
freed AS (SELECT limit_key FROM moved UNION ALL SELECT limit_key FROM buried),
",
    make_room!("$10", "$1"),
    ",
told AS MATERIALIZED (
    SELECT pg_notify('queue_wake', $11) FROM (SELECT FROM moved UNION ALL SELECT FROM room LIMIT 1) woken),
over AS (SELECT tenant, order_key, id FROM buried WHERE NOT holds)
SELECT (SELECT count(*) FROM lost) AS leases, (SELECT count(*) FROM moved WHERE NOT unheard) AS rescued,
    (SELECT count(*) FROM moved WHERE unheard) AS unheard, (SELECT count(*) FROM buried WHERE NOT cancelled) AS poisoned,
    (SELECT min(run_at) FROM moved) AS next_due, (SELECT count(told) FROM told) AS told,
    ARRAY(SELECT tenant FROM over ORDER BY id) AS tenants, ARRAY(SELECT order_key FROM over ORDER BY id) AS order_keys,
    ARRAY(SELECT id FROM over ORDER BY id) AS ids"
);

#[derive(sqlx::FromRow)]
struct Row {
    leases: i64,
    rescued: i64,
    unheard: i64,
    poisoned: i64,
    next_due: Option<Millis>,
    /// Those that died and do not keep their lines waiting.
    tenants: Vec<Uuid>,
    order_keys: Vec<String>,
    ids: Vec<Uuid>,
}

pub(super) async fn rescue(
    connection: &mut PgConnection,
    queue: Queue,
    now: Millis,
    dice: f64,
) -> Result<Rescued, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let row: Row = sqlx::query_as(RESCUE)
        .bind(lanes(queue))
        .bind(now)
        .bind(LEASES_MAX)
        .bind(JOBS_MAX)
        .bind(crash_due(now, dice))
        .bind(i32::from(CRASHES_MAX))
        .bind(day(now))
        .bind(Reason::Poison.name())
        .bind(Reason::Cancelled.name())
        .bind(queue as i16)
        .bind((queue as i16).to_string())
        .fetch_one(&mut *transaction)
        .await?;
    let dead = row.tenants.into_iter().zip(row.order_keys).zip(row.ids);
    let ends: Vec<End> = dead
        .map(|((tenant, order_key), id)| End { tenant, order_key, id })
        .collect();
    lines::end(&mut transaction, queue, &ends).await?;
    transaction.commit().await?;
    let size = |count| usize::try_from(count).unwrap_or(0);
    Ok(Rescued {
        leases: row.leases,
        rescued: size(row.rescued),
        unheard: size(row.unheard),
        poisoned: size(row.poisoned),
        next_due: row.next_due,
    })
}

/// The waits of a job after its crashes, and when it may run again.
fn crash_due(now: Millis, dice: f64) -> Vec<Millis> {
    (1..=u32::from(CRASHES_MAX))
        .map(|crashes| now + millis(CRASH_BACKOFF.wait(crashes, dice)))
        .collect()
}
