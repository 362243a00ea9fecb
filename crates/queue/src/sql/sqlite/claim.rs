//! Taking jobs under a lease.

use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::super::ring::{Ring, Rings, Visit, lane, lanes};
use super::super::rows::{attempts, keys};
use super::super::texts::paused;
use super::statements::{FromRow, by_name, query};
use super::{json, keyed, number, packed};
use crate::backend::{ClaimRequest, Claimed, Claims, Ticket};
use crate::job::JobId;

/// `$1` lane, `$2` tenant served last, `$3` jobs wanted, `$4` jobs per tenant and visit, `$5` runs per visit, `$6` the
/// switch, `$7` now, `$8` to `$10` all lanes of the queue.
///
/// The ring names the tenants from the next one on, round the circle. `before` is what the tenants before this one give;
/// the ring ends with the tenant (not served any more) at which it is enough, or at the first again. The row with `k` 0
/// tells instead whether limit keys may be open that have ready jobs, and when the next closed one opens by itself.
const PICK: &str = "
WITH RECURSIVE ring(tenant, first, k, before) AS (
    SELECT tenant, tenant, 1, 0 FROM (SELECT COALESCE(
        (SELECT tenant FROM queue_ready WHERE lane = $1 AND limit_key = '' AND tenant > $2 ORDER BY tenant LIMIT 1),
        (SELECT tenant FROM queue_ready WHERE lane = $1 AND limit_key = '' ORDER BY tenant LIMIT 1)) AS tenant)
    WHERE tenant IS NOT NULL AND NOT EXISTS (SELECT 1 FROM queue_control WHERE name = $6)
    UNION ALL
    SELECT COALESCE(
            (SELECT r.tenant FROM queue_ready r WHERE r.lane = $1 AND r.limit_key = '' AND r.tenant > ring.tenant
                ORDER BY r.tenant LIMIT 1),
            (SELECT r.tenant FROM queue_ready r WHERE r.lane = $1 AND r.limit_key = '' ORDER BY r.tenant LIMIT 1)),
        ring.first, ring.k + 1,
        ring.before + min($4, (SELECT sum(n) FROM (
            SELECT r.n FROM queue_ready r WHERE r.lane = $1 AND r.limit_key = '' AND r.tenant = ring.tenant
            ORDER BY r.pos LIMIT $5)))
    FROM ring WHERE ring.before < $3 AND (ring.k = 1 OR ring.tenant <> ring.first))
SELECT 0 AS k, NULL AS tenant,
    NOT EXISTS (SELECT 1 FROM queue_control WHERE name = $6) AND (
        EXISTS (SELECT 1 FROM queue_turns WHERE lane = $1)
        OR EXISTS (SELECT 1 FROM queue_closed WHERE lane = $1 AND is_full = 0 AND opens_at <= $7)
        OR EXISTS (SELECT 1 FROM queue_closed WHERE lane = $1 AND is_full = 1 AND opens_at <= $7)) AS pos,
    (SELECT min(opens_at) FROM (
        SELECT (SELECT opens_at FROM queue_closed WHERE lane = $8 AND is_full = 0 AND opens_at > $7
            ORDER BY opens_at LIMIT 1) AS opens_at
        UNION ALL SELECT (SELECT opens_at FROM queue_closed WHERE lane = $9 AND is_full = 0 AND opens_at > $7
            ORDER BY opens_at LIMIT 1)
        UNION ALL SELECT (SELECT opens_at FROM queue_closed WHERE lane = $10 AND is_full = 0 AND opens_at > $7
            ORDER BY opens_at LIMIT 1))) AS n,
    0 AS unserved
UNION ALL
SELECT ring.k, ring.tenant, run.pos, run.n, ring.before >= $3 AS unserved
FROM ring CROSS JOIN queue_ready run
    ON run.lane = $1 AND run.limit_key = '' AND run.tenant = ring.tenant AND run.pos IN (
        SELECT r.pos FROM queue_ready r WHERE r.lane = $1 AND r.limit_key = '' AND r.tenant = ring.tenant
        ORDER BY r.pos LIMIT $5)
WHERE ring.k = 1 OR ring.tenant <> ring.first
ORDER BY 1, 3";

