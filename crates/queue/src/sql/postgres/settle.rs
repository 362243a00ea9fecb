//! Writing down how runs ended, and keeping leases.

use std::collections::HashSet;

use sqlx::PgConnection;

use super::super::outcome::{error, kind, label, run_at};
use crate::backend::{Outcome, Reason, Settle};
use crate::clock::{Millis, day};

/// For the usual case: everything done at the first attempt, on the day it was added. Locking the lease waits for
/// whoever takes it away at this moment; then it is gone and its jobs are not touched.
const DONE: &str = "
WITH held AS MATERIALIZED (SELECT id FROM queue_leases WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE),
finished AS (DELETE FROM queue_leases WHERE id = ANY($4))
DELETE FROM queue_jobs WHERE seq = ANY(ARRAY(
    SELECT s.seq FROM unnest($2::bigint[], $3::bigint[]) AS s(seq, lease) JOIN held ON held.id = s.lease))
RETURNING seq";

/// For every other mixture. A job that goes on gets a new `seq`, so that it does not belong to this lease any more; one
/// that is released gets one before everything that waits, as it has waited already. A key that ends or moves on a later
/// day than its job was added is remembered from then. One that was cancelled does not go on: the lease's row says so,
/// whose lock gives its newest version, where a table of its own would be seen as it was before we waited.
const MIXED: &str = "
WITH input AS MATERIALIZED (
    SELECT * FROM unnest($2::bigint[], $3::bigint[], $5::smallint[], $6::bigint[], $7::text[], $8::text[], $9::bool[])
        WITH ORDINALITY AS i(seq, lease, kind, run_at, error, label, late, o)),
held AS MATERIALIZED (SELECT id, cancelled FROM queue_leases WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE),
finished AS (DELETE FROM queue_leases WHERE id = ANY($4)),
mine AS MATERIALIZED (
    SELECT seq, run_at, error, late, o, CASE WHEN doomed THEN 1 ELSE kind END AS kind,
        CASE WHEN doomed THEN $12 ELSE label END AS label
    FROM (SELECT input.*, input.kind >= 2 AND input.seq = ANY(held.cancelled) AS doomed
          FROM input JOIN held ON held.id = input.lease) mine),
base AS MATERIALIZED (SELECT nextval('queue_blocks') AS back, nextval('queue_front') AS front),
ended AS (
    DELETE FROM queue_jobs j USING mine
    WHERE j.seq = mine.seq AND mine.kind <= 1
    RETURNING mine.seq, mine.kind, mine.error, mine.label, mine.late,
        j.id, j.queue, j.tenant, j.attempts, j.crashes, j.body),
moved AS (
    UPDATE queue_jobs j SET
        seq = CASE WHEN mine.kind = 4 THEN base.front - 1024 + mine.o ELSE base.back + mine.o END,
        attempts = j.attempts + (mine.error IS NOT NULL)::integer,
        run_at = mine.run_at
    FROM mine CROSS JOIN base WHERE j.seq = mine.seq AND mine.kind >= 2
    RETURNING mine.seq AS old, mine.kind, mine.error, mine.label,
        j.seq, j.run_at, j.id, j.queue, j.tenant, j.attempts, j.crashes),
dead AS (
    INSERT INTO queue_dead (id, queue, crashes, attempts, died_at, tenant, reason, body)
    SELECT id, queue, crashes, attempts + (error IS NOT NULL)::integer, $10, tenant, label, body FROM ended WHERE kind = 1),
failed AS (
    INSERT INTO queue_errors (id, attempt, at, error)
    SELECT id, attempts + 1, $10, error FROM ended WHERE error IS NOT NULL
    UNION ALL SELECT id, attempts, $10, error FROM moved WHERE error IS NOT NULL),
