//! Writing down how runs ended, and keeping leases.

use std::collections::HashSet;

use sqlx::sqlite::SqliteConnection;

use super::super::outcome::{DEAD, DONE, Gone, LATER, PARK, RELEASE};
use super::super::outcome::{cooled, error, excerpt, in_lines, kind, label, leaves_line, run_at};
use super::super::pool::broken;
use super::cancel::doomed;
use super::ready::{Place, make_ready};
use super::{json, limits, lines, numbers_back, numbers_front};
use crate::backend::{Outcome, Reason, Settle};
use crate::clock::{Millis, day};
use crate::flow::Key;
use crate::job::Queue;

const HELD: &str = "SELECT id FROM queue_leases WHERE id IN (SELECT value FROM json_each($1))";
const FINISHED: &str = "DELETE FROM queue_leases WHERE id IN (SELECT value FROM json_each($1))";
const ENDED: &str = "DELETE FROM queue_jobs WHERE seq IN (SELECT value FROM json_each($1))";
/// One row with all of them: a row costs more on its way between the threads than in the database.
const LIVE: &str = "SELECT json_group_array(seq) FROM queue_jobs WHERE seq IN (SELECT value FROM json_each($1))";

/// One settle as the statements below have it: `[seq, kind, new seq, run_at, error, label, late, excerpt]`.
type Input = (
    i64,
    i16,
    i64,
    Option<Millis>,
    Option<String>,
    Option<String>,
    bool,
    Option<String>,
);

/// What becomes of the jobs in the input, in this order; each for the kinds of outcome that need it. `$1` is the input,
/// `$2` the time, `$3` the day. A job that goes on gets its new `seq` halfway.
const STEPS: [(&[i16], &str); 10] = [
    (
        &[DEAD],
        "INSERT INTO queue_dead
            (id, queue, crashes, attempts, died_at, tenant, reason, body, limit_key, order_key, holds)
         SELECT j.id, j.queue, j.crashes, j.attempts + (i.value ->> 4 IS NOT NULL), $2, j.tenant, i.value ->> 5, j.body,
            j.limit_key, j.order_key, j.holds
         FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 0 WHERE i.value ->> 1 = 1",
    ),
    (
        &[DEAD, LATER],
        "INSERT INTO queue_errors (id, attempt, at, error, excerpt)
         SELECT j.id, j.attempts + 1, $2, i.value ->> 4, i.value ->> 7
         FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 0 WHERE i.value ->> 4 IS NOT NULL",
    ),
    (
        &[DONE],
        "DELETE FROM queue_errors WHERE id IN (
            SELECT j.id FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 0
            WHERE i.value ->> 1 = 0)",
    ),
    (
        &[DONE, DEAD],
        "DELETE FROM queue_cancels WHERE id IN (
            SELECT j.id FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 0
            WHERE i.value ->> 1 <= 1)",
    ),
    (
        &[DONE, DEAD],
        "UPDATE queue_keys SET day = max(day, $3) WHERE seq IN (
            SELECT value ->> 0 FROM json_each($1) WHERE value ->> 1 <= 1 AND value ->> 6)",
    ),
    (
        &[DONE, DEAD],
        "DELETE FROM queue_jobs WHERE seq IN (
            SELECT value ->> 0 FROM json_each($1) WHERE value ->> 1 <= 1)",
    ),
    (
        &[LATER, PARK, RELEASE],
        "UPDATE queue_keys SET seq = i.value ->> 2, day = max(day, $3) FROM json_each($1) AS i
         WHERE queue_keys.seq = i.value ->> 0 AND i.value ->> 1 >= 2",
    ),
    (
        &[LATER, PARK, RELEASE],
        "UPDATE queue_jobs SET seq = i.value ->> 2, run_at = i.value ->> 3,
            attempts = attempts + (i.value ->> 4 IS NOT NULL) FROM json_each($1) AS i
         WHERE queue_jobs.seq = i.value ->> 0 AND i.value ->> 1 >= 2",
    ),
    (
        &[LATER],
        "INSERT INTO queue_later (queue, run_at, seq, lane, tenant, limit_key, ordered)
         SELECT j.queue, j.run_at, j.seq, j.queue + 10 * j.crashes, j.tenant, j.limit_key, j.order_key IS NOT NULL
         FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 2
         WHERE i.value ->> 1 = 2",
    ),
    (
        &[PARK],
        "INSERT INTO queue_parked (seq, lane, tenant, gate, limit_key)
         SELECT j.seq, j.queue + 10 * j.crashes, j.tenant, i.value ->> 5, j.limit_key
         FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 2
         WHERE i.value ->> 1 = 3",
    ),
];

pub(super) async fn settle(
    connection: &mut SqliteConnection,
    queue: Queue,
    settles: &[Settle],
    finished: &[i64],
    now: Millis,
) -> Result<Vec<bool>, sqlx::Error> {
    let mut gone = Gone::new();
    if !settles.is_empty() {
        gone = write(connection, settles, now).await?;
        if settles.iter().any(|settle| !settle.keys.is_free()) {
            tell_others(connection, queue, settles, &gone).await?;
        }
    }
    if !finished.is_empty() {
        sqlx::query(FINISHED).bind(json(finished)?).execute(connection).await?;
    }
    // A job that is settled twice in one call was held once.
    Ok(settles
        .iter()
        .map(|settle| gone.remove(&settle.ticket.seq).is_some())
        .collect())
}