/// Cuts runs off and leases them; answers the lease's number. `$1` lane, `$2` tenants, `$3` the runs that are cut as they were,
/// `[index of the tenant, pos, limit key]`, `$4` what is left of them, `[index of the tenant, pos, limit key, n]`, `$5` session,
/// `$6` the lease's end, `$7` its runs, `[tenant, pos, n]`.
///
/// What is left is not an UPDATE with a join: SQLite would look at every run of the lane to find these, and the longer the
/// queue the slower every claim.
const TAKE: &str = "
    DELETE FROM queue_ready WHERE (lane, limit_key, tenant, pos) IN (
        SELECT $1, value ->> 2, substr($2, 16 * (value ->> 0) + 1, 16), value ->> 1 FROM json_each($3));
    INSERT INTO queue_ready (lane, limit_key, tenant, pos, n)
        SELECT $1, value ->> 2, substr($2, 16 * (value ->> 0) + 1, 16), value ->> 1, value ->> 3 FROM json_each($4);
    INSERT INTO queue_leases (lane, session, until, runs) VALUES ($1, $5, $6, $7) RETURNING id";

/// What runs now of limit keys, for those who count: `$1` queue, `$2` `[limit key, pos, n]`, `$3` the lease.
const USE: &str = "INSERT INTO queue_uses (queue, limit_key, first, n, lease)
    SELECT $1, value ->> 0, value ->> 1, value ->> 2, $3 FROM json_each($2)";

/// The jobs of the runs `$1`.
const JOBS: &str =
    "SELECT j.seq, j.id, j.tenant, j.attempts, j.limit_key, j.order_key, j.holds, j.body FROM json_each($1) run
    CROSS JOIN queue_jobs j ON j.seq >= run.value ->> 1 AND j.seq < (run.value ->> 1) + (run.value ->> 2)";

pub(super) struct Outcome {
    pub(super) claims: Claims,
    pub(super) visit: Visit,
}

/// A row of [`PICK`].
struct Picked {
    k: i64,
    tenant: Option<Uuid>,
    pos: i64,
    n: Option<i64>,
    unserved: bool,
}

by_name!(Picked {
    k,
    tenant,
    pos,
    n,
    unserved
});

/// A ready run that may be cut.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// Whose turn it is; runs come in the order of the turns.
    pub(super) turn: i64,
    /// Which of the keys that are served, if it has a limit key.
    pub(super) key: Option<usize>,
    pub(super) tenant: Uuid,
    pub(super) pos: i64,
    pub(super) n: i64,
    /// The claim is full before it comes to this one.
    pub(super) unserved: bool,
}

/// A limit key that is served, and how many it allows.
#[derive(Clone, Debug)]
pub(super) struct Allowed {
    pub(super) limit_key: String,
    pub(super) most: i64,
}

/// A part of a ready run.
struct Cut {
    limit_key: String,
    tenant: Uuid,
    pos: i64,
    n: i64,
    take: i64,
}

pub(super) fn claim(
    connection: &Connection,
    request: &ClaimRequest,
    ring: &Ring,
    rings: &Rings,
) -> Result<Outcome, sqlx::Error> {
    let [first, second, third] = lanes(request.queue);
    let rows: Vec<Picked> = query(PICK)
        .bind(lane(request.queue, request.lane))
        .bind(ring.cursor)
        .bind(number(request.want))
        .bind(number(ring.share))
        .bind(number(ring.runs))
        .bind(paused(request.queue))
        .bind(request.now)
        .bind(first)
        .bind(second)
        .bind(third)
        .fetch_all(connection)?;
    let (mut picked, mut keyed, mut opens_at) = (Vec::with_capacity(rows.len()), false, None);
    for row in rows {
        match (row.tenant, row.n) {
            (Some(tenant), Some(n)) => picked.push(Run {
                turn: row.k,
                key: None,
                tenant,
                pos: row.pos,
                n,
                unserved: row.unserved,
            }),
            _ => (keyed, opens_at) = (row.pos != 0, row.n),
        }
    }
    if keyed {
        return keyed::claim(connection, request, ring, rings, picked);
    }
    let (jobs, visit, more) = take(connection, request, ring, &picked, &[])?;
    let claims = Claims { jobs, more, opens_at };
    Ok(Outcome { claims, visit })
}

/// Takes of these runs what their turns allow; answers the jobs, what was seen, and whether there may be more of these.
pub(super) fn take(
    connection: &Connection,
    request: &ClaimRequest,
    ring: &Ring,
    picked: &[Run],
    allowed: &[Allowed],
) -> Result<(Vec<Claimed>, Visit, bool), sqlx::Error> {
    let (cuts, visit, more) = share_out(picked, allowed, ring, number(request.want));
    if cuts.is_empty() {
        return Ok((Vec::new(), visit, more));
    }
    let (claim, rows) = cut_off(connection, request, &cuts)?;
    let jobs = rows.into_iter().map(|row| row.claimed(claim, request));
    Ok((jobs.collect::<Result<_, _>>()?, visit, more))
}

