//! Figures, forgetting, and what an operator should know.

use std::time::Duration;

use rusqlite::Connection;
use sqlx::sqlite::SqliteConnection;

use super::super::letters::MISCOUNTED;
use super::super::ring::lanes;
use super::super::texts::paused;
use super::statements::query;
use super::{dead, json};
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
        (SELECT count(*) FROM queue_behind WHERE queue = $1),
        (SELECT COALESCE(sum(letters), 0) FROM queue_dead_buckets WHERE queue = $1)
            + (SELECT count(*) FROM queue_dead WHERE bucket IS NULL AND queue = $1),
        EXISTS (SELECT 1 FROM queue_control WHERE name = $3)";
    let figures: (i64, i64, i64, i64, i64, i64, bool) = sqlx::query_as(COUNTS)
        .bind(queue as i16)
        .bind(json(&lanes(queue))?)
        .bind(paused(queue))
        .fetch_one(connection)
        .await?;
    let (ready, scheduled, running, parked, behind, dead, paused) = figures;
    let figure = |count: i64| u64::try_from(count).unwrap_or(0);
    Ok(Counts {
        ready: figure(ready),
        scheduled: figure(scheduled),
        running: figure(running),
        parked: figure(parked),
        dead: figure(dead),
        behind: figure(behind),
        paused,
    })
}

pub(super) fn count(connection: &Connection, counters: &[(Counter, u64)]) -> Result<(), sqlx::Error> {
    const COUNT: &str = "INSERT INTO queue_counters (queue, kind, name, value)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each($1) WHERE true
        ON CONFLICT (queue, kind, name) DO UPDATE SET value = value + excluded.value";
    let rows: Vec<_> = counters
        .iter()
        .map(|(counter, by)| (counter.queue as i16, &counter.kind, &counter.name, by))
        .collect();
    query(COUNT).bind(json(&rows)?).execute(connection)?;
    Ok(())
}

pub(super) fn purge(
    connection: &Connection,
    queue: Queue,
    now: Millis,
    dead_before: Millis,
) -> Result<Purged, sqlx::Error> {
    // The key of a job that lives or is dead is as new from now on: else each call would have to step over all of them.
    const OLD_KEYS: &str = "SELECT k.seq, EXISTS (SELECT 1 FROM queue_jobs j WHERE j.seq = k.seq)
            OR EXISTS (SELECT 1 FROM queue_dead d WHERE d.id = k.id)
        FROM queue_keys k WHERE k.day < $1 ORDER BY k.day LIMIT $2";
    const RENEW: &str = "UPDATE queue_keys SET day = $2 WHERE seq IN (SELECT value FROM json_each($1))";
    const FORGET: [&str; 2] = [
        "DELETE FROM queue_errors WHERE id IN (
            SELECT id FROM queue_keys WHERE seq IN (SELECT value FROM json_each($1)))",
        "DELETE FROM queue_keys WHERE seq IN (SELECT value FROM json_each($1))",
    ];
    const WORKERS: &str = "DELETE FROM queue_workers WHERE until < $1";
    const CANCELS: &str = "DELETE FROM queue_cancels WHERE NOT EXISTS (
        SELECT 1 FROM queue_keys k JOIN queue_jobs j ON j.seq = k.seq WHERE k.id = queue_cancels.id)";

    let keys: Vec<(i64, bool)> = query(OLD_KEYS)
        .bind(day(now) - KNOWN_DAYS)
        .bind(PURGE_MAX)
        .fetch_all(connection)?;
    let of = |kept: bool| {
        json(
            &keys
                .iter()
                .filter(|key| key.1 == kept)
                .map(|key| key.0)
                .collect::<Vec<_>>(),
        )
    };
    query(RENEW).bind(of(true)?).bind(day(now)).execute(connection)?;
    for step in FORGET {
        query(step).bind(of(false)?).execute(connection)?;
    }
    query(WORKERS).bind(now - DAY_MS).execute(connection)?;
    query(CANCELS).execute(connection)?;
    Ok(Purged {
        keys: keys.len() as u64,
        dead: dead::purge(connection, queue, dead_before, PURGE_MAX)?,
    })
}

/// How the writer's connection is set up.
pub(super) struct Settings {
    journal: String,
    synchronous: i64,
}

