//! Figures, forgetting, and what an operator should know.

use std::time::Duration;

use sqlx::sqlite::SqliteConnection;

use super::super::ring::lanes;
use super::super::texts::paused;
use super::json;
use crate::backend::{Counter, Counts, Finding, FindingLevel, KNOWN_DAYS, Purged};
use crate::clock::{DAY_MS, Millis, day};
use crate::job::Queue;

/// A check looks at every job, so it may take longer than other calls.
pub(super) const CHECK_LIMIT: Duration = Duration::from_secs(30);

/// Keys, and dead letters, that one call forgets.
const PURGE_MAX: i64 = 1_000;

pub(super) async fn counts(connection: &mut SqliteConnection, queue: Queue) -> Result<Counts, sqlx::Error> {
    // Ready runs have no holes. A lease's runs have, so there the jobs themselves are counted.
    const COUNTS: &str = "SELECT
        (SELECT COALESCE(sum(n), 0) FROM queue_ready WHERE lane IN (SELECT value FROM json_each($2))),
        (SELECT count(*) FROM queue_later WHERE queue = $1),
        (SELECT count(*) FROM queue_leases l CROSS JOIN json_each(l.runs) run
            CROSS JOIN queue_jobs j ON j.seq >= run.value ->> 1 AND j.seq < (run.value ->> 1) + (run.value ->> 2)
            WHERE l.lane IN (SELECT value FROM json_each($2))),
        (SELECT count(*) FROM queue_parked WHERE lane IN (SELECT value FROM json_each($2))),
        (SELECT count(*) FROM queue_dead WHERE queue = $1),
        EXISTS (SELECT 1 FROM queue_control WHERE name = $3)";
    let (ready, scheduled, running, parked, dead, paused): (i64, i64, i64, i64, i64, bool) = sqlx::query_as(COUNTS)
        .bind(queue as i16)
        .bind(json(&lanes(queue))?)
        .bind(paused(queue))
        .fetch_one(connection)
        .await?;
    let figure = |count: i64| u64::try_from(count).unwrap_or(0);
    Ok(Counts {
        ready: figure(ready),
        scheduled: figure(scheduled),
        running: figure(running),
        parked: figure(parked),
        dead: figure(dead),
        behind: 0,
        paused,
    })
}

pub(super) async fn count(connection: &mut SqliteConnection, counters: &[(Counter, u64)]) -> Result<(), sqlx::Error> {
    const COUNT: &str = "INSERT INTO queue_counters (queue, kind, name, value)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each($1) WHERE true
        ON CONFLICT (queue, kind, name) DO UPDATE SET value = value + excluded.value";
    let rows: Vec<_> = counters
        .iter()
        .map(|(counter, by)| (counter.queue as i16, &counter.kind, &counter.name, by))
        .collect();
    sqlx::query(COUNT).bind(json(&rows)?).execute(connection).await?;
    Ok(())
}

