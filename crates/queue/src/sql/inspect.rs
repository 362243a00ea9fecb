//! Looking: everything whose text is the same on both databases.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, PgConnection};

use super::limits::LimitRow;
use super::ring::lanes;
use super::rows::{self, DeadRow, ErrorRow, JobRow, LeasedRun};
use crate::backend::{BATCH_MAX, Counter, Kept, ListRequest, Page, Worker};
use crate::clock::Millis;
use crate::flow::LimitState;
use crate::job::{JobId, Queue};
use crate::pauses::Pause;

/// A connection to either database.
pub(super) enum Connection<'a> {
    Postgres(&'a mut PgConnection),
    Sqlite(&'a mut SqliteConnection),
}

/// Expands the body once per database.
macro_rules! on {
    ($connection:expr, $inner:ident => $body:expr) => {
        match $connection {
            Connection::Postgres($inner) => $body,
            Connection::Sqlite($inner) => $body,
        }
    };
}
pub(super) use on;

impl Connection<'_> {
    /// All following statements see the same moment, up to [`Self::end`].
    pub(super) async fn snapshot(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(inner) => {
                sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    .execute(&mut **inner)
                    .await?;
            }
            Self::Sqlite(inner) => {
                sqlx::raw_sql("BEGIN").execute(&mut **inner).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn end(&mut self) -> Result<(), sqlx::Error> {
        on!(self, inner => sqlx::raw_sql("COMMIT").execute(&mut **inner).await.map(drop))
    }

    /// The runs under leases that reach into `lowest..=highest`, sorted.
    async fn leased(&mut self, lowest: i64, highest: i64) -> Result<Vec<LeasedRun>, sqlx::Error> {
        const POSTGRES: &str = "SELECT r.first, r.len::bigint AS len, l.id AS claim, l.session, l.until
            FROM queue_leases l, unnest(l.firsts, l.lens) AS r(first, len)
            WHERE r.first <= $2 AND r.first + r.len > $1 ORDER BY r.first";
        const SQLITE: &str = "SELECT r.value ->> 1 AS first, r.value ->> 2 AS len, l.id AS claim, l.session, l.until
            FROM queue_leases l, json_each(l.runs) r
            WHERE r.value ->> 1 <= $2 AND (r.value ->> 1) + (r.value ->> 2) > $1 ORDER BY 1";
        match self {
            Self::Postgres(inner) => {
                sqlx::query_as(POSTGRES)
                    .bind(lowest)
                    .bind(highest)
                    .fetch_all(&mut **inner)
                    .await
            }
            Self::Sqlite(inner) => {
                sqlx::query_as(SQLITE)
                    .bind(lowest)
                    .bind(highest)
                    .fetch_all(&mut **inner)
                    .await
            }
        }
    }
}

const JOB: &str = "SELECT j.seq, j.id, j.queue, j.tenant, j.attempts, j.crashes, j.limit_key, j.order_key, j.holds,
        l.run_at AS due, p.gate, h.head, j.body
    FROM queue_jobs j
    LEFT JOIN queue_later l ON l.queue = j.queue AND l.run_at = j.run_at AND l.seq = j.seq
    LEFT JOIN queue_parked p ON p.seq = j.seq
    LEFT JOIN queue_behind b ON b.seq = j.seq
    LEFT JOIN queue_lines h ON h.queue = b.queue AND h.tenant = b.tenant AND h.order_key = b.order_key";

const DEAD: &str =
    "SELECT id, queue, tenant, attempts, crashes, reason, died_at, limit_key, order_key, holds, body, bucket
    FROM queue_dead";

pub(super) async fn find(mut connection: Connection<'_>, id: JobId) -> Result<Option<Kept>, sqlx::Error> {
    let one = format!("{JOB} WHERE j.seq = (SELECT seq FROM queue_keys WHERE id = $1) AND j.id = $1");
    connection.snapshot().await?;
    let row: Option<JobRow> = on!(&mut connection, inner =>
        sqlx::query_as(AssertSqlSafe(one)).bind(id.0).fetch_optional(&mut **inner).await?);
    let found = match row {
        Some(row) => {
            let leased = connection.leased(row.seq, row.seq).await?;
            Some(row.kept(&leased)?)
        }
        None => {
            let dead: Option<DeadRow> = on!(&mut connection, inner =>
                sqlx::query_as(AssertSqlSafe(format!("{DEAD} WHERE id = $1"))).bind(id.0)
                    .fetch_optional(&mut **inner).await?);
            dead.map(DeadRow::kept).transpose()?
        }
    };
    let found = match found {
        Some(kept) => Some(Kept {
            errors: errors(&mut connection, id).await?,
            ..kept
        }),
        None => None,
    };
    connection.end().await?;
    Ok(found)
}

async fn errors(connection: &mut Connection<'_>, id: JobId) -> Result<Vec<crate::backend::Failure>, sqlx::Error> {
    let rows: Vec<ErrorRow> = on!(connection, inner =>
        sqlx::query_as("SELECT id, attempt, at, error, excerpt FROM queue_errors WHERE id = $1 ORDER BY number").bind(id.0)
            .fetch_all(&mut **inner).await?);
    rows.into_iter().map(ErrorRow::failure).collect()
}

pub(super) async fn ended(connection: Connection<'_>, id: JobId) -> Result<bool, sqlx::Error> {
    const ENDED: &str = "SELECT count(*) FROM queue_keys k WHERE k.id = $1
        AND NOT EXISTS (SELECT 1 FROM queue_jobs j WHERE j.seq = k.seq)
        AND NOT EXISTS (SELECT 1 FROM queue_dead d WHERE d.id = k.id)";
    let known: i64 = on!(connection, inner => sqlx::query_scalar(ENDED).bind(id.0).fetch_one(inner).await?);
    Ok(known > 0)
}

/// Looks at `limit` jobs from the cursor on and filters these: to look for a tenant's next job among a million others
/// would keep everybody waiting.
pub(super) async fn list(mut connection: Connection<'_>, request: ListRequest<'_>) -> Result<Page, sqlx::Error> {
    let page = format!("{JOB} WHERE j.seq > $1 ORDER BY j.seq LIMIT $2");
    let (after, limit) = (rows::job_cursor(request.cursor)?, request.limit.clamp(1, BATCH_MAX));
    connection.snapshot().await?;
    let found: Vec<JobRow> = on!(&mut connection, inner =>
        sqlx::query_as(AssertSqlSafe(page)).bind(after).bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut **inner).await?);
    let next_cursor = found
        .last()
        .filter(|_| found.len() == limit)
        .map(|row| row.seq.to_string());
    let leased = match (found.first(), found.last()) {
        (Some(first), Some(last)) => connection.leased(first.seq, last.seq).await?,
        _ => Vec::new(),
    };
    connection.end().await?;
    let mut items = found
        .into_iter()
        .map(|row| row.kept(&leased))
        .collect::<Result<Vec<_>, _>>()?;
    items.retain(|kept| is_asked_for(kept, request));
    Ok(Page { items, next_cursor })
}

fn is_asked_for(kept: &Kept, request: ListRequest<'_>) -> bool {
    request.queue.is_none_or(|queue| queue == kept.queue) && request.tenant.is_none_or(|tenant| tenant == kept.tenant)
}

/// Every key that is limited, cooled or in use: for whoever looks, so it may look at all of them.
pub(super) async fn limits(
    mut connection: Connection<'_>,
    queue: Queue,
    now: Millis,
) -> Result<Vec<LimitState>, sqlx::Error> {
    const LIMITS: &str = "SELECT limit_key, concurrency, rate_count, rate_per_us, arrival_us, cool_until
        FROM queue_limits WHERE queue = $1";
    const RUNNING: &str = "SELECT u.limit_key, (
            SELECT count(*) FROM queue_jobs j WHERE j.seq >= u.first AND j.seq < u.first + u.n) AS running
        FROM queue_uses u WHERE u.queue = $1";
    connection.snapshot().await?;
    let kept: Vec<LimitRow> = on!(&mut connection, inner =>
        sqlx::query_as(LIMITS).bind(queue as i16).fetch_all(&mut **inner).await?);
    let used: Vec<(String, i64)> = on!(&mut connection, inner =>
        sqlx::query_as(RUNNING).bind(queue as i16).fetch_all(&mut **inner).await?);
    connection.end().await?;
    let mut running: BTreeMap<String, i64> = BTreeMap::new();
    for (key, jobs) in used {
        *running.entry(key).or_default() += jobs;
    }
    let mut rows: BTreeMap<String, LimitRow> = kept.into_iter().map(|row| (row.limit_key.clone(), row)).collect();
    for key in running.keys() {
        rows.entry(key.clone()).or_insert_with(|| LimitRow::free(key.clone()));
    }
    let jobs = |row: &LimitRow| running.get(&row.limit_key).copied().unwrap_or(0);
    Ok(rows.values().filter_map(|row| row.state(jobs(row), now)).collect())
}