forgiven AS (DELETE FROM queue_errors e USING ended WHERE e.id = ended.id AND ended.kind = 0),
unmarked AS (DELETE FROM queue_cancels c USING ended WHERE c.id = ended.id),
late AS (UPDATE queue_keys k SET day = GREATEST(k.day, $11) FROM ended WHERE k.id = ended.id AND ended.late),
followed AS (UPDATE queue_keys k SET seq = moved.seq, day = GREATEST(k.day, $11) FROM moved WHERE k.id = moved.id),
later AS (
    INSERT INTO queue_later (queue, run_at, seq, lane, tenant)
    SELECT queue, run_at, seq, queue + 10 * crashes, tenant FROM moved WHERE kind = 2),
parked AS (
    INSERT INTO queue_parked (seq, lane, tenant, gate)
    SELECT seq, queue + 10 * crashes, tenant, label FROM moved WHERE kind = 3),
ready AS (
    INSERT INTO queue_ready (lane, tenant, pos, n)
    SELECT queue + 10 * crashes, tenant, seq, 1 FROM moved WHERE kind = 4),
told AS MATERIALIZED (
    SELECT pg_notify('queue_wake', queue::text)
    FROM (SELECT DISTINCT queue FROM moved WHERE kind IN (2, 4)) woken)
SELECT gone.seq FROM (SELECT seq FROM ended UNION ALL SELECT old FROM moved) gone
CROSS JOIN (SELECT count(told) FROM told) told";

pub(super) async fn settle(
    connection: &mut PgConnection,
    settles: &[Settle],
    finished: &[i64],
    now: Millis,
) -> Result<Vec<bool>, sqlx::Error> {
    let today = day(now);
    // The finished ones too, so that all leases are locked in one order.
    let mut leases: Vec<i64> = settles
        .iter()
        .map(|settle| settle.ticket.claim)
        .chain(finished.iter().copied())
        .collect();
    leases.sort_unstable();
    leases.dedup();
    let seqs: Vec<i64> = settles.iter().map(|settle| settle.ticket.seq).collect();
    let claims: Vec<i64> = settles.iter().map(|settle| settle.ticket.claim).collect();
    let plain = |settle: &Settle| {
        settle.outcome == Outcome::Done && settle.attempts == 0 && settle.crashes == 0 && settle.added_on >= today
    };
    let gone: Vec<i64> = if settles.iter().all(plain) {
        sqlx::query_scalar(DONE)
            .bind(&leases)
            .bind(&seqs)
            .bind(&claims)
            .bind(finished)
            .fetch_all(connection)
            .await?
    } else {
        sqlx::query_scalar(MIXED)
            .bind(&leases)
            .bind(&seqs)
            .bind(&claims)
            .bind(finished)
            .bind(settles.iter().map(|settle| kind(&settle.outcome)).collect::<Vec<_>>())
            .bind(settles.iter().map(|settle| run_at(&settle.outcome)).collect::<Vec<_>>())
            .bind(settles.iter().map(|settle| error(&settle.outcome)).collect::<Vec<_>>())
            .bind(settles.iter().map(|settle| label(&settle.outcome)).collect::<Vec<_>>())
            .bind(settles.iter().map(|settle| settle.added_on < today).collect::<Vec<_>>())
            .bind(now)
            .bind(today)
            .bind(Reason::Cancelled.name())
            .fetch_all(connection)
            .await?
    };
    // A job that is settled twice in one call was held once.
    let mut gone: HashSet<i64> = gone.into_iter().collect();
    Ok(seqs.iter().map(|seq| gone.remove(seq)).collect())
}

pub(super) async fn renew(
    connection: &mut PgConnection,
    claims: &[i64],
    until: Millis,
) -> Result<Vec<i64>, sqlx::Error> {
    // Locked in one order first: an update by itself takes rows as it finds them.
    const RENEW: &str = "
        WITH held AS MATERIALIZED (SELECT id FROM queue_leases WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE)
        UPDATE queue_leases l SET until = $2 FROM held WHERE l.id = held.id RETURNING l.id";
    let held: Vec<i64> = sqlx::query_scalar(RENEW)
        .bind(claims)
        .bind(until)
        .fetch_all(connection)
        .await?;
    let held: HashSet<i64> = held.into_iter().collect();
    Ok(claims.iter().copied().filter(|claim| !held.contains(claim)).collect())
}