pub(super) async fn purge(
    connection: &mut SqliteConnection,
    queue: Queue,
    now: Millis,
    dead_before: Millis,
) -> Result<Purged, sqlx::Error> {
    const OLD_KEYS: &str = "SELECT k.seq FROM queue_keys k WHERE k.day < $1
        AND NOT EXISTS (SELECT 1 FROM queue_jobs j WHERE j.seq = k.seq)
        AND NOT EXISTS (SELECT 1 FROM queue_dead d WHERE d.id = k.id)
        ORDER BY k.day LIMIT $2";
    const KEYS: [&str; 2] = [
        "DELETE FROM queue_errors WHERE id IN (
            SELECT id FROM queue_keys WHERE seq IN (SELECT value FROM json_each($1)))",
        "DELETE FROM queue_keys WHERE seq IN (SELECT value FROM json_each($1))",
    ];
    const WORKERS: &str = "DELETE FROM queue_workers WHERE until < $1";
    const CANCELS: &str = "DELETE FROM queue_cancels WHERE NOT EXISTS (
        SELECT 1 FROM queue_keys k JOIN queue_jobs j ON j.seq = k.seq WHERE k.id = queue_cancels.id)";
    const OLD_DEAD: &str = "SELECT rowid FROM queue_dead WHERE died_at < $1 AND queue = $2 ORDER BY died_at LIMIT $3";
    const DEAD: [&str; 2] = [
        "DELETE FROM queue_errors WHERE id IN (
            SELECT id FROM queue_dead WHERE rowid IN (SELECT value FROM json_each($1)))",
        "DELETE FROM queue_dead WHERE rowid IN (SELECT value FROM json_each($1))",
    ];

    let keys: Vec<i64> = sqlx::query_scalar(OLD_KEYS)
        .bind(day(now) - KNOWN_DAYS)
        .bind(PURGE_MAX)
        .fetch_all(&mut *connection)
        .await?;
    for step in KEYS {
        sqlx::query(step).bind(json(&keys)?).execute(&mut *connection).await?;
    }
    sqlx::query(WORKERS)
        .bind(now - DAY_MS)
        .execute(&mut *connection)
        .await?;
    sqlx::query(CANCELS).execute(&mut *connection).await?;
    let dead: Vec<i64> = sqlx::query_scalar(OLD_DEAD)
        .bind(dead_before)
        .bind(queue as i16)
        .bind(PURGE_MAX)
        .fetch_all(&mut *connection)
        .await?;
    for step in DEAD {
        sqlx::query(step).bind(json(&dead)?).execute(&mut *connection).await?;
    }
    Ok(Purged {
        keys: keys.len() as u64,
        dead: dead.len() as u64,
    })
}

/// How the writer's connection is set up.
pub(super) struct Settings {
    journal: String,
    synchronous: i64,
}

pub(super) async fn settings(connection: &mut SqliteConnection) -> Result<Settings, sqlx::Error> {
    Ok(Settings {
        journal: sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(&mut *connection)
            .await?,
        synchronous: sqlx::query_scalar("PRAGMA synchronous").fetch_one(connection).await?,
    })
}

/// How many jobs are in no place from which they could ever start.
pub(super) async fn uncovered(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    // Runs do not overlap, so in one pass over all jobs and all ends of runs, a job is covered if the furthest end so far
    // lies behind it.
    const UNCOVERED: &str = "
        WITH runs(first, len) AS MATERIALIZED (
            SELECT pos, n FROM queue_ready
            UNION ALL SELECT r.value ->> 1, r.value ->> 2 FROM queue_leases l, json_each(l.runs) r
            UNION ALL SELECT seq, 1 FROM queue_later
            UNION ALL SELECT seq, 1 FROM queue_parked),
        marks(seq, until) AS (
            SELECT seq, NULL FROM queue_jobs UNION ALL SELECT first, first + len FROM runs),
        swept(seq, until, covered) AS (
            SELECT seq, until, max(until) OVER (ORDER BY seq, until IS NULL ROWS UNBOUNDED PRECEDING) FROM marks)
        SELECT count(*) FROM swept WHERE until IS NULL AND COALESCE(covered <= seq, true)";
    sqlx::query_scalar(UNCOVERED).fetch_one(connection).await
}

pub(super) fn findings(settings: &Settings, uncovered: i64) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |level, text: String| findings.push(Finding { level, text });
    if settings.journal != "wal" {
        let text = format!(
            "the SQLite file is in journal mode {}, not wal: readers block writers",
            settings.journal
        );
        find(FindingLevel::Fault, text);
    }
    if settings.synchronous < 2 {
        find(
            FindingLevel::Fault,
            "synchronous is not FULL: accepted jobs may be lost in a power cut".into(),
        );
    }
    if uncovered > 0 {
        let text = format!("{uncovered} jobs are kept that nothing will ever start: this is a defect, report it");
        find(FindingLevel::Fault, text);
    }
    if findings.is_empty() {
        let text = "the queue in the SQLite file is durable and consistent".into();
        findings.push(Finding {
            level: FindingLevel::Good,
            text,
        });
    }
    findings
}
