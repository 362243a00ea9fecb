//! Keeping new jobs.

use sqlx::PgConnection;

use super::super::pool::broken;
use super::super::rows::holds;
use super::pieces::{join_lines, make_ready};
use crate::backend::{Added, NewJob};
use crate::clock::{Millis, day};
use crate::flow::Key;

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

/// The same for jobs of which some have a limit key or an order key. `nr` is the place in the call: neighbours by limit key
/// are no neighbours in a line.
const ADD_KEYED: &str = concat!(
    "
WITH base AS MATERIALIZED (SELECT nextval('queue_blocks') AS base),
src AS MATERIALIZED (
    SELECT base + o AS seq, id, queue, tenant, run_at, body,
        limit_key COLLATE \"C\" AS limit_key, order_key COLLATE \"C\" AS order_key, holds, nr
    FROM base, unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::bigint[], $5::bytea[],
            $7::text[], $8::text[], $9::bool[], $10::integer[])
        WITH ORDINALITY AS t(id, queue, tenant, run_at, body, limit_key, order_key, holds, nr, o)),
key AS (
    INSERT INTO queue_keys (id, seq, day) SELECT id, seq, $6 FROM src ORDER BY id, seq
    ON CONFLICT DO NOTHING RETURNING seq),
fresh AS MATERIALIZED (
    SELECT seq, id, queue, tenant, run_at, limit_key, order_key, nr FROM src JOIN key USING (seq)),
job AS (
    INSERT INTO queue_jobs (seq, run_at, queue, id, tenant, body, limit_key, order_key, holds)
    SELECT seq, run_at, queue, id, tenant, body, limit_key, order_key, holds FROM src JOIN key USING (seq)),
later AS (
    INSERT INTO queue_later (queue, run_at, seq, lane, tenant, limit_key, ordered)
    SELECT queue, run_at, seq, queue, tenant, limit_key, order_key IS NOT NULL FROM fresh WHERE run_at IS NOT NULL),
due AS MATERIALIZED (
    SELECT queue, queue AS lane, COALESCE(limit_key, '') AS limit_key, tenant, order_key, id, seq, nr
    FROM fresh WHERE run_at IS NULL),
",
    join_lines!(),
    ",
",
    make_ready!(),
    ",
told AS MATERIALIZED (
    SELECT pg_notify('queue_wake', queue::text) FROM (SELECT DISTINCT queue FROM fresh) woken)
SELECT fresh.seq - base.base FROM base CROSS JOIN fresh CROSS JOIN (SELECT count(told) FROM told) told"
);

pub(super) async fn add(
    connection: &mut PgConnection,
    jobs: &[NewJob],
    now: Millis,
) -> Result<Vec<Added>, sqlx::Error> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|&index| (jobs[index].queue, &jobs[index].keys.limit, jobs[index].tenant));
    let sorted: Vec<&NewJob> = order.iter().map(|&index| &jobs[index]).collect();
    let all_free = jobs.iter().all(|job| job.keys.is_free());
    let mut query = sqlx::query_scalar(if all_free { ADD } else { ADD_KEYED })
        .bind(column(&sorted, |job| job.id.0))
        .bind(column(&sorted, |job| job.queue as i16))
        .bind(column(&sorted, |job| job.tenant))
        .bind(column(&sorted, |job| (job.run_at > now).then_some(job.run_at)))
        .bind(column(&sorted, |job| job.body.as_slice()))
        .bind(day(now));
    if !all_free {
        let places: Result<Vec<i32>, _> = order.iter().map(|place| i32::try_from(*place)).collect();
        query = query
            .bind(column(&sorted, |job| job.keys.limit.as_ref().map(Key::as_str)))
            .bind(column(&sorted, |job| {
                job.keys.order.as_ref().map(|order| order.key.as_str())
            }))
            .bind(column(&sorted, |job| holds(&job.keys)))
            .bind(places.map_err(broken)?);
    }
    let fresh: Vec<i64> = query.fetch_all(connection).await?;
    let mut added = vec![Added::Duplicate; jobs.len()];
    for place in fresh {
        // The database counts from 1.
        let place = usize::try_from(place - 1).map_err(broken)?;
        added[order[place]] = Added::New;
    }
    Ok(added)
}

fn column<'a, T>(jobs: &[&'a NewJob], of: impl Fn(&'a NewJob) -> T) -> Vec<T> {
    jobs.iter().map(|job| of(job)).collect()
}
