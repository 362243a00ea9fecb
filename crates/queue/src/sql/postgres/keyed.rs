//! Taking jobs under a lease where some of those that wait have limit keys. A transaction: look at the keys that may be
//! open and lock what is kept about them; count what runs of those with a concurrency; take, as [`claim`](super::claim)
//! does, no more of a key than it allows; write down what is left of each key.
//!
//! A key that another claim has locked is left out, and looked at again a little later: who would come back at once, and at
//! once again, would keep the other one from its end. Nothing here waits for a lock but the end of the transaction.

use std::collections::{BTreeSet, HashMap};

use sqlx::postgres::PgRow;
use sqlx::{Connection as _, FromRow as _, PgConnection, Row as _};
use uuid::Uuid;

use super::super::limits::{ASK_MS, Closed, LimitRow, Turn, each_once, last_marked, note_taken};
use super::super::pool::broken;
use super::super::ring::{Ring, Rings, Visit, lane, lanes, later_lanes};
use super::super::texts::paused;
use super::claim::{Outcome, Taking, jobs_of_got, take_cut, tenants_ring};
use crate::backend::{ClaimRequest, Claims};
use crate::clock::Millis;

/// `$1` lane, `$2` key looked at last, `$3` keys at most (and one more, to know whether these were all), `$4` now, `$5` the
/// switch, `$6` queue, `$7` the later lanes.
///
/// `ring` names the keys with marks, round the circle; `due` the closed ones whose time has come. What is kept about a key
/// is locked, unless somebody else has; `known` then tells that there is something. The marks are told because those are
/// removed that were seen before the running jobs are counted, and no others.
const TURNS: &str = "
WITH RECURSIVE ring(limit_key, first, k) AS (
    SELECT next.limit_key, next.limit_key, 1 FROM (SELECT COALESCE(
        (SELECT limit_key FROM queue_turns WHERE lane = $1 AND limit_key > $2 ORDER BY limit_key LIMIT 1),
        (SELECT limit_key FROM queue_turns WHERE lane = $1 ORDER BY limit_key LIMIT 1)) AS limit_key OFFSET 0) next
    WHERE next.limit_key IS NOT NULL AND NOT EXISTS (SELECT FROM queue_control WHERE name = $5)
    UNION ALL
    SELECT next.limit_key, ring.first, ring.k + 1 FROM ring, LATERAL (SELECT COALESCE(
        (SELECT limit_key FROM queue_turns WHERE lane = $1 AND limit_key > ring.limit_key ORDER BY limit_key LIMIT 1),
        (SELECT limit_key FROM queue_turns WHERE lane = $1 ORDER BY limit_key LIMIT 1)) AS limit_key OFFSET 0) next
    WHERE next.limit_key <> ring.first AND ring.k <= $3),
due AS (
    SELECT limit_key, row_number() OVER (ORDER BY opens_at) AS k FROM (
        (SELECT limit_key, opens_at FROM queue_closed WHERE lane = $1 AND NOT is_full AND opens_at <= $4
            ORDER BY opens_at LIMIT $3 + 1)
        UNION ALL
        (SELECT limit_key, opens_at FROM queue_closed WHERE lane = $1 AND is_full AND opens_at <= $4
            ORDER BY opens_at LIMIT $3 + 1)) due
    WHERE NOT EXISTS (SELECT FROM queue_control WHERE name = $5)),
turn AS (
    SELECT limit_key, 2 * k AS o, true AS marked FROM ring
    UNION ALL SELECT limit_key, 2 * k - 1, false FROM due)
SELECT turn.limit_key, turn.marked, marks.numbers, known.one IS NOT NULL AS known, held.one IS NOT NULL AS held,
    held.concurrency, held.rate_count, held.rate_per_us,
    COALESCE(held.arrival_us, 0) AS arrival_us, COALESCE(held.cool_until, 0) AS cool_until,
    COALESCE(asked.until, 0) AS asked_until
FROM (SELECT * FROM turn ORDER BY o OFFSET 0) turn
LEFT JOIN LATERAL (
    SELECT array_agg(number) AS numbers FROM (
        SELECT number FROM queue_turns t WHERE t.lane = $1 AND t.limit_key = turn.limit_key
        ORDER BY number LIMIT 200) seen) marks ON true
LEFT JOIN LATERAL (
    SELECT 1 AS one FROM queue_limits l WHERE l.queue = $6 AND l.limit_key = turn.limit_key LIMIT 1) known ON true
