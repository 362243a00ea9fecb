//! Taking jobs under a lease.

use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::super::ring::{Ring, Visit, lane};
use super::super::rows::attempts;
use super::super::texts::paused;
use super::{json, number, packed};
use crate::backend::{ClaimRequest, Claimed, Claims, Ticket};
use crate::flow::Keys;
use crate::job::JobId;

/// `$1` lane, `$2` tenant served last, `$3` jobs wanted, `$4` jobs per tenant and visit, `$5` runs per visit, `$6` the
/// switch.
///
/// The ring names the tenants from the next one on, round the circle. `before` is what the tenants before this one give;
/// the ring ends with the tenant (not served any more) at which it is enough, or at the first again.
const PICK: &str = "
WITH RECURSIVE ring(tenant, first, k, before) AS (
    SELECT tenant, tenant, 1, 0 FROM (SELECT COALESCE(
        (SELECT tenant FROM queue_ready WHERE lane = $1 AND tenant > $2 ORDER BY tenant LIMIT 1),
        (SELECT tenant FROM queue_ready WHERE lane = $1 ORDER BY tenant LIMIT 1)) AS tenant)
    WHERE tenant IS NOT NULL AND NOT EXISTS (SELECT 1 FROM queue_control WHERE name = $6)
    UNION ALL
    SELECT COALESCE(
            (SELECT r.tenant FROM queue_ready r WHERE r.lane = $1 AND r.tenant > ring.tenant ORDER BY r.tenant LIMIT 1),
            (SELECT r.tenant FROM queue_ready r WHERE r.lane = $1 ORDER BY r.tenant LIMIT 1)),
        ring.first, ring.k + 1,
        ring.before + min($4, (SELECT sum(n) FROM (
            SELECT r.n FROM queue_ready r WHERE r.lane = $1 AND r.tenant = ring.tenant ORDER BY r.pos LIMIT $5)))
    FROM ring WHERE ring.before < $3 AND (ring.k = 1 OR ring.tenant <> ring.first))
SELECT ring.k, ring.tenant, run.pos, run.n, ring.before >= $3 AS unserved
FROM ring CROSS JOIN queue_ready run ON run.lane = $1 AND run.tenant = ring.tenant AND run.pos IN (
    SELECT r.pos FROM queue_ready r WHERE r.lane = $1 AND r.tenant = ring.tenant ORDER BY r.pos LIMIT $5)
WHERE ring.k = 1 OR ring.tenant <> ring.first
ORDER BY ring.k, run.pos";

/// The runs that are cut, as they were: `[index of the tenant, pos]`.
const CUT: &str = "
    DELETE FROM queue_ready WHERE (lane, tenant, pos) IN (
        SELECT $1, substr($2, 16 * (value ->> 0) + 1, 16), value ->> 1 FROM json_each($3))";

/// What is left of them: `[index of the tenant, pos, n]`. Not an UPDATE with a join: SQLite would look at every run of the
/// lane to find these, and the longer the queue the slower every claim.
const REST: &str = "
    INSERT INTO queue_ready (lane, tenant, pos, n)
    SELECT $1, substr($2, 16 * (value ->> 0) + 1, 16), value ->> 1, value ->> 2 FROM json_each($3)";

const LEASE: &str = "INSERT INTO queue_leases (lane, session, until, runs) VALUES ($1, $2, $3, $4) RETURNING id";

const JOBS: &str = "
    SELECT j.seq, j.id, j.tenant, j.attempts, j.body FROM json_each($1) run
    CROSS JOIN queue_jobs j ON j.seq >= run.value ->> 1 AND j.seq < (run.value ->> 1) + (run.value ->> 2)";

pub(super) struct Outcome {
    pub(super) claims: Claims,
    pub(super) visit: Visit,
}

/// A part of a ready run.
struct Cut {
    tenant: Uuid,
    pos: i64,
    n: i64,
    take: i64,
}

pub(super) async fn claim(
    connection: &mut SqliteConnection,
    request: &ClaimRequest,
    ring: Ring,
) -> Result<Outcome, sqlx::Error> {
    let lane = lane(request.queue, request.lane);
    let picked: Vec<(i64, Uuid, i64, i64, bool)> = sqlx::query_as(PICK)
        .bind(lane)
        .bind(ring.cursor)
        .bind(number(request.want))
        .bind(number(ring.share))
        .bind(number(ring.runs))
        .bind(paused(request.queue))
        .fetch_all(&mut *connection)
        .await?;
    let (cuts, visit, more) = share_out(&picked, ring, number(request.want));
    if cuts.is_empty() {
        return Ok(Outcome {
            claims: Claims {
                more,
                ..Claims::default()
            },
            visit,
        });
    }
    cut_off(connection, lane, &cuts).await?;

    let runs: Vec<_> = cuts
        .iter()
        .map(|cut| (cut.tenant.simple().to_string(), cut.pos, cut.take))
        .collect();
    let runs = json(&runs)?;
    let claim: i64 = sqlx::query_scalar(LEASE)
        .bind(lane)
        .bind(request.session)
        .bind(request.until)
        .bind(&runs)
        .fetch_one(&mut *connection)
        .await?;
    let rows = sqlx::query(JOBS).bind(&runs).fetch_all(connection).await?;
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

/// How much of each run this claim takes, what it saw, and whether there may be more.
fn share_out(picked: &[(i64, Uuid, i64, i64, bool)], ring: Ring, want: i64) -> (Vec<Cut>, Visit, bool) {
    let (mut cuts, mut visit, mut more) = (Vec::new(), Visit::default(), false);
    let (mut left, mut room, mut runs, mut turn) = (want, 0, 0, 0);
    for &(k, tenant, pos, n, unserved) in picked {
        if unserved || left == 0 {
            more = true;
            visit.unserved |= unserved;
            continue;
        }
        if k != turn {
            (room, runs, turn) = (number(ring.share), 0, k);
        }
        runs += 1;
        visit.runs += 1;
        visit.jobs += usize::try_from(n).unwrap_or(0);
        let take = n.min(room).min(left);
        more |= take < n || runs >= ring.runs;
        if take > 0 {
            (room, left, visit.last) = (room - take, left - take, Some(tenant));
            visit.taken += usize::try_from(take).unwrap_or(0);
            cuts.push(Cut { tenant, pos, n, take });
        }
    }
    (cuts, visit, more)
}

async fn cut_off(connection: &mut SqliteConnection, lane: i16, cuts: &[Cut]) -> Result<(), sqlx::Error> {
    let tenants = packed(cuts.iter().map(|cut| &cut.tenant));
    let whole: Vec<_> = cuts.iter().enumerate().map(|(index, cut)| (index, cut.pos)).collect();
    let rest: Vec<_> = cuts
        .iter()
        .enumerate()
        .filter(|(_, cut)| cut.take < cut.n)
        .map(|(index, cut)| (index, cut.pos + cut.take, cut.n - cut.take))
        .collect();
    sqlx::query(CUT)
        .bind(lane)
        .bind(&tenants)
        .bind(json(&whole)?)
        .execute(&mut *connection)
        .await?;
    if !rest.is_empty() {
        sqlx::query(REST)
            .bind(lane)
            .bind(&tenants)
            .bind(json(&rest)?)
            .execute(connection)
            .await?;
    }
    Ok(())
}