/// How many jobs wait behind each gate, by its name.
pub(super) async fn gates(connection: Connection<'_>, queue: Queue) -> Result<Vec<(String, u64)>, sqlx::Error> {
    const GATES: &str = "SELECT gate, count(*) FROM queue_parked WHERE lane IN ($1, $2, $3) GROUP BY gate";
    let [first, second, third] = lanes(queue);
    let rows: Vec<(String, i64)> = on!(connection, inner =>
        sqlx::query_as(GATES).bind(first).bind(second).bind(third).fetch_all(inner).await?);
    let gates: BTreeMap<_, _> = rows
        .into_iter()
        .map(|(gate, jobs)| (gate, jobs.unsigned_abs()))
        .collect();
    Ok(gates.into_iter().collect())
}

pub(super) async fn counters(connection: Connection<'_>) -> Result<Vec<(Counter, u64)>, sqlx::Error> {
    const COUNTERS: &str = "SELECT queue, kind, name, value FROM queue_counters ORDER BY queue, kind, name";
    let rows: Vec<(i16, String, String, i64)> = on!(connection, inner =>
        sqlx::query_as(COUNTERS).fetch_all(inner).await?);
    rows.into_iter()
        .map(|(queue, kind, name, value)| {
            Ok((
                Counter {
                    queue: rows::queue(queue)?,
                    kind,
                    name,
                },
                u64::try_from(value).unwrap_or(0),
            ))
        })
        .collect()
}

