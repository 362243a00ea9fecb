//! Dead letters that live again, or go for good.

use sqlx::PgConnection;

use crate::clock::{Millis, day};
use crate::job::JobId;

/// The key's day moves on: the job may well end today, and its new envelope say that it was added today.
const RETRY: &str = "
WITH risen AS (DELETE FROM queue_dead WHERE id = $1 RETURNING id, queue, tenant, body),
base AS MATERIALIZED (SELECT nextval('queue_blocks') + 1 AS seq),
job AS (
    INSERT INTO queue_jobs (seq, queue, id, tenant, body)
    SELECT base.seq, queue, id, tenant, COALESCE($2, body) FROM risen, base),
ready AS (INSERT INTO queue_ready (lane, tenant, pos, n) SELECT queue, tenant, base.seq, 1 FROM risen, base),
unmarked AS (DELETE FROM queue_cancels c USING risen WHERE c.id = risen.id),
key AS (
    INSERT INTO queue_keys (id, seq, day) SELECT id, base.seq, $3 FROM risen, base
    ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, day = GREATEST(queue_keys.day, excluded.day)),
told AS MATERIALIZED (SELECT pg_notify('queue_wake', queue::text) FROM risen)
SELECT (SELECT count(*) FROM risen), (SELECT count(told) FROM told)";

pub(super) async fn retry(
    connection: &mut PgConnection,
    id: JobId,
    body: Option<&[u8]>,
    now: Millis,
) -> Result<bool, sqlx::Error> {
    let (risen, _): (i64, i64) = sqlx::query_as(RETRY)
        .bind(id.0)
        .bind(body)
        .bind(day(now))
        .fetch_one(connection)
        .await?;
    Ok(risen > 0)
}

pub(super) async fn delete(connection: &mut PgConnection, id: JobId) -> Result<bool, sqlx::Error> {
    const DELETE: &str = "
        WITH gone AS (DELETE FROM queue_dead WHERE id = $1 RETURNING id),
        failed AS (DELETE FROM queue_errors e USING gone WHERE e.id = gone.id)
        SELECT count(*) FROM gone";
    let gone: i64 = sqlx::query_scalar(DELETE).bind(id.0).fetch_one(connection).await?;
    Ok(gone > 0)
}
