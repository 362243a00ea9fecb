//! Writing down how runs ended, and keeping leases.

use std::collections::HashSet;

use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::super::outcome::{DEAD, DONE, Gone, LATER, RELEASE};
use super::super::outcome::{cooled, error, excerpt, in_lines, kind, label, leaves_line, run_at};
use super::super::pool::broken;
use super::ready::make_ready;
use super::{json, limits, lines, number};
use crate::backend::{Outcome, Reason, Settle};
use crate::clock::{Millis, day};
use crate::flow::Key;
use crate::job::Queue;

/// What of `$1`, claims, and of `$2`, the numbers of jobs, is still there: one row, as a row costs more on its way between the
/// threads than in the database.
macro_rules! found {
    () => {
        "SELECT (SELECT json_group_array(id) FROM queue_leases WHERE id IN (SELECT value FROM json_each($1))) AS held,
            (SELECT json_group_array(seq) FROM queue_jobs WHERE seq IN (SELECT value FROM json_each($2))) AS live"
    };
}
const FOUND: &str = found!();

/// The same, and the jobs end if all claims are there, `$3` in number; the claims in `$4` are over.
const END: &str = concat!(
    found!(),
    "; DELETE FROM queue_jobs WHERE seq IN (SELECT value FROM json_each($2))
        AND $3 = (SELECT count(*) FROM queue_leases WHERE id IN (SELECT value FROM json_each($1)));
    DELETE FROM queue_leases WHERE id IN (SELECT value FROM json_each($4))"
);
const FINISHED: &str = "DELETE FROM queue_leases WHERE id IN (SELECT value FROM json_each($1))";

/// `$1` numbers that go behind everything that waits and as many that go before it, from these on; and the numbers of the jobs
/// that somebody cancelled while they ran.
const NUMBERS: &str = "
    UPDATE queue_sequences SET value = value + $1 WHERE name = 'back' RETURNING value - $1 + 1;
    UPDATE queue_sequences SET value = value - $1 WHERE name = 'front' RETURNING value;
    SELECT json_group_array(k.seq) FROM queue_cancels c CROSS JOIN queue_keys k ON k.id = c.id";

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

/// What becomes of the jobs in the input that end. `$1` is the input, `$2` the time, `$3` the day.
const ENDS: &str = "
    INSERT INTO queue_dead (id, queue, crashes, attempts, died_at, tenant, reason, body, limit_key, order_key, holds)
        SELECT j.id, j.queue, j.crashes, j.attempts + (i.value ->> 4 IS NOT NULL), $2, j.tenant, i.value ->> 5, j.body,
            j.limit_key, j.order_key, j.holds
        FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 0 WHERE i.value ->> 1 = 1;
    INSERT INTO queue_errors (id, attempt, at, error, excerpt)
        SELECT j.id, j.attempts + 1, $2, i.value ->> 4, i.value ->> 7
        FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 0
        WHERE i.value ->> 1 = 1 AND i.value ->> 4 IS NOT NULL;
    DELETE FROM queue_errors WHERE id IN (
        SELECT j.id FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 0 WHERE i.value ->> 1 = 0);
    DELETE FROM queue_cancels WHERE id IN (
        SELECT j.id FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 0 WHERE i.value ->> 1 <= 1);
    UPDATE queue_keys SET day = max(day, $3) WHERE seq IN (
        SELECT value ->> 0 FROM json_each($1) WHERE value ->> 1 <= 1 AND value ->> 6);
    DELETE FROM queue_jobs WHERE seq IN (SELECT value ->> 0 FROM json_each($1) WHERE value ->> 1 <= 1)";

/// What becomes of those that go on; each gets its new number halfway. Answers those that are ready again.
const GOES_ON: &str = "
    INSERT INTO queue_errors (id, attempt, at, error, excerpt)
        SELECT j.id, j.attempts + 1, $2, i.value ->> 4, i.value ->> 7
        FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 0
        WHERE i.value ->> 1 = 2 AND i.value ->> 4 IS NOT NULL;
    UPDATE queue_keys SET seq = i.value ->> 2, day = max(day, $3) FROM json_each($1) AS i
        WHERE queue_keys.seq = i.value ->> 0 AND i.value ->> 1 >= 2;
    UPDATE queue_jobs SET seq = i.value ->> 2, run_at = i.value ->> 3, attempts = attempts + (i.value ->> 4 IS NOT NULL)
        FROM json_each($1) AS i WHERE queue_jobs.seq = i.value ->> 0 AND i.value ->> 1 >= 2;
    INSERT INTO queue_later (queue, run_at, seq, lane, tenant, limit_key, ordered)
        SELECT j.queue, j.run_at, j.seq, j.queue + 10 * j.crashes, j.tenant, j.limit_key, j.order_key IS NOT NULL
        FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 2 WHERE i.value ->> 1 = 2;
    INSERT INTO queue_parked (seq, lane, tenant, gate, limit_key)
        SELECT j.seq, j.queue + 10 * j.crashes, j.tenant, i.value ->> 5, j.limit_key
        FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 2 WHERE i.value ->> 1 = 3;
    SELECT j.queue + 10 * j.crashes AS lane, COALESCE(j.limit_key, '') AS limit_key, j.tenant, j.seq
        FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 2 WHERE i.value ->> 1 = 4";

