//! Taking jobs back from leases that have ended.

use std::collections::BTreeSet;

use rusqlite::Connection;
use uuid::Uuid;

use super::super::outcome::End;
use super::super::ring::lanes;
use super::cancel::doomed;
use super::statements::query;
use super::{json, limits, lines, numbers_back};
use crate::backend::{CRASH_BACKOFF, CRASHES_MAX, Reason};
use crate::clock::{Millis, day, millis};
use crate::job::Queue;

/// Jobs that ended leases must have between them before no further lease is taken back in this round.
const JOBS_MAX: usize = 1_000;

/// Ended leases that are looked at in one round.
const LEASES_MAX: i64 = 100;

/// What one round of taking back found.
pub(super) struct Rescued {
    pub(super) leases: usize,
    pub(super) rescued: usize,
    pub(super) unheard: usize,
    pub(super) poisoned: usize,
    pub(super) next_due: Option<Millis>,
}

/// A job that was left in an ended lease.
struct LeftOver {
    seq: i64,
    /// What the end of this lease adds to its crashes: nothing if the worker lives.
    charged: i16,
    /// With what is added.
    crashes: i16,
}

pub(super) fn rescue(connection: &Connection, queue: Queue, now: Millis, dice: f64) -> Result<Rescued, sqlx::Error> {
    const ENDED: &str = "SELECT id, runs, EXISTS (
            SELECT 1 FROM queue_workers w WHERE w.session = queue_leases.session AND w.until > $1) FROM queue_leases
        WHERE until < $1 AND lane IN (SELECT value FROM json_each($2)) ORDER BY id LIMIT $3";
    const LOST: &str = "DELETE FROM queue_leases WHERE id IN (SELECT value FROM json_each($1))";
    const LEFT: &str = "SELECT j.seq, j.crashes, j.limit_key FROM json_each($1) run
        CROSS JOIN queue_jobs j ON j.seq >= run.value ->> 1 AND j.seq < (run.value ->> 1) + (run.value ->> 2)";

    let ended: Vec<(i64, String, bool)> = query(ENDED)
        .bind(now)
        .bind(json(&lanes(queue))?)
        .bind(LEASES_MAX)
        .fetch_all(connection)?;
    let (mut lost, mut jobs, mut freed) = (Vec::new(), Vec::<LeftOver>::new(), BTreeSet::new());
    for (id, runs, unheard) in ended {
        if jobs.len() >= JOBS_MAX {
            break;
        }
        lost.push(id);
        let left: Vec<(i64, i16, Option<String>)> = query(LEFT).bind(runs).fetch_all(connection)?;
        let charged = i16::from(!unheard);
        for (seq, crashes, limit_key) in left {
            freed.extend(limit_key);
            jobs.push(LeftOver {
                seq,
                charged,
                crashes: crashes + charged,
            });
        }
    }
    if lost.is_empty() {
        return Ok(Rescued {
            leases: 0,
            rescued: 0,
            unheard: 0,
            poisoned: 0,
            next_due: None,
        });
    }
    query(LOST).bind(json(&lost)?).execute(connection)?;

    let doomed = doomed(connection)?;
    let (cancelled, jobs): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| doomed.contains(&job.seq));
    let (poisoned, again): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.crashes >= i16::from(CRASHES_MAX));
    let next_due = move_later(connection, &again, now, dice)?;
    bury(connection, queue, &poisoned, Reason::Poison, now)?;
    bury(connection, queue, &cancelled, Reason::Cancelled, now)?;
    limits::make_room(connection, queue, freed.iter().map(String::as_str))?;
    Ok(Rescued {
        leases: lost.len(),
        rescued: again.iter().filter(|job| job.charged > 0).count(),
        unheard: again.iter().filter(|job| job.charged == 0).count(),
        poisoned: poisoned.len(),
        next_due,
    })
}