/// A row of [`JOBS`].
struct JobRow {
    seq: i64,
    id: Uuid,
    tenant: Uuid,
    attempts: i32,
    limit_key: Option<String>,
    order_key: Option<String>,
    holds: Option<bool>,
    body: Vec<u8>,
}

impl FromRow for JobRow {
    /// By place: there are hundreds of them.
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            id: row.get(1)?,
            tenant: row.get(2)?,
            attempts: row.get(3)?,
            limit_key: row.get(4)?,
            order_key: row.get(5)?,
            holds: row.get(6)?,
            body: row.get(7)?,
        })
    }
}

impl JobRow {
    fn claimed(self, claim: i64, request: &ClaimRequest) -> Result<Claimed, sqlx::Error> {
        Ok(Claimed {
            id: JobId(self.id),
            queue: request.queue,
            tenant: self.tenant,
            crashes: request.lane,
            attempts: attempts(self.attempts)?,
            starts_at: 0,
            ticket: Ticket { claim, seq: self.seq },
            keys: keys(self.limit_key, self.order_key, self.holds),
            body: self.body,
        })
    }
}

/// How much of each run this claim takes, what it saw, and whether there may be more.
fn share_out(picked: &[Run], allowed: &[Allowed], ring: &Ring, want: i64) -> (Vec<Cut>, Visit, bool) {
    let (mut cuts, mut visit, mut more) = (Vec::new(), Visit::default(), false);
    let (mut left, mut room, mut runs, mut turn) = (want, 0, 0, 0);
    let mut allowances: Vec<i64> = allowed.iter().map(|allowed| allowed.most).collect();
    for run in picked {
        if run.unserved || left == 0 {
            more = true;
            visit.unserved |= run.unserved || run.turn != turn;
            continue;
        }
        if run.turn != turn {
            (room, runs, turn) = (number(ring.share), 0, run.turn);
        }
        let allowance = run.key.map_or(want, |key| allowances[key]);
        runs += 1;
        visit.runs += 1;
        visit.jobs += usize::try_from(run.n).unwrap_or(0);
        let take = run.n.min(room).min(left).min(allowance);
        more |= take < run.n || runs >= ring.runs;
        if take == 0 {
            continue;
        }
        (room, left) = (room - take, left - take);
        visit.taken += usize::try_from(take).unwrap_or(0);
        let limit_key = match run.key {
            Some(key) => {
                allowances[key] -= take;
                allowed[key].limit_key.clone()
            }
            None => {
                visit.last = Some(run.tenant);
                String::new()
            }
        };
        cuts.push(Cut {
            limit_key,
            tenant: run.tenant,
            pos: run.pos,
            n: run.n,
            take,
        });
    }
    (cuts, visit, more)
}

/// Answers the number of the lease, and its jobs.
fn cut_off(connection: &Connection, request: &ClaimRequest, cuts: &[Cut]) -> Result<(i64, Vec<JobRow>), sqlx::Error> {
    let cuts = || cuts.iter().enumerate();
    let whole: Vec<_> = cuts().map(|(index, cut)| (index, cut.pos, &cut.limit_key)).collect();
    let rest = cuts().filter(|(_, cut)| cut.take < cut.n);
    let rest: Vec<_> = rest
        .map(|(index, cut)| (index, cut.pos + cut.take, &cut.limit_key, cut.n - cut.take))
        .collect();
    let runs: Vec<_> = cuts()
        .map(|(_, cut)| (cut.tenant.simple().to_string(), cut.pos, cut.take))
        .collect();
    let runs = json(&runs)?;
    let claim = query(TAKE)
        .bind(lane(request.queue, request.lane))
        .bind(packed(cuts().map(|(_, cut)| &cut.tenant)))
        .bind(json(&whole)?)
        .bind(json(&rest)?)
        .bind(request.session)
        .bind(request.until)
        .bind(&runs)
        .fetch_one(connection)?;
    let uses = cuts().filter(|(_, cut)| !cut.limit_key.is_empty());
    let uses: Vec<_> = uses.map(|(_, cut)| (&cut.limit_key, cut.pos, cut.take)).collect();
    if !uses.is_empty() {
        query(USE)
            .bind(request.queue as i16)
            .bind(json(&uses)?)
            .bind(claim)
            .execute(connection)?;
    }
    Ok((claim, query(JOBS).bind(&runs).fetch_all(connection)?))
}