LEFT JOIN LATERAL (
    SELECT 1 AS one, l.* FROM queue_limits l WHERE l.queue = $6 AND l.limit_key = turn.limit_key
    LIMIT 1 FOR UPDATE SKIP LOCKED) held ON true
LEFT JOIN LATERAL (
    SELECT max(asks.until) AS until FROM unnest($7::smallint[]) AS later(lane), LATERAL (
        SELECT asks_until AS until FROM queue_closed c WHERE c.lane = later.lane AND c.limit_key = turn.limit_key
        OFFSET 0) asks) asked ON true
LIMIT $3 + 1";

/// Asked after what is kept about these keys was locked.
const RUNNING: &str = "
SELECT key.limit_key, sum(jobs.count)::bigint FROM unnest($2::text[]) AS key(limit_key),
    LATERAL (SELECT first, n FROM queue_uses u
        WHERE u.queue = $1 AND u.limit_key = key.limit_key OFFSET 0) run,
    LATERAL (SELECT count(*) AS count FROM queue_jobs j
        WHERE j.seq >= run.first AND j.seq < run.first + run.n OFFSET 0) jobs
GROUP BY key.limit_key";

/// `$1` to `$9` as in a claim without keys; `$10` the keys, `$11` the tenant served last of each, `$12` how many each allows,
/// `$13` how many keys they are, `$14` queue, `$15` 2 if the first key goes before the first tenant without one, else 0.
///
/// `turn` names the tenants of each key, first of every key its first, then the second ones, and so on. `member` serves
/// these by turns with the tenants without a key.
const TAKE: &str = concat!(
    "
WITH RECURSIVE ",
    tenants_ring!(),
    ",
key AS MATERIALIZED (
    SELECT limit_key COLLATE \"C\" AS limit_key, served, allowed, o
    FROM unnest($10::text[], $11::uuid[], $12::bigint[]) WITH ORDINALITY AS t(limit_key, served, allowed, o)),
turn(limit_key, allowed, o, tenant, first, depth) AS (
    SELECT key.limit_key, key.allowed, key.o, next.tenant, next.tenant, 1::bigint FROM key, LATERAL (SELECT COALESCE(
        (SELECT tenant FROM queue_ready r WHERE r.lane = $1 AND r.limit_key = key.limit_key AND r.tenant > key.served
            ORDER BY tenant LIMIT 1),
        (SELECT tenant FROM queue_ready r WHERE r.lane = $1 AND r.limit_key = key.limit_key ORDER BY tenant LIMIT 1))
        AS tenant OFFSET 0) next
    WHERE next.tenant IS NOT NULL
    UNION ALL
    SELECT turn.limit_key, turn.allowed, turn.o, next.tenant, turn.first, turn.depth + 1 FROM turn, LATERAL (
        SELECT COALESCE(
            (SELECT tenant FROM queue_ready r WHERE r.lane = $1 AND r.limit_key = turn.limit_key
                AND r.tenant > turn.tenant ORDER BY tenant LIMIT 1),
            (SELECT tenant FROM queue_ready r WHERE r.lane = $1 AND r.limit_key = turn.limit_key
                ORDER BY tenant LIMIT 1))
            AS tenant OFFSET 0) next
    WHERE next.tenant <> turn.first AND turn.depth < turn.allowed AND turn.depth * $13 < $3),
member AS MATERIALIZED (
    SELECT 2 * k::bigint AS k, ''::text COLLATE \"C\" AS limit_key, $3::bigint AS allowed, tenant FROM ring
    UNION ALL
    SELECT 2 * ((depth - 1) * $13 + o) + 1 - $15, limit_key, allowed, tenant FROM turn),
pick AS MATERIALIZED (
    SELECT member.k, member.limit_key, member.allowed, run.tenant, run.pos, run.n
    FROM (SELECT * FROM member ORDER BY k OFFSET 0) member, LATERAL (
        SELECT tenant, pos, n FROM queue_ready r
        WHERE r.lane = $1 AND r.limit_key = member.limit_key AND r.tenant = member.tenant
        ORDER BY r.pos LIMIT $7 FOR UPDATE SKIP LOCKED) run
    LIMIT $3),
share AS (
    SELECT k, limit_key, allowed, tenant, pos, n,
        LEAST(n, $4 - (sum(n) OVER (PARTITION BY k ORDER BY pos) - n))::bigint AS take FROM pick),
allowance AS (
    SELECT k, limit_key, tenant, pos, n,
        LEAST(take, allowed - (sum(take) OVER (PARTITION BY limit_key ORDER BY k, pos) - take))::bigint AS take
    FROM share WHERE take > 0),
cut AS MATERIALIZED (
    SELECT * FROM (
        SELECT k, limit_key, tenant, pos, n, LEAST(take, $3 - (sum(take) OVER (ORDER BY k, pos) - take))::integer AS take
        FROM allowance WHERE take > 0) cut
    WHERE take > 0),
",
    take_cut!(),
    ",
used AS (
    INSERT INTO queue_uses (queue, limit_key, first, n, lease)
    SELECT $14, got.limit_key, got.first, got.take, lease.id FROM got, lease WHERE got.limit_key <> '')
SELECT ARRAY[
        (SELECT id FROM lease),
        (SELECT sum(take) FROM got),
        (SELECT sum(take) FROM cut),
        (SELECT count(*) FROM pick),
        (SELECT sum(n) FROM pick),
        NULL,
        NULL,
        EXISTS (SELECT FROM member WHERE k > (SELECT max(k) FROM cut))::integer
    ]::bigint[] AS about, 0::bigint AS seq, NULL::uuid AS id,
    (SELECT tenant FROM cut WHERE limit_key = '' ORDER BY k DESC LIMIT 1) AS tenant, 0 AS attempts,
    NULL::text AS limit_key, NULL::text AS order_key, NULL::bool AS holds, NULL::bytea AS body
",
    jobs_of_got!()
);

