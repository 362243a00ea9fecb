//! Taking jobs under a lease where some of those that wait have limit keys: look at the keys that may be open, take no more
//! of each than it allows, by turns with the tenants whose jobs have no key, and write down what is left of each.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::super::limits::{ASK_MS, LimitRow, Turn, each_once, last_marked, note_taken};
use super::super::ring::{Ring, Rings, Visit, lane, lanes, later_lanes};
use super::claim::{Allowed, Outcome, Run, take};
use super::statements::{FromRow, query};
use super::{json, number, packed};
use crate::backend::{ClaimRequest, Claims};
use crate::clock::Millis;

/// `picked` are runs of tenants without a limit key, in the order of their turns.
pub(super) fn claim(
    connection: &Connection,
    request: &ClaimRequest,
    ring: &Ring,
    rings: &Rings,
    picked: Vec<Run>,
) -> Result<Outcome, sqlx::Error> {
    let (mut turns, more_keys) = look(connection, request, ring)?;
    count_running(connection, request, &mut turns)?;
    let allowed = allowed(&turns, request);
    let keyed = runs(connection, request, ring, rings, &allowed)?;
    let runs = by_turns(picked, keyed, ring.keys_first);
    let (mut jobs, visit, _) = take(connection, request, ring, &runs, &allowed)?;
    note_taken(&mut turns, &mut jobs, rings, request);
    let (more, opens_at) = leave(connection, request, &turns)?;

    let is_full = jobs.len() >= request.want;
    let key = last_marked(&turns, is_full, request.now).map(str::to_owned);
    let more = more || more_keys;
    Ok(Outcome {
        claims: Claims { jobs, more, opens_at },
        visit: Visit {
            keyed: more,
            key,
            keys_served: turns.iter().filter(|turn| turn.taken > 0).count(),
            ..visit
        },
    })
}

/// The keys that may be open, those with marks by turns with the closed ones whose time has come, and whether there are
/// more than one claim looks at.
fn look(connection: &Connection, request: &ClaimRequest, ring: &Ring) -> Result<(Vec<Turn>, bool), sqlx::Error> {
    // `$1` lane, `$2` key looked at last, `$3` keys at most, `$4` now, `$5` queue, `$6` the later lanes.
    const TURNS: &str = "
        WITH RECURSIVE ring(limit_key, first, k) AS (
            SELECT limit_key, limit_key, 1 FROM (SELECT COALESCE(
                (SELECT limit_key FROM queue_turns WHERE lane = $1 AND limit_key > $2 ORDER BY limit_key LIMIT 1),
                (SELECT limit_key FROM queue_turns WHERE lane = $1 ORDER BY limit_key LIMIT 1)) AS limit_key)
            WHERE limit_key IS NOT NULL
            UNION ALL
            SELECT COALESCE(
                    (SELECT t.limit_key FROM queue_turns t WHERE t.lane = $1 AND t.limit_key > ring.limit_key
                        ORDER BY t.limit_key LIMIT 1),
                    (SELECT t.limit_key FROM queue_turns t WHERE t.lane = $1 ORDER BY t.limit_key LIMIT 1)),
                ring.first, ring.k + 1
            FROM ring WHERE ring.k <= $3 AND (ring.k = 1 OR ring.limit_key <> ring.first)),
        due AS (
            SELECT limit_key, row_number() OVER (ORDER BY opens_at) AS k FROM (
                SELECT * FROM (SELECT limit_key, opens_at FROM queue_closed
                    WHERE lane = $1 AND is_full = 0 AND opens_at <= $4 ORDER BY opens_at LIMIT $3 + 1)
                UNION ALL
                SELECT * FROM (SELECT limit_key, opens_at FROM queue_closed
                    WHERE lane = $1 AND is_full = 1 AND opens_at <= $4 ORDER BY opens_at LIMIT $3 + 1))),
        turn AS (
            SELECT limit_key, 2 * k AS o, true AS marked FROM ring WHERE k = 1 OR limit_key <> first
            UNION ALL SELECT limit_key, 2 * k - 1, false FROM due)
        SELECT turn.limit_key, turn.marked, l.concurrency, l.rate_count, l.rate_per_us,
            COALESCE(l.arrival_us, 0) AS arrival_us, COALESCE(l.cool_until, 0) AS cool_until,
            (SELECT COALESCE(max(c.asks_until), 0) FROM json_each($6) later CROSS JOIN queue_closed c
                ON c.lane = later.value AND c.limit_key = turn.limit_key) AS asked_until
        FROM turn LEFT JOIN queue_limits l ON l.queue = $5 AND l.limit_key = turn.limit_key
        ORDER BY turn.o LIMIT $3 + 1";
    let turns: Vec<Turn> = query(TURNS)
        .bind(lane(request.queue, request.lane))
        .bind(&ring.key)
        .bind(number(ring.keys))
        .bind(request.now)
        .bind(request.queue as i16)
        .bind(json(&later_lanes(request.queue, request.lane))?)
        .fetch_all(connection)?;
    let more = turns.len() > ring.keys;
    Ok((each_once(turns.into_iter()), more))
}