pub(super) async fn workers(connection: Connection<'_>, now: Millis) -> Result<Vec<Worker>, sqlx::Error> {
    let rows: Vec<String> = on!(connection, inner =>
        sqlx::query_scalar("SELECT info FROM queue_workers WHERE until > $1 ORDER BY session").bind(now)
            .fetch_all(inner).await?);
    // What a newer version wrote may not parse here; that is no reason to show nobody.
    Ok(rows.iter().filter_map(|info| serde_json::from_str(info).ok()).collect())
}

pub(super) async fn pauses(connection: Connection<'_>) -> Result<Vec<Pause>, sqlx::Error> {
    let rows: Vec<(String, String)> = on!(connection, inner =>
        sqlx::query_as("SELECT name, value FROM queue_control").fetch_all(inner).await?);
    let mut pauses: Vec<_> = rows
        .iter()
        .filter_map(|(gate, details)| Pause::read(gate, details))
        .collect();
    pauses.sort_unstable_by(|one, other| one.scope.cmp(&other.scope));
    Ok(pauses)
}

/// Touches a table of ours, so that a database without them is not well.
pub(super) async fn ping(connection: Connection<'_>) -> Result<(), sqlx::Error> {
    on!(connection, inner => sqlx::query("SELECT 1 FROM queue_control LIMIT 1").execute(inner).await.map(drop))
}
