//! Figures, forgetting, and what an operator should know.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use super::super::letters::MISCOUNTED;
use super::super::ring::lanes;
use super::super::texts::{paused, storable};
use super::dead;
use crate::backend::{Counter, Counts, Finding, FindingLevel, KNOWN_DAYS, Purged};
use crate::clock::{Millis, day};
use crate::job::Queue;

/// A check looks at every job, so it may take longer than other calls.
pub(super) const CHECK_LIMIT: Duration = Duration::from_secs(30);

/// Keys, and dead letters, that one call forgets.
const PURGE_MAX: i64 = 1_000;

/// From this age on, a snapshot that somebody holds makes every claim step over what should have been cleaned away.
const SNAPSHOT_AGE_MAX_S: i64 = 60;

pub(super) async fn counts(connection: &mut PgConnection, queue: Queue) -> Result<Counts, sqlx::Error> {
    // Ready runs have no holes. A lease's runs have, so there the jobs themselves are counted.
    const COUNTS: &str = "SELECT
        (SELECT COALESCE(sum(n), 0)::bigint FROM queue_ready WHERE lane = ANY($2)),
        (SELECT count(*) FROM queue_later WHERE queue = $1),
        (SELECT count(*) FROM queue_leases l, unnest(l.firsts, l.lens) AS run(first, len), LATERAL (
            SELECT FROM queue_jobs j WHERE j.seq >= run.first AND j.seq < run.first + run.len OFFSET 0) job
            WHERE l.lane = ANY($2)),
        (SELECT count(*) FROM queue_parked WHERE lane = ANY($2)),
        (SELECT count(*) FROM queue_behind WHERE queue = $1),
        (SELECT COALESCE(sum(letters), 0)::bigint FROM queue_dead_buckets WHERE queue = $1)
            + (SELECT count(*) FROM queue_dead WHERE bucket IS NULL AND queue = $1),
        EXISTS (SELECT FROM queue_control WHERE name = $3)";
    let figures: (i64, i64, i64, i64, i64, i64, bool) = sqlx::query_as(COUNTS)
        .bind(queue as i16)
        .bind(lanes(queue))
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

pub(super) async fn count(connection: &mut PgConnection, counters: &[(Counter, u64)]) -> Result<(), sqlx::Error> {
    const COUNT: &str = "INSERT INTO queue_counters (queue, kind, name, value)
        SELECT * FROM unnest($1::smallint[], $2::text[], $3::text[], $4::bigint[])
        ON CONFLICT (queue, kind, name) DO UPDATE SET value = queue_counters.value + excluded.value";
    // Summed, because one statement may not change a row twice; sorted, so that two processes cannot block each other.
    let mut sums: BTreeMap<(i16, String, String), i64> = BTreeMap::new();
    for (counter, by) in counters {
        let key = (
            counter.queue as i16,
            storable(&counter.kind).into_owned(),
            storable(&counter.name).into_owned(),
        );
        *sums.entry(key).or_default() += i64::try_from(*by).unwrap_or(i64::MAX);
    }
    let (keys, values): (Vec<_>, Vec<i64>) = sums.into_iter().unzip();
    sqlx::query(COUNT)
        .bind(keys.iter().map(|key| key.0).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.1.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.2.as_str()).collect::<Vec<_>>())
        .bind(values)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn purge(
    connection: &mut PgConnection,
    queue: Queue,
    now: Millis,
    dead_before: Millis,
) -> Result<Purged, sqlx::Error> {
    // Whoever moves a job also moves the day of its key, so a key that changes under our eyes is not old any more. The key of a
    // job that lives or is dead is as new from now on: else each call would have to step over all of them.
    const KEYS: &str = "
        WITH old AS MATERIALIZED (
            SELECT k.id, EXISTS (SELECT FROM queue_jobs j WHERE j.seq = k.seq)
                OR EXISTS (SELECT FROM queue_dead d WHERE d.id = k.id) AS kept
            FROM queue_keys k WHERE k.day < $1 ORDER BY k.day LIMIT $2 FOR UPDATE OF k SKIP LOCKED),
        failed AS (DELETE FROM queue_errors e USING old WHERE e.id = old.id AND NOT old.kept),
        renewed AS (UPDATE queue_keys k SET day = $3 FROM old WHERE k.id = old.id AND old.kept),
        forgotten AS (DELETE FROM queue_keys k USING old WHERE k.id = old.id AND NOT old.kept)
        SELECT count(*) FROM old";
    const LEFT: &str = "
        WITH workers AS (DELETE FROM queue_workers WHERE until < $1)
        DELETE FROM queue_cancels c WHERE NOT EXISTS (
            SELECT FROM queue_keys k JOIN queue_jobs j ON j.seq = k.seq WHERE k.id = c.id)";
    let keys: i64 = sqlx::query_scalar(KEYS)
        .bind(day(now) - KNOWN_DAYS)
        .bind(PURGE_MAX)
        .bind(day(now))
        .fetch_one(&mut *connection)
        .await?;
    sqlx::query(LEFT)
        .bind(now - crate::clock::DAY_MS)
        .execute(&mut *connection)
        .await?;
    Ok(Purged {
        keys: keys.unsigned_abs(),
        dead: dead::purge(connection, queue, dead_before, PURGE_MAX).await?,
    })
}

pub(super) async fn check(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    const SERVER: &str = "SELECT current_setting('server_version_num')::integer, current_setting('fsync'),
        current_setting('synchronous_commit'), current_setting('full_page_writes'),
        (SELECT COALESCE(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::bigint FROM pg_stat_activity
            WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database())";
    // Ways for few rows are the wrong ones here.
    const FREE: &str =
        "SET LOCAL statement_timeout = '30s'; SET LOCAL enable_seqscan = on; SET LOCAL work_mem = '64MB'";
    const UNCOVERED: &str = "SELECT count(*) FROM queue_jobs j
        WHERE NOT EXISTS (SELECT FROM (
            SELECT generate_series(pos, pos + n - 1) AS seq FROM queue_ready
            UNION ALL SELECT generate_series(r.first, r.first + r.len - 1)
                FROM queue_leases l, unnest(l.firsts, l.lens) AS r(first, len)
            UNION ALL SELECT seq FROM queue_later
            UNION ALL SELECT seq FROM queue_parked
            UNION ALL SELECT seq FROM queue_behind) covered WHERE covered.seq = j.seq)";
    // Ready under a key that no claim looks at; behind a head that will never end.
    const STUCK: &str = "SELECT
        (SELECT COALESCE(sum(n), 0)::bigint FROM queue_ready r WHERE limit_key <> ''
            AND NOT EXISTS (SELECT FROM queue_turns t WHERE t.lane = r.lane AND t.limit_key = r.limit_key)
            AND NOT EXISTS (SELECT FROM queue_closed c WHERE c.lane = r.lane AND c.limit_key = r.limit_key))
        + (SELECT count(*) FROM queue_behind b WHERE NOT EXISTS (
            SELECT FROM queue_lines l
            WHERE l.queue = b.queue AND l.tenant = b.tenant AND l.order_key = b.order_key AND (
                EXISTS (SELECT FROM queue_dead d WHERE d.id = l.head)
                OR EXISTS (SELECT FROM queue_keys k JOIN queue_jobs j ON j.seq = k.seq WHERE k.id = l.head))))";
    // What counts as running although no lease has it.
    const LEAKED: &str = "SELECT count(*) FROM queue_uses u
        WHERE NOT EXISTS (
            SELECT FROM queue_leases l, unnest(l.firsts, l.lens) AS r(first, len)
            WHERE l.id = u.lease AND r.first = u.first AND r.len = u.n)";

    let (version, fsync, commit, pages, oldest_s): (i32, String, String, String, i64) =
        sqlx::query_as(SERVER).fetch_one(&mut *connection).await?;
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(FREE).execute(&mut *transaction).await?;
    let uncovered: i64 = sqlx::query_scalar(UNCOVERED).fetch_one(&mut *transaction).await?;
    let stuck: i64 = sqlx::query_scalar(STUCK).fetch_one(&mut *transaction).await?;
    let leaked: i64 = sqlx::query_scalar(LEAKED).fetch_one(&mut *transaction).await?;
    let miscounted: i64 = sqlx::query_scalar(MISCOUNTED).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;

    let mut findings = Vec::new();
    let mut find = |level, text: String| findings.push(Finding { level, text });
    if version < 130_000 {
        find(
            FindingLevel::Warning,
            format!("Postgres {} is older than what is tested (15)", version / 10_000),
        );
    }
    if fsync != "on" || pages != "on" {
        find(
            FindingLevel::Fault,
            "fsync or full_page_writes is off: a power cut may destroy the database".into(),
        );
    }
    if commit == "off" {
        find(
            FindingLevel::Fault,
            "synchronous_commit is off: accepted jobs may be lost in a power cut".into(),
        );
    }
    if oldest_s > SNAPSHOT_AGE_MAX_S {
        find(
            FindingLevel::Warning,
            format!(
                "a transaction has been open for {oldest_s} s: until it ends nothing is cleaned up and claims slow down"
            ),
        );
    }
    if uncovered + stuck > 0 {
        let lost = uncovered + stuck;
        find(
            FindingLevel::Fault,
            format!("{lost} jobs are kept that nothing will ever start: this is a defect, report it"),
        );
    }
    if leaked > 0 {
        find(
            FindingLevel::Fault,
            format!("{leaked} runs count under limits that are under no lease: this is a defect, report it"),
        );
    }
    if miscounted > 0 {
        find(
            FindingLevel::Fault,
            format!("{miscounted} groups of dead letters are miscounted: this is a defect, report it"),
        );
    }
    if findings.is_empty() {
        findings.push(Finding {
            level: FindingLevel::Good,
            text: format!("the queue on Postgres {} is durable and consistent", version / 10_000),
        });
    }
    Ok(findings)
}