impl FromRow for Turn {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self::new(
            LimitRow::from_row(row)?,
            row.get("marked")?,
            row.get("asked_until")?,
        ))
    }
}

fn count_running(connection: &Connection, request: &ClaimRequest, turns: &mut [Turn]) -> Result<(), sqlx::Error> {
    const RUNNING: &str = "SELECT u.limit_key, sum((
            SELECT count(*) FROM queue_jobs j WHERE j.seq >= u.first AND j.seq < u.first + u.n))
        FROM json_each($2) i CROSS JOIN queue_uses u ON u.queue = $1 AND u.limit_key = i.value GROUP BY u.limit_key";
    let capped = turns.iter().filter(|turn| turn.row.has_concurrency());
    let capped: Vec<&str> = capped.map(|turn| turn.row.limit_key.as_str()).collect();
    if capped.is_empty() {
        return Ok(());
    }
    let running: Vec<(String, i64)> = query(RUNNING)
        .bind(request.queue as i16)
        .bind(json(&capped)?)
        .fetch_all(connection)?;
    let running: HashMap<String, i64> = running.into_iter().collect();
    for turn in turns {
        turn.running = running.get(&turn.row.limit_key).copied().unwrap_or(0);
    }
    Ok(())
}

fn allowed(turns: &[Turn], request: &ClaimRequest) -> Vec<Allowed> {
    let allowed = turns.iter().map(|turn| Allowed {
        limit_key: turn.row.limit_key.clone(),
        most: turn.allows(request.now).min(number(request.want)),
    });
    allowed.filter(|allowed| allowed.most > 0).collect()
}

/// The first runs of these keys: first of every key those of its next tenant, then of every key those of the second one,
/// and so on.
fn runs(
    connection: &Connection,
    request: &ClaimRequest,
    ring: &Ring,
    rings: &Rings,
    allowed: &[Allowed],
) -> Result<Vec<Run>, sqlx::Error> {
    // `$1` lane, `$2` the keys with how many they allow, `$3` the tenants served last, `$4` how many keys there are, `$5` jobs
    // wanted, `$6` runs per visit. A run gives one job at least, so no more rows are needed than jobs are wanted.
    const RUNS: &str = "
        WITH RECURSIVE turn(key, limit_key, most, tenant, first, depth) AS (
            SELECT key, limit_key, most, tenant, tenant, 1 FROM (
                SELECT i.key, i.value ->> 0 AS limit_key, i.value ->> 1 AS most, COALESCE(
                    (SELECT r.tenant FROM queue_ready r WHERE r.lane = $1 AND r.limit_key = i.value ->> 0
                        AND r.tenant > substr($3, 16 * i.key + 1, 16) ORDER BY r.tenant LIMIT 1),
                    (SELECT r.tenant FROM queue_ready r WHERE r.lane = $1 AND r.limit_key = i.value ->> 0
                        ORDER BY r.tenant LIMIT 1)) AS tenant
                FROM json_each($2) i)
            WHERE tenant IS NOT NULL
            UNION ALL
            SELECT turn.key, turn.limit_key, turn.most, COALESCE(
                    (SELECT r.tenant FROM queue_ready r WHERE r.lane = $1 AND r.limit_key = turn.limit_key
                        AND r.tenant > turn.tenant ORDER BY r.tenant LIMIT 1),
                    (SELECT r.tenant FROM queue_ready r WHERE r.lane = $1 AND r.limit_key = turn.limit_key
                        ORDER BY r.tenant LIMIT 1)),
                turn.first, turn.depth + 1
            FROM turn
            WHERE turn.depth < turn.most AND turn.depth * $4 < $5 AND (turn.depth = 1 OR turn.tenant <> turn.first))
        SELECT (turn.depth - 1) * $4 + turn.key + 1, turn.key, turn.tenant, run.pos, run.n
        FROM turn CROSS JOIN queue_ready run
            ON run.lane = $1 AND run.limit_key = turn.limit_key AND run.tenant = turn.tenant AND run.pos IN (
                SELECT r.pos FROM queue_ready r
                WHERE r.lane = $1 AND r.limit_key = turn.limit_key AND r.tenant = turn.tenant
                ORDER BY r.pos LIMIT $6)
        WHERE turn.depth = 1 OR turn.tenant <> turn.first
        LIMIT $5";
    if allowed.is_empty() {
        return Ok(Vec::new());
    }
    let lane = lane(request.queue, request.lane);
    let keys: Vec<_> = allowed
        .iter()
        .map(|allowed| (&allowed.limit_key, allowed.most))
        .collect();
    let served: Vec<Uuid> = keys.iter().map(|(key, _)| rings.served(lane, key)).collect();
    let rows: Vec<(i64, i64, Uuid, i64, i64)> = query(RUNS)
        .bind(lane)
        .bind(json(&keys)?)
        .bind(packed(&served))
        .bind(number(keys.len()))
        .bind(number(request.want))
        .bind(number(ring.runs))
        .fetch_all(connection)?;
    let run = |(turn, key, tenant, pos, n)| Run {
        turn,
        key: usize::try_from(key).ok(),
        tenant,
        pos,
        n,
        unserved: false,
    };
    Ok(rows.into_iter().map(run).collect())
}

