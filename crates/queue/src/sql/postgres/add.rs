//! Keeping new jobs.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::backend::{Added, NewJob};
use crate::clock::{Millis, day};

/// Keys go in by order of id, so that two calls with the same ids cannot each wait for the other. A key that is known
/// already gives no row, and its job is not kept. What is left becomes runs: neighbours of one tenant, without holes.
/// (`told` must be joined so that it cannot be left out: a part of a SELECT that nobody needs is not run.)
const ADD: &str = "
WITH base AS MATERIALIZED (SELECT nextval('queue_blocks') AS base),
src AS MATERIALIZED (
    SELECT base + o AS seq, id, queue, tenant, run_at, body
    FROM base, unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::bigint[], $5::bytea[])
        WITH ORDINALITY AS t(id, queue, tenant, run_at, body, o)),
key AS (
    INSERT INTO queue_keys (id, seq, day) SELECT id, seq, $6 FROM src ORDER BY id, seq
    ON CONFLICT DO NOTHING RETURNING seq),
fresh AS MATERIALIZED (SELECT src.seq, src.queue, src.tenant, src.run_at FROM src JOIN key USING (seq)),
job AS (
    INSERT INTO queue_jobs (seq, run_at, queue, id, tenant, body)
    SELECT src.seq, src.run_at, src.queue, src.id, src.tenant, src.body FROM src JOIN key USING (seq)),
later AS (
    INSERT INTO queue_later (queue, run_at, seq, lane, tenant)
    SELECT queue, run_at, seq, queue, tenant FROM fresh WHERE run_at IS NOT NULL),
ready AS (
    INSERT INTO queue_ready (lane, tenant, pos, n)
    SELECT queue, tenant, min(seq), count(*)::integer
    FROM (SELECT queue, tenant, seq, seq - row_number() OVER (PARTITION BY queue, tenant ORDER BY seq) AS island
          FROM fresh WHERE run_at IS NULL) runs
    GROUP BY queue, tenant, island, seq / 128),
told AS MATERIALIZED (
    SELECT pg_notify('queue_wake', queue::text) FROM (SELECT DISTINCT queue FROM fresh) woken)
SELECT fresh.seq - base.base FROM base CROSS JOIN fresh CROSS JOIN (SELECT count(told) FROM told) told";

pub(super) async fn add(
    connection: &mut PgConnection,
    jobs: &[NewJob],
    now: Millis,
) -> Result<Vec<Added>, sqlx::Error> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|&index| (jobs[index].queue, jobs[index].tenant));
    let sorted = || order.iter().map(|&index| &jobs[index]);
    let fresh: Vec<i64> = sqlx::query_scalar(ADD)
        .bind(sorted().map(|job| job.id.0).collect::<Vec<Uuid>>())
        .bind(sorted().map(|job| job.queue as i16).collect::<Vec<i16>>())
        .bind(sorted().map(|job| job.tenant).collect::<Vec<Uuid>>())
        .bind(
            sorted()
                .map(|job| (job.run_at > now).then_some(job.run_at))
                .collect::<Vec<Option<i64>>>(),
        )
        .bind(sorted().map(|job| job.body.as_slice()).collect::<Vec<&[u8]>>())
        .bind(day(now))
        .fetch_all(connection)
        .await?;
    let mut added = vec![Added::Duplicate; jobs.len()];
    for place in fresh {
        // The database counts from 1.
        let place = usize::try_from(place - 1).map_err(super::super::pool::broken)?;
        added[order[place]] = Added::New;
    }
    Ok(added)
}