pub(super) async fn settle(
    connection: &mut SqliteConnection,
    queue: Queue,
    settles: &[Settle],
    finished: &[i64],
    now: Millis,
) -> Result<Vec<bool>, sqlx::Error> {
    let mut gone = write(connection, settles, finished, now).await?;
    if settles.iter().any(|settle| !settle.keys.is_free()) {
        tell_others(connection, queue, settles, &gone).await?;
    }
    // A job that is settled twice in one call was held once.
    Ok(settles
        .iter()
        .map(|settle| gone.remove(&settle.ticket.seq).is_some())
        .collect())
}

async fn write(
    connection: &mut SqliteConnection,
    settles: &[Settle],
    finished: &[i64],
    now: Millis,
) -> Result<Gone, sqlx::Error> {
    let today = day(now);
    let plain = |settle: &Settle| {
        settle.outcome == Outcome::Done && settle.attempts == 0 && settle.crashes == 0 && settle.added_on >= today
    };
    let all_plain = settles.iter().all(plain);
    let mut claims: Vec<i64> = settles.iter().map(|settle| settle.ticket.claim).collect();
    claims.sort_unstable();
    claims.dedup();
    let seqs: Vec<i64> = settles.iter().map(|settle| settle.ticket.seq).collect();
    let found: Vec<(String, String)> = sqlx::query_as(if all_plain { END } else { FOUND })
        .bind(json(&claims)?)
        .bind(json(&seqs)?)
        .bind(number(claims.len()))
        .bind(json(finished)?)
        .fetch_all(&mut *connection)
        .await?;
    let (held, live): (HashSet<i64>, HashSet<i64>) = match &found[..] {
        [(held, live)] => (numbers(held)?, numbers(live)?),
        _ => return Err(broken("no answer as to what is held")),
    };
    if all_plain && held.len() == claims.len() {
        return Ok(live.into_iter().map(|seq| (seq, DONE)).collect());
    }
    let mine = settles.iter().filter(|settle| {
        let ticket = settle.ticket;
        held.contains(&ticket.claim) && live.contains(&ticket.seq)
    });
    let gone = mixed(connection, mine, now).await?;
    sqlx::query(FINISHED).bind(json(finished)?).execute(connection).await?;
    Ok(gone)
}

fn numbers(array: &str) -> Result<HashSet<i64>, sqlx::Error> {
    serde_json::from_str(array).map_err(broken)
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

async fn mixed<'a>(
    connection: &mut SqliteConnection,
    mine: impl Iterator<Item = &'a Settle>,
    now: Millis,
) -> Result<Gone, sqlx::Error> {
    let mine: Vec<&Settle> = mine.collect();
    let rows = sqlx::query(NUMBERS)
        .bind(number(mine.len()))
        .fetch_all(&mut *connection)
        .await?;
    let [back, front, doomed] = &rows[..] else {
        return Err(broken("no numbers for jobs that go on"));
    };
    let (mut back, mut front): (i64, i64) = (back.try_get(0)?, front.try_get(0)?);
    let doomed = numbers(doomed.try_get(0)?)?;
    let mut seen = HashSet::new();
    let mut input: Vec<Input> = Vec::with_capacity(mine.len());
    for settle in mine {
        let seq = settle.ticket.seq;
        if !seen.insert(seq) {
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
    let steps = [
        (ENDS, input.iter().any(|row| row.1 < LATER)),
        (GOES_ON, input.iter().any(|row| row.1 >= LATER)),
    ];
    let mut ready = Vec::new();
    for (step, _) in steps.into_iter().filter(|(_, is_needed)| *is_needed) {
        let query = sqlx::query_as(step).bind(&text).bind(now).bind(day(now));
        ready.extend(query.fetch_all(&mut *connection).await?);
    }
    make_ready(connection, ready).await?;
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