async fn write(connection: &mut SqliteConnection, settles: &[Settle], now: Millis) -> Result<Gone, sqlx::Error> {
    let today = day(now);
    let plain = |settle: &Settle| {
        settle.outcome == Outcome::Done && settle.attempts == 0 && settle.crashes == 0 && settle.added_on >= today
    };
    let held = held(connection, settles).await?;
    let mine: Vec<&Settle> = settles
        .iter()
        .filter(|settle| held.contains(&settle.ticket.claim))
        .collect();
    let live = live(connection, &mine).await?;
    if !mine.iter().all(|settle| plain(settle)) {
        return mixed(connection, &mine, &live, now).await;
    }
    let seqs: Vec<i64> = live.into_iter().collect();
    sqlx::query(ENDED).bind(json(&seqs)?).execute(&mut *connection).await?;
    Ok(seqs.into_iter().map(|seq| (seq, DONE)).collect())
}

/// What the ends of these runs mean for other jobs: their lines go on, their limit keys have room or are cooled.
async fn tell_others(
    connection: &mut SqliteConnection,
    queue: Queue,
    settles: &[Settle],
    gone: &Gone,
) -> Result<(), sqlx::Error> {
    let held = || settles.iter().filter(|settle| gone.contains_key(&settle.ticket.seq));
    let ends = in_lines(settles.iter().filter(|settle| leaves_line(settle, gone)));
    lines::follow(connection, queue, &ends).await?;
    let freed = held().filter_map(|settle| settle.keys.limit.as_ref().map(Key::as_str));
    limits::make_room(connection, queue, freed).await?;
    limits::cool(connection, queue, &cooled(settles, gone)).await
}

async fn held(connection: &mut SqliteConnection, settles: &[Settle]) -> Result<HashSet<i64>, sqlx::Error> {
    let mut claims: Vec<i64> = settles.iter().map(|settle| settle.ticket.claim).collect();
    claims.sort_unstable();
    claims.dedup();
    let held: Vec<i64> = sqlx::query_scalar(HELD)
        .bind(json(&claims)?)
        .fetch_all(connection)
        .await?;
    Ok(held.into_iter().collect())
}

/// The jobs that are still where they were claimed.
async fn live(connection: &mut SqliteConnection, settles: &[&Settle]) -> Result<HashSet<i64>, sqlx::Error> {
    let seqs: Vec<i64> = settles.iter().map(|settle| settle.ticket.seq).collect();
    let live: String = sqlx::query_scalar(LIVE)
        .bind(json(&seqs)?)
        .fetch_one(connection)
        .await?;
    serde_json::from_str(&live).map_err(broken)
}

async fn mixed(
    connection: &mut SqliteConnection,
    settles: &[&Settle],
    live: &HashSet<i64>,
    now: Millis,
) -> Result<Gone, sqlx::Error> {
    const RELEASED: &str =
        "SELECT j.queue + 10 * j.crashes AS lane, COALESCE(j.limit_key, '') AS limit_key, j.tenant, j.seq
        FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 2 WHERE i.value ->> 1 = 4";
    let mut back = numbers_back(connection, settles.len()).await?;
    let mut front = numbers_front(connection, settles.len()).await?;
    let doomed = doomed(connection).await?;
    let mut seen = HashSet::new();
    let mut input: Vec<Input> = Vec::with_capacity(settles.len());
    for settle in settles {
        let seq = settle.ticket.seq;
        if !live.contains(&seq) || !seen.insert(seq) {
            continue;
        }
        let outcome = &settle.outcome;
        let cancelled = kind(outcome) >= LATER && doomed.contains(&seq);
        let (kind, label) = if cancelled {
            (DEAD, Some(Reason::Cancelled.name().to_owned()))
        } else {
            (kind(outcome), label(outcome))
        };
        let next = if kind == RELEASE { &mut front } else { &mut back };
        let late = settle.added_on < day(now);
        let (error, excerpt) = (error(outcome), excerpt(settle));
        input.push((seq, kind, *next, run_at(outcome), error, label, late, excerpt));
        *next += 1;
    }
    let text = json(&input)?;
    for (kinds, step) in STEPS {
        if input.iter().any(|row| kinds.contains(&row.1)) {
            sqlx::query(step)
                .bind(&text)
                .bind(now)
                .bind(day(now))
                .execute(&mut *connection)
                .await?;
        }
    }
    if input.iter().any(|row| row.1 == RELEASE) {
        let released: Vec<Place> = sqlx::query_as(RELEASED).bind(&text).fetch_all(&mut *connection).await?;
        make_ready(connection, released).await?;
    }
    Ok(input.iter().map(|row| (row.0, row.1)).collect())
}

pub(super) async fn renew(
    connection: &mut SqliteConnection,
    claims: &[i64],
    until: Millis,
) -> Result<Vec<i64>, sqlx::Error> {
    const RENEW: &str = "
        UPDATE queue_leases SET until = max(until, $2) WHERE id IN (SELECT value FROM json_each($1)) RETURNING id";
    let held: Vec<i64> = sqlx::query_scalar(RENEW)
        .bind(json(claims)?)
        .bind(until)
        .fetch_all(connection)
        .await?;
    let held: HashSet<i64> = held.into_iter().collect();
    Ok(claims.iter().copied().filter(|claim| !held.contains(claim)).collect())
}
