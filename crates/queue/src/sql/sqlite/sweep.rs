//! What becomes ready by itself or by a word: due jobs, jobs of ended leases, jobs behind a gate.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::super::ring::lanes;
use super::super::texts::storable;
use super::add::islands;
use super::cancel::doomed;
use super::{json, number, numbers_back, packed};
use crate::backend::{CRASH_BACKOFF, CRASHES_MAX, Reason, Sweep};
use crate::clock::{Millis, day, millis};
use crate::job::Queue;

/// Due jobs that one sweep makes ready.
const PROMOTE_MAX: usize = 1_000;

/// Jobs that ended leases must have between them before no further lease is taken back in this round.
const JOBS_MAX: usize = 1_000;

/// Ended leases that are looked at in one round.
const LEASES_MAX: i64 = 100;

/// Parked jobs made ready in one transaction.
pub(super) const UNPARK_MAX: u64 = 5_000;

/// A job that has become ready: lane, tenant, seq.
type Place = (i16, Uuid, i64);

/// Whether there is something to sweep, and when the next job is due.
pub(super) async fn outlook(
    connection: &mut SqliteConnection,
    queue: Queue,
    now: Millis,
) -> Result<(bool, Option<Millis>), sqlx::Error> {
    const OUTLOOK: &str = "SELECT
        (SELECT min(run_at) FROM queue_later WHERE queue = $1),
        EXISTS (SELECT 1 FROM queue_leases WHERE until < $2 AND lane IN (SELECT value FROM json_each($3)))";
    let (next, ended): (Option<Millis>, bool) = sqlx::query_as(OUTLOOK)
        .bind(queue as i16)
        .bind(now)
        .bind(json(&lanes(queue))?)
        .fetch_one(connection)
        .await?;
    Ok((ended || next.is_some_and(|next| next <= now), next))
}

pub(super) async fn promote(
    connection: &mut SqliteConnection,
    queue: Queue,
    now: Millis,
) -> Result<Sweep, sqlx::Error> {
    const DUE: &str = "DELETE FROM queue_later WHERE queue = $1 AND (run_at, seq) IN (
            SELECT run_at, seq FROM queue_later WHERE queue = $1 AND run_at <= $2 ORDER BY run_at, seq LIMIT $3)
        RETURNING lane, tenant, seq";
    const NEXT: &str = "SELECT min(run_at) FROM queue_later WHERE queue = $1";
    let due: Vec<Place> = sqlx::query_as(DUE)
        .bind(queue as i16)
        .bind(now)
        .bind(number(PROMOTE_MAX))
        .fetch_all(&mut *connection)
        .await?;
    let promoted = due.len();
    make_ready(connection, due).await?;
    let next_due = sqlx::query_scalar(NEXT)
        .bind(queue as i16)
        .fetch_one(connection)
        .await?;
    Ok(Sweep {
        promoted,
        next_due,
        ..Sweep::default()
    })
}

/// Inserts the runs of these jobs.
async fn make_ready(connection: &mut SqliteConnection, places: Vec<Place>) -> Result<(), sqlx::Error> {
    const READY: &str = "INSERT INTO queue_ready (lane, tenant, pos, n)
        SELECT value ->> 1, substr($2, 16 * (value ->> 0) + 1, 16), value ->> 2, value ->> 3 FROM json_each($1)";
    if places.is_empty() {
        return Ok(());
    }
    let mut seqs: BTreeMap<(i16, Uuid), Vec<i64>> = BTreeMap::new();
    for (lane, tenant, seq) in places {
        seqs.entry((lane, tenant)).or_default().push(seq);
    }
    let tenants = packed(seqs.keys().map(|(_, tenant)| tenant));
    let mut runs = Vec::new();
    for (index, ((lane, _), seqs)) in seqs.iter_mut().enumerate() {
        seqs.sort_unstable();
        runs.extend(islands(seqs).into_iter().map(|(pos, n)| (index, *lane, pos, n)));
    }
    sqlx::query(READY)
        .bind(json(&runs)?)
        .bind(tenants)
        .execute(connection)
        .await?;
    Ok(())
}

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

pub(super) async fn rescue(
    connection: &mut SqliteConnection,
    queue: Queue,
    now: Millis,
    dice: f64,
) -> Result<Rescued, sqlx::Error> {
    const ENDED: &str = "SELECT id, runs, EXISTS (
            SELECT 1 FROM queue_workers w WHERE w.session = queue_leases.session AND w.until > $1) FROM queue_leases
        WHERE until < $1 AND lane IN (SELECT value FROM json_each($2)) ORDER BY id LIMIT $3";
    const LOST: &str = "DELETE FROM queue_leases WHERE id IN (SELECT value FROM json_each($1))";
    const LEFT: &str = "SELECT j.seq, j.crashes FROM json_each($1) run
        CROSS JOIN queue_jobs j ON j.seq >= run.value ->> 1 AND j.seq < (run.value ->> 1) + (run.value ->> 2)";

    let ended: Vec<(i64, String, bool)> = sqlx::query_as(ENDED)
        .bind(now)
        .bind(json(&lanes(queue))?)
        .bind(LEASES_MAX)
        .fetch_all(&mut *connection)
        .await?;
    let (mut lost, mut jobs) = (Vec::new(), Vec::<LeftOver>::new());
    for (id, runs, unheard) in ended {
        if jobs.len() >= JOBS_MAX {
            break;
        }
        lost.push(id);
        let left: Vec<(i64, i16)> = sqlx::query_as(LEFT).bind(runs).fetch_all(&mut *connection).await?;
        let charged = i16::from(!unheard);
        jobs.extend(left.into_iter().map(|(seq, crashes)| LeftOver {
            seq,
            charged,
            crashes: crashes + charged,
        }));
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
    sqlx::query(LOST).bind(json(&lost)?).execute(&mut *connection).await?;

    let doomed = doomed(connection).await?;
    let (cancelled, jobs): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| doomed.contains(&job.seq));
    let (poisoned, again): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.crashes >= i16::from(CRASHES_MAX));
    let next_due = move_later(connection, &again, now, dice).await?;
    bury(connection, &poisoned, Reason::Poison, now).await?;
    bury(connection, &cancelled, Reason::Cancelled, now).await?;
    Ok(Rescued {
        leases: lost.len(),
        rescued: again.iter().filter(|job| job.charged > 0).count(),
        unheard: again.iter().filter(|job| job.charged == 0).count(),
        poisoned: poisoned.len(),
        next_due,
    })
}