/// `$1` queue, `$2` lane, `$3` the keys that were looked at, `$4` until when each is closed, `$5` whether it is full then,
/// `$6` where its rate goes on, `$7` and `$8` the marks that were seen, with their keys, `$9` now, `$10` all lanes of the queue, `$11`
/// the switch, `$12` until when this lane asks for the room of each key, `$13` the keys of which it left room to the later lanes
/// `$14`, which have to come for it until `$15`.
///
/// A key without ready jobs loses its marks and is forgotten. One that is closed is known as closed and loses its marks.
/// One that is open keeps one mark, which must be one that we hold, as another claim may be removing the others; if it was
/// known as closed, it gets one for that. (A job that becomes ready while we do this brings a mark that we have not seen.)
/// `spent` only updates, and is an INSERT because a join with a table that grew since it was last
/// analyzed may be planned as a walk through all of it. So rows are removed by their `ctid`, too: marks never change, and a
/// key that another claim has found closed since we looked may stay so.
const LEAVE: &str = "
WITH went AS MATERIALIZED (
    SELECT limit_key COLLATE \"C\" AS limit_key, opens_at, is_full, arrival_us, asks_until
    FROM unnest($3::text[], $4::bigint[], $5::bool[], $6::bigint[], $12::bigint[])
        AS t(limit_key, opens_at, is_full, arrival_us, asks_until)),
spent AS (
    INSERT INTO queue_limits (queue, limit_key, arrival_us)
    SELECT $1, limit_key, arrival_us FROM went WHERE arrival_us IS NOT NULL
    ON CONFLICT (queue, limit_key) DO UPDATE SET arrival_us = excluded.arrival_us),
found AS MATERIALIZED (
    SELECT went.limit_key, went.opens_at, went.is_full, went.asks_until, waits.one IS NOT NULL AS waits
    FROM went LEFT JOIN LATERAL (
        SELECT 1 AS one FROM queue_ready r WHERE r.lane = $2 AND r.limit_key = went.limit_key LIMIT 1) waits ON true),
mark AS MATERIALIZED (
    SELECT held.ctid, held.limit_key, held.number
    FROM unnest($7::text[], $8::bigint[]) AS m(limit_key, number), LATERAL (
        SELECT ctid, limit_key, number FROM queue_turns t
        WHERE t.lane = $2 AND t.limit_key = m.limit_key AND t.number = m.number
        LIMIT 1 FOR UPDATE SKIP LOCKED) held),
used_up AS (
    SELECT mark.ctid
    FROM (SELECT ctid, limit_key, row_number() OVER (PARTITION BY limit_key ORDER BY number) AS nr FROM mark) mark
    JOIN found USING (limit_key) WHERE nr > 1 OR NOT found.waits OR found.opens_at IS NOT NULL),
unmarked AS (DELETE FROM queue_turns WHERE ctid = ANY(ARRAY(SELECT ctid FROM used_up))),
shut AS (
    INSERT INTO queue_closed (lane, limit_key, opens_at, is_full, asks_until)
    SELECT $2, limit_key, opens_at, is_full, asks_until FROM found WHERE waits AND opens_at IS NOT NULL ORDER BY limit_key
    ON CONFLICT (lane, limit_key) DO UPDATE
        SET opens_at = excluded.opens_at, is_full = excluded.is_full, asks_until = excluded.asks_until),
