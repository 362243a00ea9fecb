//! Writing down how runs ended, and keeping leases.

use std::collections::HashSet;

use rusqlite::Connection;

use super::super::outcome::{DEAD, DONE, Gone, LATER, RELEASE};
use super::super::outcome::{cooled, error, excerpt, in_lines, kind, label, leaves_line, run_at};
use super::cancel::doomed;
use super::ready::{Place, make_ready};
use super::statements::query;
use super::{json, limits, lines, number, numbers_back};
use crate::backend::{Outcome, Reason, Settle};
use crate::clock::{Millis, day};
use crate::flow::Key;
use crate::job::Queue;

/// Which of `$1`, claims, are there.
const HELD: &str = "SELECT id FROM queue_leases WHERE id IN (SELECT value FROM json_each($1))";
/// Which of `$1`, the numbers of jobs, live.
const LIVE: &str = "SELECT seq FROM queue_jobs WHERE seq IN (SELECT value FROM json_each($1))";
/// The same, and they end.
const END: &str = "DELETE FROM queue_jobs WHERE seq IN (SELECT value FROM json_each($1)) RETURNING seq";
const FINISHED: &str = "DELETE FROM queue_leases WHERE id IN (SELECT value FROM json_each($1))";

/// `$1` numbers that go before everything that waits, from this one on.
const FRONT: &str = "UPDATE queue_sequences SET value = value - $1 WHERE name = 'front' RETURNING value";

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

pub(super) fn settle(
    connection: &Connection,
    queue: Queue,
    settles: &[Settle],
    finished: &[i64],
    now: Millis,
) -> Result<Vec<bool>, sqlx::Error> {
    let mut gone = write(connection, settles, finished, now)?;
    if settles.iter().any(|settle| !settle.keys.is_free()) {
        tell_others(connection, queue, settles, &gone)?;
    }
    // A job that is settled twice in one call was held once.
    Ok(settles
        .iter()
        .map(|settle| gone.remove(&settle.ticket.seq).is_some())
        .collect())
}

fn write(connection: &Connection, settles: &[Settle], finished: &[i64], now: Millis) -> Result<Gone, sqlx::Error> {
    let today = day(now);
    let plain = |settle: &Settle| {
        settle.outcome == Outcome::Done && settle.attempts == 0 && settle.crashes == 0 && settle.added_on >= today
    };
    let all_plain = settles.iter().all(plain);
    let mut claims: Vec<i64> = settles.iter().map(|settle| settle.ticket.claim).collect();
    claims.sort_unstable();
    claims.dedup();
    let seqs: Vec<i64> = settles.iter().map(|settle| settle.ticket.seq).collect();
    let held: Vec<i64> = query(HELD).bind(json(&claims)?).fetch_all(connection)?;
    let live = |statement| query(statement).bind(json(&seqs)?).fetch_all::<i64>(connection);
    let gone = if all_plain && held.len() == claims.len() {
        live(END)?.into_iter().map(|seq| (seq, DONE)).collect()
    } else {
        let (held, live): (HashSet<i64>, HashSet<i64>) =
            (held.into_iter().collect(), live(LIVE)?.into_iter().collect());
        let is_mine = |settle: &&Settle| held.contains(&settle.ticket.claim) && live.contains(&settle.ticket.seq);
        mixed(connection, settles.iter().filter(is_mine), now)?
    };
    query(FINISHED).bind(json(finished)?).execute(connection)?;
    Ok(gone)
}

/// What the ends of these runs mean for other jobs: their lines go on, their limit keys have room or are cooled.
fn tell_others(connection: &Connection, queue: Queue, settles: &[Settle], gone: &Gone) -> Result<(), sqlx::Error> {
    let held = || settles.iter().filter(|settle| gone.contains_key(&settle.ticket.seq));
    let ends = in_lines(settles.iter().filter(|settle| leaves_line(settle, gone)));
    lines::follow(connection, queue, &ends)?;
    let freed = held().filter_map(|settle| settle.keys.limit.as_ref().map(Key::as_str));
    limits::make_room(connection, queue, freed)?;
    limits::cool(connection, queue, &cooled(settles, gone))
}

fn mixed<'a>(
    connection: &Connection,
    mine: impl Iterator<Item = &'a Settle>,
    now: Millis,
) -> Result<Gone, sqlx::Error> {
    let mine: Vec<&Settle> = mine.collect();
    let mut back = numbers_back(connection, mine.len())?;
    let mut front: i64 = query(FRONT).bind(number(mine.len())).fetch_one(connection)?;
    let doomed = doomed(connection)?;
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
    let mut ready: Vec<Place> = Vec::new();
    for (step, _) in steps.into_iter().filter(|(_, is_needed)| *is_needed) {
        let query = query(step).bind(&text).bind(now).bind(day(now));
        ready.extend(query.fetch_all(connection)?);
    }
    make_ready(connection, ready)?;
    Ok(input.iter().map(|row| (row.0, row.1)).collect())
}

pub(super) fn renew(connection: &Connection, claims: &[i64], until: Millis) -> Result<Vec<i64>, sqlx::Error> {
    const RENEW: &str = "
        UPDATE queue_leases SET until = max(until, $2) WHERE id IN (SELECT value FROM json_each($1)) RETURNING id";
    let held: Vec<i64> = query(RENEW).bind(json(claims)?).bind(until).fetch_all(connection)?;
    let held: HashSet<i64> = held.into_iter().collect();
    Ok(claims.iter().copied().filter(|claim| !held.contains(claim)).collect())
}
