//! The ends of lines' heads.
//!
//! An add that stands behind a head and the end of that head may happen at once. So the end locks the line's row in a
//! statement of its own, before it looks who follows: a part of the same statement would not see what was added while it
//! waited for the lock. Leases are locked before lines, and lines in one order, so that nobody waits in a circle.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::outcome::End;
use super::pieces::make_ready;
use crate::job::Queue;

/// `$1` leases, `$2` queue, `$3` and `$4` the lines, sorted.
const LOCK: &str = "
WITH lease AS MATERIALIZED (SELECT id FROM queue_leases WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE),
line AS MATERIALIZED (
    SELECT held.head FROM (SELECT * FROM unnest($3::uuid[], $4::text[]) OFFSET 0) AS l(tenant, order_key), LATERAL (
        SELECT head FROM queue_lines q WHERE q.queue = $2 AND q.tenant = l.tenant AND q.order_key = l.order_key
        LIMIT 1 FOR UPDATE) held
    WHERE (SELECT count(*) FROM lease) >= 0)
SELECT count(*) FROM line";

/// Locks leases, then lines; what is locked may be more than what turns out to end.
pub(super) async fn lock(
    connection: &mut PgConnection,
    leases: &[i64],
    queue: Queue,
    ends: &[End],
) -> Result<(), sqlx::Error> {
    let mut lines: Vec<(Uuid, &str)> = ends.iter().map(|end| (end.tenant, end.order_key.as_str())).collect();
    lines.sort_unstable();
    lines.dedup();
    let (tenants, keys): (Vec<Uuid>, Vec<&str>) = lines.into_iter().unzip();
    sqlx::query(LOCK)
        .bind(leases)
        .bind(queue as i16)
        .bind(tenants)
        .bind(keys)
        .execute(connection)
        .await?;
    Ok(())
}

/// Needs the locks. Who was not the head leaves nobody waiting. A job keeps its `seq` when it follows: it has never been
/// under a lease with that one.
const FOLLOW: &str = concat!(
    "
WITH line AS MATERIALIZED (
    SELECT ended.tenant, ended.order_key COLLATE \"C\" AS order_key
    FROM unnest($2::uuid[], $3::text[], $4::uuid[]) AS ended(tenant, order_key, id), LATERAL (
        SELECT 1 FROM queue_lines l
        WHERE l.queue = $1 AND l.tenant = ended.tenant AND l.order_key = ended.order_key AND l.head = ended.id
        LIMIT 1) head),
next AS MATERIALIZED (
    SELECT line.tenant, line.order_key, first.seq, job.id, job.crashes, job.limit_key FROM line, LATERAL (
        SELECT seq FROM queue_behind b
        WHERE b.queue = $1 AND b.tenant = line.tenant AND b.order_key = line.order_key
        ORDER BY place LIMIT 1) first, LATERAL (
        SELECT id, crashes, limit_key FROM queue_jobs j WHERE j.seq = first.seq OFFSET 0) job),
gone AS (DELETE FROM queue_behind WHERE seq = ANY(ARRAY(SELECT seq FROM next))),
led AS (
    INSERT INTO queue_lines (queue, tenant, order_key, head) SELECT $1, tenant, order_key, id FROM next
    ON CONFLICT (queue, tenant, order_key) DO UPDATE SET head = excluded.head),
over AS (
    DELETE FROM queue_lines l USING (
        SELECT tenant, order_key FROM line EXCEPT SELECT tenant, order_key FROM next) empty
    WHERE l.queue = $1 AND l.tenant = empty.tenant AND l.order_key = empty.order_key),
start AS MATERIALIZED (
    SELECT ($1 + 10 * crashes)::smallint AS lane, COALESCE(limit_key, '') AS limit_key, tenant, seq FROM next),
",
    make_ready!(),
    ",
told AS MATERIALIZED (SELECT pg_notify('queue_wake', $5) FROM (SELECT FROM next LIMIT 1) woken)
SELECT count(told) FROM told"
);

/// Makes the next of each line ready, if its head has ended.
pub(super) async fn follow(connection: &mut PgConnection, queue: Queue, ends: &[End]) -> Result<(), sqlx::Error> {
    if ends.is_empty() {
        return Ok(());
    }
    sqlx::query(FOLLOW)
        .bind(queue as i16)
        .bind(ends.iter().map(|end| end.tenant).collect::<Vec<_>>())
        .bind(ends.iter().map(|end| end.order_key.as_str()).collect::<Vec<_>>())
        .bind(ends.iter().map(|end| end.id).collect::<Vec<_>>())
        .bind((queue as i16).to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// What follows from ends that are known only when they have happened.
pub(super) async fn end(connection: &mut PgConnection, queue: Queue, ends: &[End]) -> Result<(), sqlx::Error> {
    if ends.is_empty() {
        return Ok(());
    }
    lock(connection, &[], queue, ends).await?;
    follow(connection, queue, ends).await
}
