//! Taking jobs under a lease.

use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::super::pool::broken;
use super::super::ring::{Ring, Visit, lane};
use super::super::rows::attempts;
use super::super::texts::paused;
use crate::backend::{ClaimRequest, Claimed, Claims, Ticket};
use crate::flow::Keys;
use crate::job::JobId;

/// `$1` lane, `$2` tenant served last, `$3` jobs wanted, `$4` jobs per tenant and visit, `$5` end of the lease, `$6` tenants
/// at most, `$7` runs per visit, `$8` the switch, `$9` session. The first row is about the claim, the others are its jobs.
///
/// `ring` names the next tenant after the last, round the circle, each once, no further than somebody reads. `pick` locks
/// their first runs. `cut` decides how much of each. Only what DELETE and UPDATE then *returned* is leased: a lock may
/// give a newer version of a run than the statement's snapshot shows, and such a run is not found again by what it
/// looked like (its length is compared too), so that claim gets less, perhaps nothing, and looks again.
const CLAIM: &str = "
WITH RECURSIVE ring(tenant, first, k) AS (
    SELECT next.tenant, next.tenant, 1 FROM (SELECT COALESCE(
        (SELECT tenant FROM queue_ready WHERE lane = $1 AND tenant > $2 ORDER BY tenant LIMIT 1),
        (SELECT tenant FROM queue_ready WHERE lane = $1 ORDER BY tenant LIMIT 1)) AS tenant OFFSET 0) next
    WHERE next.tenant IS NOT NULL AND NOT EXISTS (SELECT FROM queue_control WHERE name = $8)
    UNION ALL
    SELECT next.tenant, ring.first, ring.k + 1 FROM ring, LATERAL (SELECT COALESCE(
        (SELECT tenant FROM queue_ready WHERE lane = $1 AND tenant > ring.tenant ORDER BY tenant LIMIT 1),
        (SELECT tenant FROM queue_ready WHERE lane = $1 ORDER BY tenant LIMIT 1)) AS tenant OFFSET 0) next
    WHERE next.tenant <> ring.first AND ring.k < $6),
pick AS MATERIALIZED (
    SELECT ring.k, run.tenant, run.pos, run.n FROM ring, LATERAL (
        SELECT tenant, pos, n FROM queue_ready r WHERE r.lane = $1 AND r.tenant = ring.tenant
        ORDER BY r.pos LIMIT $7 FOR UPDATE SKIP LOCKED) run
    LIMIT $3),
share AS (
    SELECT k, tenant, pos, n, LEAST(n, $4 - (sum(n) OVER (PARTITION BY k ORDER BY pos) - n))::bigint AS take FROM pick),
cut AS MATERIALIZED (
    SELECT * FROM (
        SELECT k, tenant, pos, n, LEAST(take, $3 - (sum(take) OVER (ORDER BY k, pos) - take))::integer AS take
        FROM share WHERE take > 0) cut
    WHERE take > 0),
whole AS (
    DELETE FROM queue_ready r USING cut
    WHERE r.lane = $1 AND r.tenant = cut.tenant AND r.pos = cut.pos AND r.n = cut.n AND cut.take = cut.n
    RETURNING r.tenant, r.pos AS first, r.n AS take),
front AS (
    UPDATE queue_ready r SET pos = r.pos + cut.take, n = r.n - cut.take FROM cut
    WHERE r.lane = $1 AND r.tenant = cut.tenant AND r.pos = cut.pos AND r.n = cut.n AND cut.take < cut.n
    RETURNING r.tenant, cut.pos AS first, cut.take),
got AS MATERIALIZED (SELECT * FROM whole UNION ALL SELECT * FROM front),
lease AS (
    INSERT INTO queue_leases (id, lane, session, until, tenants, firsts, lens)
    SELECT nextval('queue_claims'), $1, $9, $5, array_agg(tenant), array_agg(first), array_agg(take) FROM got
    HAVING count(*) > 0 RETURNING id)
SELECT ARRAY[
        (SELECT id FROM lease),
        (SELECT sum(take) FROM got),
        (SELECT sum(take) FROM cut),
        (SELECT count(*) FROM pick),
        (SELECT sum(n) FROM pick),
        (SELECT max(runs) FROM (SELECT count(*) AS runs FROM pick GROUP BY k) visits),
        EXISTS (SELECT FROM ring)::integer,
        EXISTS (SELECT FROM ring WHERE k > (SELECT max(k) FROM cut))::integer
    ]::bigint[] AS about, 0::bigint AS seq, NULL::uuid AS id,
    (SELECT tenant FROM cut ORDER BY k DESC LIMIT 1) AS tenant, 0 AS attempts, NULL::bytea AS body
UNION ALL
SELECT NULL, job.seq, job.id, job.tenant, job.attempts, job.body FROM got, LATERAL (
    SELECT * FROM queue_jobs j WHERE j.seq >= got.first AND j.seq < got.first + got.take OFFSET 0) job";

pub(super) struct Outcome {
    pub(super) claims: Claims,
    pub(super) visit: Visit,
}

pub(super) async fn claim(
    connection: &mut PgConnection,
    request: &ClaimRequest,
    ring: Ring,
) -> Result<Outcome, sqlx::Error> {
    let want = i64::try_from(request.want).map_err(broken)?;
    let rows = sqlx::query(CLAIM)
        .bind(lane(request.queue, request.lane))
        .bind(ring.cursor)
        .bind(want)
        .bind(i64::try_from(ring.share).map_err(broken)?)
        .bind(request.until)
        .bind(want)
        .bind(i64::try_from(ring.runs).map_err(broken)?)
        .bind(paused(request.queue))
        .bind(request.session)
        .fetch_all(connection)
        .await?;
    let (head, rows) = rows.split_first().ok_or(sqlx::Error::RowNotFound)?;
    let about: Vec<Option<i64>> = head.try_get("about")?;
    let number = |index: usize| about.get(index).copied().flatten().unwrap_or(0);
    let size = |index: usize| usize::try_from(number(index)).unwrap_or(0);
    let (claim, taken, cut, unserved) = (number(0), size(1), size(2), number(7) > 0);
    let visit = Visit {
        last: head.try_get::<Option<Uuid>, _>("tenant")?,
        taken,
        runs: size(3),
        jobs: size(4),
        unserved,
    };
    let more = number(6) > 0 && (taken == 0 || taken < cut || taken < visit.jobs || unserved || size(5) >= ring.runs);
    let jobs = rows
        .iter()
        .map(|row| {
            Ok(Claimed {
                id: JobId(row.try_get("id")?),
                queue: request.queue,
                tenant: row.try_get("tenant")?,
                crashes: request.lane,
                attempts: attempts(row.try_get("attempts")?)?,
                ticket: Ticket {
                    claim,
                    seq: row.try_get("seq")?,
                },
                keys: Keys::default(),
                body: row.try_get("body")?,
            })
        })
        .collect::<Result<Vec<_>, sqlx::Error>>()?;
    Ok(Outcome {
        claims: Claims {
            jobs,
            more,
            opens_at: None,
        },
        visit,
    })
}
