//! Taking jobs under a lease.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::super::pool::broken;
use super::super::ring::{Ring, Visit, lane, lanes};
use super::super::rows::{attempts, keys};
use super::super::texts::paused;
use crate::backend::{ClaimRequest, Claimed, Claims, Ticket};
use crate::job::JobId;

/// `$1` lane, `$2` tenant served last, `$6` tenants at most, `$8` the switch: the next tenant after the last, round the
/// circle, each once, no further than somebody reads.
macro_rules! tenants_ring {
    () => {
        "ring(tenant, first, k) AS (
    SELECT next.tenant, next.tenant, 1 FROM (SELECT COALESCE(
        (SELECT tenant FROM queue_ready WHERE lane = $1 AND limit_key = '' AND tenant > $2 ORDER BY tenant LIMIT 1),
        (SELECT tenant FROM queue_ready WHERE lane = $1 AND limit_key = '' ORDER BY tenant LIMIT 1))
        AS tenant OFFSET 0) next
    WHERE next.tenant IS NOT NULL AND NOT EXISTS (SELECT FROM queue_control WHERE name = $8)
    UNION ALL
    SELECT next.tenant, ring.first, ring.k + 1 FROM ring, LATERAL (SELECT COALESCE(
        (SELECT tenant FROM queue_ready WHERE lane = $1 AND limit_key = '' AND tenant > ring.tenant
            ORDER BY tenant LIMIT 1),
        (SELECT tenant FROM queue_ready WHERE lane = $1 AND limit_key = '' ORDER BY tenant LIMIT 1))
        AS tenant OFFSET 0) next
    WHERE next.tenant <> ring.first AND ring.k < $6)"
    };
}
pub(super) use tenants_ring;

/// `$1` lane, `$5` end of the lease, `$9` session; needs `cut`, how much of each run. Only what DELETE and UPDATE then
/// *returned* is leased: a lock may give a newer version of a run than the statement's snapshot shows, and such a run is
/// not found again by what it looked like (its length is compared too), so that claim gets less, perhaps nothing, and
/// looks again.
macro_rules! take_cut {
    () => {
        "whole AS (
    DELETE FROM queue_ready r USING cut
    WHERE r.lane = $1 AND r.limit_key = cut.limit_key AND r.tenant = cut.tenant AND r.pos = cut.pos
        AND r.n = cut.n AND cut.take = cut.n
    RETURNING r.limit_key, r.tenant, r.pos AS first, r.n AS take),
front AS (
    UPDATE queue_ready r SET pos = r.pos + cut.take, n = r.n - cut.take FROM cut
    WHERE r.lane = $1 AND r.limit_key = cut.limit_key AND r.tenant = cut.tenant AND r.pos = cut.pos
        AND r.n = cut.n AND cut.take < cut.n
    RETURNING r.limit_key, r.tenant, cut.pos AS first, cut.take),
got AS MATERIALIZED (SELECT * FROM whole UNION ALL SELECT * FROM front),
lease AS (
    INSERT INTO queue_leases (id, lane, session, until, tenants, firsts, lens)
    SELECT nextval('queue_claims'), $1, $9, $5, array_agg(tenant), array_agg(first), array_agg(take) FROM got
    HAVING count(*) > 0 RETURNING id)"
    };
}
pub(super) use take_cut;

/// The jobs of the runs in `got`, in the columns of the first row.
macro_rules! jobs_of_got {
    () => {
        "UNION ALL
SELECT NULL, job.seq, job.id, job.tenant, job.attempts, job.limit_key, job.order_key, job.holds, job.body
FROM got, LATERAL (
    SELECT * FROM queue_jobs j WHERE j.seq >= got.first AND j.seq < got.first + got.take OFFSET 0) job"
    };
}
pub(super) use jobs_of_got;