/// Schedules jobs anew, under new numbers and with their crashes; answers when the first is due.
fn move_later(
    connection: &Connection,
    jobs: &[LeftOver],
    now: Millis,
    dice: f64,
) -> Result<Option<Millis>, sqlx::Error> {
    // [old seq, new seq, run_at, crashes]
    const MOVE: &str = "
        UPDATE queue_keys SET seq = i.value ->> 1, day = max(day, $2) FROM json_each($1) AS i
            WHERE queue_keys.seq = i.value ->> 0;
        UPDATE queue_jobs SET seq = i.value ->> 1, crashes = i.value ->> 3, run_at = i.value ->> 2
            FROM json_each($1) AS i WHERE queue_jobs.seq = i.value ->> 0;
        INSERT INTO queue_later (queue, run_at, seq, lane, tenant, limit_key, ordered)
            SELECT j.queue, j.run_at, j.seq, j.queue + 10 * j.crashes, j.tenant, j.limit_key, j.order_key IS NOT NULL
            FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 1";
    if jobs.is_empty() {
        return Ok(None);
    }
    let first = numbers_back(connection, jobs.len())?;
    let due = |job: &LeftOver| match job.charged {
        0 => now,
        _ => now + millis(CRASH_BACKOFF.wait(job.crashes.unsigned_abs().into(), dice)),
    };
    let input: Vec<_> = (first..)
        .zip(jobs)
        .map(|(seq, job)| (job.seq, seq, due(job), job.crashes))
        .collect();
    query(MOVE).bind(json(&input)?).bind(day(now)).execute(connection)?;
    Ok(jobs.iter().map(due).min())
}

/// Makes jobs dead whose worker died under them, too often or after they were cancelled.
fn bury(
    connection: &Connection,
    queue: Queue,
    jobs: &[LeftOver],
    reason: Reason,
    now: Millis,
) -> Result<(), sqlx::Error> {
    // [seq, crashes], as are the inputs of the others.
    const ENDS: &str = "SELECT j.tenant, j.order_key, j.id
        FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 0
        WHERE j.order_key IS NOT NULL AND NOT j.holds";
    const NOTE: &str = "INSERT INTO queue_errors (id, attempt, at, error)
        SELECT j.id, j.attempts + 1, $2, 'the worker died under it ' || (i.value ->> 1) || ' times'
        FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 0";
    const BURY: &str = "
        INSERT INTO queue_dead (id, queue, crashes, attempts, died_at, tenant, reason, body, limit_key, order_key, holds)
            SELECT j.id, j.queue, i.value ->> 1, j.attempts, $2, j.tenant, $4, j.body,
                j.limit_key, j.order_key, j.holds
            FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 0;
        UPDATE queue_keys SET day = max(day, $3) WHERE seq IN (SELECT value ->> 0 FROM json_each($1));
        DELETE FROM queue_cancels WHERE id IN (
            SELECT id FROM queue_jobs WHERE seq IN (SELECT value ->> 0 FROM json_each($1)));
        DELETE FROM queue_jobs WHERE seq IN (SELECT value ->> 0 FROM json_each($1))";
    if jobs.is_empty() {
        return Ok(());
    }
    let input = json(&jobs.iter().map(|job| (job.seq, job.crashes)).collect::<Vec<_>>())?;
    if reason == Reason::Poison {
        query(NOTE).bind(&input).bind(now).execute(connection)?;
    }
    let ends: Vec<(Uuid, Option<String>, Uuid)> = query(ENDS).bind(&input).fetch_all(connection)?;
    query(BURY)
        .bind(&input)
        .bind(now)
        .bind(day(now))
        .bind(reason.name())
        .execute(connection)?;
    let ends = ends
        .into_iter()
        .filter_map(|(tenant, order_key, id)| End::of(tenant, order_key, id));
    lines::follow(connection, queue, &ends.collect::<Vec<_>>())?;
    Ok(())
}