/// Puts the turns of keys between those of tenants without one.
fn by_turns(plain: Vec<Run>, keyed: Vec<Run>, keys_first: bool) -> Vec<Run> {
    let shift = if keys_first { -1 } else { 1 };
    let plain = plain.into_iter().map(|run| Run {
        turn: 2 * run.turn,
        ..run
    });
    let keyed = keyed.into_iter().map(|run| Run {
        turn: 2 * run.turn + shift,
        ..run
    });
    let mut runs: Vec<Run> = plain.chain(keyed).collect();
    runs.sort_by_key(|run| (run.turn, run.pos));
    runs
}

/// Writes down what is left: where the rates go on, which keys are closed, and forgets those without ready jobs. Answers
/// whether something is left in the lane that may start, and when the next closed key of the queue opens by itself.
fn leave(
    connection: &Connection,
    request: &ClaimRequest,
    turns: &[Turn],
) -> Result<(bool, Option<Millis>), sqlx::Error> {
    // `$1` lane, `$2` queue, `$3` [limit key, arrival], `$4` the keys
    const WAITS: &str = "
        INSERT INTO queue_limits (queue, limit_key, arrival_us)
            SELECT $2, value ->> 0, value ->> 1 FROM json_each($3) WHERE true
            ON CONFLICT (queue, limit_key) DO UPDATE SET arrival_us = excluded.arrival_us;
        SELECT value FROM json_each($4)
            WHERE EXISTS (SELECT 1 FROM queue_ready WHERE lane = $1 AND limit_key = value)";
    // `$1` lane, `$2` [limit key, opens at, is full, asks until], `$3` to `$5` keys, `$6` the later lanes, `$7` what there is
    // room for that they asked for, which they have to come for in time, until `$8`
    const LEAVE: &str = "
        INSERT INTO queue_closed (lane, limit_key, opens_at, is_full, asks_until)
            SELECT $1, value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each($2) WHERE true
            ON CONFLICT (lane, limit_key) DO UPDATE
                SET opens_at = excluded.opens_at, is_full = excluded.is_full, asks_until = excluded.asks_until;
        DELETE FROM queue_closed WHERE lane = $1 AND limit_key IN (SELECT value FROM json_each($3));
        INSERT INTO queue_turns (lane, limit_key)
            SELECT $1, value FROM json_each($4) WHERE true ON CONFLICT DO NOTHING;
        DELETE FROM queue_turns WHERE lane = $1 AND limit_key IN (SELECT value FROM json_each($5));
        UPDATE queue_closed SET asks_until = $8
            WHERE lane IN (SELECT value FROM json_each($6)) AND limit_key IN (SELECT value FROM json_each($7))
                AND asks_until > $8;
        SELECT EXISTS (SELECT 1 FROM queue_ready WHERE lane = $1 AND limit_key = '')
                OR EXISTS (SELECT 1 FROM queue_turns WHERE lane = $1),
            (SELECT min(opens_at) FROM (
                SELECT (SELECT opens_at FROM queue_closed WHERE lane = value AND is_full = 0 AND opens_at > $9
                    ORDER BY opens_at LIMIT 1) AS opens_at
                FROM json_each($10)))";
    let lane = lane(request.queue, request.lane);
    let key = |turn: &Turn| turn.row.limit_key.clone();
    let spent: Vec<(String, i64)> = turns
        .iter()
        .filter_map(|turn| Some((key(turn), turn.spent(request.now)?)))
        .collect();
    let keys: Vec<String> = turns.iter().map(key).collect();
    let waits: Vec<String> = query(WAITS)
        .bind(lane)
        .bind(request.queue as i16)
        .bind(json(&spent)?)
        .bind(json(&keys)?)
        .fetch_all(connection)?;
    let waits: HashSet<String> = waits.into_iter().collect();
    let (mut shut, mut open, mut mark, mut unmark) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for turn in turns {
        let waits = waits.contains(&turn.row.limit_key);
        match turn.closed(request.now).filter(|_| waits) {
            Some(closed) => shut.push((
                key(turn),
                closed.opens_at,
                closed.is_full,
                closed.asks_until(request.lane),
            )),
            None => open.push(key(turn)),
        }
        if waits && turn.closed(request.now).is_none() {
            mark.push(key(turn));
        } else {
            unmark.push(key(turn));
        }
    }
    let offered: Vec<String> = turns.iter().filter(|turn| turn.offers(request.now)).map(key).collect();
    query(LEAVE)
        .bind(lane)
        .bind(json(&shut)?)
        .bind(json(&open)?)
        .bind(json(&mark)?)
        .bind(json(&unmark)?)
        .bind(json(&later_lanes(request.queue, request.lane))?)
        .bind(json(&offered)?)
        .bind(request.now + ASK_MS)
        .bind(request.now)
        .bind(json(&lanes(request.queue))?)
        .fetch_one(connection)
}