asked AS MATERIALIZED (
    SELECT held.ctid FROM unnest($13::text[]) AS k(limit_key), unnest($14::smallint[]) AS later(lane), LATERAL (
        SELECT ctid FROM queue_closed c
        WHERE c.lane = later.lane AND c.limit_key = k.limit_key AND c.asks_until > $15
        LIMIT 1 FOR UPDATE SKIP LOCKED) held),
offered AS (UPDATE queue_closed SET asks_until = $15 WHERE ctid = ANY(ARRAY(SELECT ctid FROM asked))),
open AS MATERIALIZED (
    SELECT held.ctid FROM found, LATERAL (
        SELECT ctid FROM queue_closed c WHERE c.lane = $2 AND c.limit_key = found.limit_key
        LIMIT 1 FOR UPDATE SKIP LOCKED) held
    WHERE NOT found.waits OR found.opens_at IS NULL),
opened AS (DELETE FROM queue_closed WHERE ctid = ANY(ARRAY(SELECT ctid FROM open)) RETURNING limit_key),
marked AS (
    INSERT INTO queue_turns (lane, limit_key)
    SELECT $2, limit_key FROM opened JOIN found USING (limit_key) WHERE found.waits)
SELECT EXISTS (SELECT FROM found WHERE waits AND opens_at IS NULL),
    EXISTS (SELECT FROM queue_ready WHERE lane = $2 AND limit_key = '')
        AND NOT EXISTS (SELECT FROM queue_control WHERE name = $11),
    LEAST(
        (SELECT min(opens_at) FROM found WHERE waits AND NOT is_full),
        (SELECT min(first.opens_at) FROM unnest($10::smallint[]) AS l(lane), LATERAL (
            SELECT opens_at FROM queue_closed c WHERE c.lane = l.lane AND NOT c.is_full AND c.opens_at > $9
                AND NOT (c.lane = $2 AND c.limit_key = ANY($3)) ORDER BY opens_at LIMIT 1) first))";

/// The keys that a claim looks at.
struct Look {
    turns: Vec<Turn>,
    /// Each with its key.
    marks: BTreeSet<(String, i64)>,
    /// There are more.
    more: bool,
    /// There are some that another claim has.
    others_have: bool,
}

/// After so long a key that another claim had is looked at again.
const LOOK_AGAIN_AFTER_MS: Millis = 10;

pub(super) async fn claim(
    connection: &mut PgConnection,
    request: &ClaimRequest,
    ring: &Ring,
    rings: &Rings,
) -> Result<Outcome, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let mut look = look(&mut transaction, request, ring).await?;
    count_running(&mut transaction, request, &mut look.turns).await?;
    let mut taking = take(&mut transaction, request, ring, rings, &look.turns).await?;
    note_taken(&mut look.turns, &mut taking.jobs, rings, request);
    let (keyed, plain, opens_at) = leave(&mut transaction, request, &look).await?;
    transaction.commit().await?;

    let (is_full, more) = (taking.jobs.len() >= request.want, keyed || look.more || plain);
    let again_at = look.others_have.then_some(request.now + LOOK_AGAIN_AFTER_MS);
    let key = last_marked(&look.turns, is_full, request.now).map(str::to_owned);
    Ok(Outcome {
        claims: Claims {
            jobs: taking.jobs,
            more,
            opens_at: opens_at.into_iter().chain(again_at).min(),
        },
        visit: Visit {
            keyed: keyed || look.more || look.others_have,
            key,
            keys_served: look.turns.iter().filter(|turn| turn.taken > 0).count(),
            ..taking.visit
        },
    })
}

/// The keys that may be open, and what is kept about them, locked.
async fn look(connection: &mut PgConnection, request: &ClaimRequest, ring: &Ring) -> Result<Look, sqlx::Error> {
    let rows = sqlx::query(TURNS)
        .bind(lane(request.queue, request.lane))
        .bind(&ring.key)
        .bind(i64::try_from(ring.keys).map_err(broken)?)
        .bind(request.now)
        .bind(paused(request.queue))
        .bind(request.queue as i16)
        .bind(later_lanes(request.queue, request.lane))
        .fetch_all(connection)
        .await?;
    let (mut turns, mut marks, mut others_have) = (Vec::new(), BTreeSet::new(), false);
    for row in &rows {
        let kept = LimitRow::from_row(row)?;
        if row.try_get("known")? && !row.try_get::<bool, _>("held")? {
            others_have = true;
            continue;
        }
        let numbers: Option<Vec<i64>> = row.try_get("numbers")?;
        let numbers = numbers.unwrap_or_default().into_iter();
        marks.extend(numbers.map(|number| (kept.limit_key.clone(), number)));
        turns.push(Turn::new(kept, row.try_get("marked")?, row.try_get("asked_until")?));
    }
    let turns = each_once(turns.into_iter());
    Ok(Look {
        turns,
        marks,
        more: rows.len() > ring.keys,
        others_have,
    })
}