/// `$1` lane, `$2` tenant served last, `$3` jobs wanted, `$4` jobs per tenant and visit, `$5` end of the lease, `$6` tenants
/// at most, `$7` runs per visit, `$8` the switch, `$9` session, `$10` now, `$11` all lanes of the queue. The first row is
/// about the claim, the others are its jobs.
///
/// `ring` names the tenants. `pick` locks their first runs. `cut` decides how much of each. Of limit keys this only tells
/// whether some may be open that have ready jobs, and when the next closed one opens.
const CLAIM: &str = concat!(
    "
WITH RECURSIVE ",
    tenants_ring!(),
    ",
pick AS MATERIALIZED (
    SELECT ring.k, run.tenant, run.pos, run.n FROM ring, LATERAL (
        SELECT tenant, pos, n FROM queue_ready r WHERE r.lane = $1 AND r.limit_key = '' AND r.tenant = ring.tenant
        ORDER BY r.pos LIMIT $7 FOR UPDATE SKIP LOCKED) run
    LIMIT $3),
share AS (
    SELECT k, tenant, pos, n, LEAST(n, $4 - (sum(n) OVER (PARTITION BY k ORDER BY pos) - n))::bigint AS take FROM pick),
cut AS MATERIALIZED (
    SELECT * FROM (
        SELECT k, ''::text COLLATE \"C\" AS limit_key, tenant, pos, n,
            LEAST(take, $3 - (sum(take) OVER (ORDER BY k, pos) - take))::integer AS take
        FROM share WHERE take > 0) cut
    WHERE take > 0),
",
    take_cut!(),
    "
SELECT ARRAY[
        (SELECT id FROM lease),
        (SELECT sum(take) FROM got),
        (SELECT sum(take) FROM cut),
        (SELECT count(*) FROM pick),
        (SELECT sum(n) FROM pick),
        (SELECT max(runs) FROM (SELECT count(*) AS runs FROM pick GROUP BY k) visits),
        EXISTS (SELECT FROM ring)::integer,
        EXISTS (SELECT FROM ring WHERE k > (SELECT max(k) FROM cut))::integer,
        (NOT EXISTS (SELECT FROM queue_control WHERE name = $8) AND (
            EXISTS (SELECT FROM queue_turns WHERE lane = $1)
            OR EXISTS (SELECT FROM queue_closed WHERE lane = $1 AND NOT is_full AND opens_at <= $10)
            OR EXISTS (SELECT FROM queue_closed WHERE lane = $1 AND is_full AND opens_at <= $10)))::integer,
        (SELECT min(first.opens_at) FROM unnest($11::smallint[]) AS l(lane), LATERAL (
            SELECT opens_at FROM queue_closed c WHERE c.lane = l.lane AND NOT c.is_full AND c.opens_at > $10
            ORDER BY opens_at LIMIT 1) first)
    ]::bigint[] AS about, 0::bigint AS seq, NULL::uuid AS id,
    (SELECT tenant FROM cut ORDER BY k DESC LIMIT 1) AS tenant, 0 AS attempts,
    NULL::text AS limit_key, NULL::text AS order_key, NULL::bool AS holds, NULL::bytea AS body
",
    jobs_of_got!()
);

pub(super) struct Outcome {
    pub(super) claims: Claims,
    pub(super) visit: Visit,
}

pub(super) async fn claim(
    connection: &mut PgConnection,
    request: &ClaimRequest,
    ring: &Ring,
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
        .bind(request.now)
        .bind(lanes(request.queue))
        .fetch_all(connection)
        .await?;
    let taking = Taking::read(&rows, request)?;
    let keyed = taking.number(8) > 0;
    let cut = taking.size(2);
    let Visit {
        taken, jobs, unserved, ..
    } = taking.visit;
    let more =
        taking.number(6) > 0 && (taken == 0 || taken < cut || taken < jobs || unserved || taking.size(5) >= ring.runs);
    Ok(Outcome {
        claims: Claims {
            more: more || keyed,
            opens_at: taking.about[9],
            jobs: taking.jobs,
        },
        visit: Visit { keyed, ..taking.visit },
    })
}

/// What a statement that takes jobs answered.
pub(super) struct Taking {
    about: Vec<Option<i64>>,
    pub(super) visit: Visit,
    pub(super) jobs: Vec<Claimed>,
}

impl Taking {
    pub(super) fn read(rows: &[PgRow], request: &ClaimRequest) -> Result<Self, sqlx::Error> {
        let (head, rows) = rows.split_first().ok_or(sqlx::Error::RowNotFound)?;
        let mut taking = Self {
            about: head.try_get("about")?,
            visit: Visit::default(),
            jobs: Vec::new(),
        };
        taking.visit = Visit {
            last: head.try_get::<Option<Uuid>, _>("tenant")?,
            taken: taking.size(1),
            runs: taking.size(3),
            jobs: taking.size(4),
            unserved: taking.number(7) > 0,
            ..Visit::default()
        };
        let claim = taking.number(0);
        let jobs = rows.iter().map(|row| job(row, claim, request));
        taking.jobs = jobs.collect::<Result<_, _>>()?;
        Ok(taking)
    }

    fn number(&self, index: usize) -> i64 {
        self.about.get(index).copied().flatten().unwrap_or(0)
    }

    fn size(&self, index: usize) -> usize {
        usize::try_from(self.number(index)).unwrap_or(0)
    }
}

fn job(row: &PgRow, claim: i64, request: &ClaimRequest) -> Result<Claimed, sqlx::Error> {
    Ok(Claimed {
        id: JobId(row.try_get("id")?),
        queue: request.queue,
        tenant: row.try_get("tenant")?,
        crashes: request.lane,
        attempts: attempts(row.try_get("attempts")?)?,
        starts_at: 0,
        ticket: Ticket {
            claim,
            seq: row.try_get("seq")?,
        },
        keys: keys(
            row.try_get("limit_key")?,
            row.try_get("order_key")?,
            row.try_get("holds")?,
        ),
        body: row.try_get("body")?,
    })
}