pub(super) fn settings(connection: &Connection) -> Result<Settings, sqlx::Error> {
    Ok(Settings {
        journal: query("PRAGMA journal_mode").fetch_one(connection)?,
        synchronous: query("PRAGMA synchronous").fetch_one(connection)?,
    })
}

/// What has gone wrong among the rows.
pub(super) struct Faults {
    /// Jobs that nothing will ever start.
    lost: i64,
    /// Runs that count under limits and are under no lease.
    leaked: i64,
    /// Groups of dead letters that count wrong.
    miscounted: i64,
}

pub(super) async fn faults(connection: &mut SqliteConnection) -> Result<Faults, sqlx::Error> {
    // Ready under a key that no claim looks at; behind a head that will never end.
    const STUCK: &str = "SELECT
        (SELECT COALESCE(sum(n), 0) FROM queue_ready r WHERE limit_key <> ''
            AND NOT EXISTS (SELECT 1 FROM queue_turns t WHERE t.lane = r.lane AND t.limit_key = r.limit_key)
            AND NOT EXISTS (SELECT 1 FROM queue_closed c WHERE c.lane = r.lane AND c.limit_key = r.limit_key))
        + (SELECT count(*) FROM queue_behind b WHERE NOT EXISTS (
            SELECT 1 FROM queue_lines l
            WHERE l.queue = b.queue AND l.tenant = b.tenant AND l.order_key = b.order_key AND (
                EXISTS (SELECT 1 FROM queue_dead d WHERE d.id = l.head)
                OR EXISTS (SELECT 1 FROM queue_keys k CROSS JOIN queue_jobs j ON j.seq = k.seq WHERE k.id = l.head))))";
    const LEAKED: &str = "SELECT count(*) FROM queue_uses u WHERE NOT EXISTS (
        SELECT 1 FROM queue_leases l CROSS JOIN json_each(l.runs) r
        WHERE l.id = u.lease AND r.value ->> 1 = u.first AND r.value ->> 2 = u.n)";
    let uncovered = uncovered(connection).await?;
    let stuck: i64 = sqlx::query_scalar(STUCK).fetch_one(&mut *connection).await?;
    Ok(Faults {
        lost: uncovered + stuck,
        leaked: sqlx::query_scalar(LEAKED).fetch_one(&mut *connection).await?,
        miscounted: sqlx::query_scalar(MISCOUNTED).fetch_one(connection).await?,
    })
}

/// How many jobs are in no place from which they could ever start.
async fn uncovered(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    // Runs do not overlap, so in one pass over all jobs and all ends of runs, a job is covered if the furthest end so far
    // lies behind it.
    const UNCOVERED: &str = "
        WITH runs(first, len) AS MATERIALIZED (
            SELECT pos, n FROM queue_ready
            UNION ALL SELECT r.value ->> 1, r.value ->> 2 FROM queue_leases l, json_each(l.runs) r
            UNION ALL SELECT seq, 1 FROM queue_later
            UNION ALL SELECT seq, 1 FROM queue_parked
            UNION ALL SELECT seq, 1 FROM queue_behind),
        marks(seq, until) AS (
            SELECT seq, NULL FROM queue_jobs UNION ALL SELECT first, first + len FROM runs),
        swept(seq, until, covered) AS (
            SELECT seq, until, max(until) OVER (ORDER BY seq, until IS NULL ROWS UNBOUNDED PRECEDING) FROM marks)
        SELECT count(*) FROM swept WHERE until IS NULL AND COALESCE(covered <= seq, true)";
    sqlx::query_scalar(UNCOVERED).fetch_one(&mut *connection).await
}

pub(super) fn findings(settings: &Settings, faults: &Faults) -> Vec<Finding> {
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
    let Faults {
        lost,
        leaked,
        miscounted,
    } = faults;
    if *lost > 0 {
        let text = format!("{lost} jobs are kept that nothing will ever start: this is a defect, report it");
        find(FindingLevel::Fault, text);
    }
    if *leaked > 0 {
        let text = format!("{leaked} runs count under limits that are under no lease: this is a defect, report it");
        find(FindingLevel::Fault, text);
    }
    if *miscounted > 0 {
        let text = format!("{miscounted} groups of dead letters are miscounted: this is a defect, report it");
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