async fn count_running(
    connection: &mut PgConnection,
    request: &ClaimRequest,
    turns: &mut [Turn],
) -> Result<(), sqlx::Error> {
    let capped: Vec<String> = turns
        .iter()
        .filter(|turn| turn.row.has_concurrency())
        .map(|turn| turn.row.limit_key.clone())
        .collect();
    if capped.is_empty() {
        return Ok(());
    }
    let running: Vec<(String, i64)> = sqlx::query_as(RUNNING)
        .bind(request.queue as i16)
        .bind(capped)
        .fetch_all(connection)
        .await?;
    let running: HashMap<String, i64> = running.into_iter().collect();
    for turn in turns {
        turn.running = running.get(&turn.row.limit_key).copied().unwrap_or(0);
    }
    Ok(())
}

async fn take(
    connection: &mut PgConnection,
    request: &ClaimRequest,
    ring: &Ring,
    rings: &Rings,
    turns: &[Turn],
) -> Result<Taking, sqlx::Error> {
    let (lane, want) = (
        lane(request.queue, request.lane),
        i64::try_from(request.want).map_err(broken)?,
    );
    let open: Vec<(&str, i64)> = turns
        .iter()
        .map(|turn| (turn.row.limit_key.as_str(), turn.allows(request.now).min(want)))
        .filter(|(_, allowed)| *allowed > 0)
        .collect();
    let keys: Vec<&str> = open.iter().map(|(key, _)| *key).collect();
    let served: Vec<Uuid> = keys.iter().map(|key| rings.served(lane, key)).collect();
    let rows: Vec<PgRow> = sqlx::query(TAKE)
        .bind(lane)
        .bind(ring.cursor)
        .bind(want)
        .bind(i64::try_from(ring.share).map_err(broken)?)
        .bind(request.until)
        .bind(want)
        .bind(i64::try_from(ring.runs).map_err(broken)?)
        .bind(paused(request.queue))
        .bind(request.session)
        .bind(&keys)
        .bind(served)
        .bind(open.iter().map(|(_, allowed)| *allowed).collect::<Vec<_>>())
        .bind(i64::try_from(keys.len()).map_err(broken)?)
        .bind(request.queue as i16)
        .bind(if ring.keys_first { 2_i64 } else { 0 })
        .fetch_all(connection)
        .await?;
    Taking::read(&rows, request)
}

/// Whether limit keys that are open have jobs left, whether there are jobs left without one, and when the next closed key
/// opens by itself.
async fn leave(
    connection: &mut PgConnection,
    request: &ClaimRequest,
    look: &Look,
) -> Result<(bool, bool, Option<Millis>), sqlx::Error> {
    let turns = || look.turns.iter();
    let closed: Vec<Option<Closed>> = turns().map(|turn| turn.closed(request.now)).collect();
    let offered = turns().filter(|turn| turn.offers(request.now));
    let offered: Vec<&str> = offered.map(|turn| turn.row.limit_key.as_str()).collect();
    sqlx::query_as(LEAVE)
        .bind(request.queue as i16)
        .bind(lane(request.queue, request.lane))
        .bind(turns().map(|turn| turn.row.limit_key.as_str()).collect::<Vec<_>>())
        .bind(
            closed
                .iter()
                .map(|closed| closed.map(|closed| closed.opens_at))
                .collect::<Vec<_>>(),
        )
        .bind(
            closed
                .iter()
                .map(|closed| closed.is_some_and(|closed| closed.is_full))
                .collect::<Vec<_>>(),
        )
        .bind(turns().map(|turn| turn.spent(request.now)).collect::<Vec<_>>())
        .bind(look.marks.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>())
        .bind(look.marks.iter().map(|(_, number)| *number).collect::<Vec<_>>())
        .bind(request.now)
        .bind(lanes(request.queue))
        .bind(paused(request.queue))
        .bind(
            closed
                .iter()
                .map(|closed| closed.map_or(0, |closed| closed.asks_until(request.lane)))
                .collect::<Vec<_>>(),
        )
        .bind(offered)
        .bind(later_lanes(request.queue, request.lane))
        .bind(request.now + ASK_MS)
        .fetch_one(connection)
        .await
}