/// Schedules jobs anew, under new numbers and with their crashes; answers when the first is due.
async fn move_later(
    connection: &mut SqliteConnection,
    jobs: &[LeftOver],
    now: Millis,
    dice: f64,
) -> Result<Option<Millis>, sqlx::Error> {
    // [old seq, new seq, run_at, crashes]
    const STEPS: [&str; 3] = [
        "UPDATE queue_keys SET seq = i.value ->> 1, day = max(day, $2) FROM json_each($1) AS i
            WHERE queue_keys.seq = i.value ->> 0",
        "UPDATE queue_jobs SET seq = i.value ->> 1, crashes = i.value ->> 3, run_at = i.value ->> 2
            FROM json_each($1) AS i WHERE queue_jobs.seq = i.value ->> 0",
        "INSERT INTO queue_later (queue, run_at, seq, lane, tenant)
            SELECT j.queue, j.run_at, j.seq, j.queue + 10 * j.crashes, j.tenant
            FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 1",
    ];
    if jobs.is_empty() {
        return Ok(None);
    }
    let first = numbers_back(connection, jobs.len()).await?;
    let due = |job: &LeftOver| match job.charged {
        0 => now,
        _ => now + millis(CRASH_BACKOFF.wait(job.crashes.unsigned_abs().into(), dice)),
    };
    let input: Vec<_> = (first..)
        .zip(jobs)
        .map(|(seq, job)| (job.seq, seq, due(job), job.crashes))
        .collect();
    let text = json(&input)?;
    for step in STEPS {
        sqlx::query(step)
            .bind(&text)
            .bind(day(now))
            .execute(&mut *connection)
            .await?;
    }
    Ok(jobs.iter().map(due).min())
}

/// Makes jobs dead whose worker died under them, too often or after they were cancelled.
async fn bury(
    connection: &mut SqliteConnection,
    jobs: &[LeftOver],
    reason: Reason,
    now: Millis,
) -> Result<(), sqlx::Error> {
    // [seq, crashes]
    const NOTE: &str = "INSERT INTO queue_errors (id, attempt, at, error)
        SELECT j.id, j.attempts + 1, $2, 'the worker died under it ' || (i.value ->> 1) || ' times'
        FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 0";
    const STEPS: [&str; 4] = [
        "INSERT INTO queue_dead (id, queue, crashes, attempts, died_at, tenant, reason, body)
            SELECT j.id, j.queue, i.value ->> 1, j.attempts, $2, j.tenant, $4, j.body
            FROM json_each($1) i CROSS JOIN queue_jobs j ON j.seq = i.value ->> 0",
        "UPDATE queue_keys SET day = max(day, $3) WHERE seq IN (SELECT value ->> 0 FROM json_each($1))",
        "DELETE FROM queue_cancels WHERE id IN (
            SELECT id FROM queue_jobs WHERE seq IN (SELECT value ->> 0 FROM json_each($1)))",
        "DELETE FROM queue_jobs WHERE seq IN (SELECT value ->> 0 FROM json_each($1))",
    ];
    if jobs.is_empty() {
        return Ok(());
    }
    let input = json(&jobs.iter().map(|job| (job.seq, job.crashes)).collect::<Vec<_>>())?;
    if reason == Reason::Poison {
        sqlx::query(NOTE)
            .bind(&input)
            .bind(now)
            .execute(&mut *connection)
            .await?;
    }
    for step in STEPS {
        sqlx::query(step)
            .bind(&input)
            .bind(now)
            .bind(day(now))
            .bind(reason.name())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// They keep their `seq`: parking them gave them a new one.
pub(super) async fn unpark(
    connection: &mut SqliteConnection,
    queue: Queue,
    gates: &[String],
) -> Result<u64, sqlx::Error> {
    const OPEN: &str = "DELETE FROM queue_parked WHERE seq IN (
            SELECT seq FROM queue_parked WHERE gate IN (SELECT value FROM json_each($1))
                AND lane IN (SELECT value FROM json_each($2)) LIMIT $3)
        RETURNING lane, tenant, seq";
    let gates: Vec<_> = gates.iter().map(|gate| storable(gate)).collect();
    let open: Vec<Place> = sqlx::query_as(OPEN)
        .bind(json(&gates)?)
        .bind(json(&lanes(queue))?)
        .bind(i64::try_from(UNPARK_MAX).unwrap_or(i64::MAX))
        .fetch_all(&mut *connection)
        .await?;
    let count = open.len() as u64;
    make_ready(connection, open).await?;
    Ok(count)
}
