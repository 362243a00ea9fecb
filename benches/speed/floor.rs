//! The least that a queue on this storage must do: write the bytes of each job once, take them away once, in batches as
//! large as the queue's own. No unique keys, no leases, no fairness, no sealing: what the queue costs beyond this is what
//! those cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use redis::aio::MultiplexedConnection;
use sqlx::postgres::{PgConnection, PgListener};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::place::{Kind, Place};
use crate::work::{Outcome, PAYLOAD_BYTES, PICK_UP_EVERY, Task};

/// Calls under way at once, as the queue keeps them; one where there is one writer.
const FLIGHTS: usize = 2;

/// What an envelope and a seal add to a payload.
const WRAPPING_BYTES: usize = 90;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS floor_jobs (seq BIGINT PRIMARY KEY, body";

/// A connection to the storage.
enum Floor {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
    Redis(MultiplexedConnection, String),
}

pub(crate) async fn run(place: &Place, task: Task) -> anyhow::Result<Outcome> {
    match task {
        Task::FloorAdd { jobs, batch } => in_flights(place, jobs, batch, Way::Add).await,
        Task::FloorDrain { jobs, batch } => in_flights(place, jobs, batch, Way::Drain).await,
        Task::FloorPickUp { jobs } => pick_up(place, jobs).await,
        other => anyhow::bail!("{other:?} has no floor"),
    }
}

#[derive(Clone, Copy)]
enum Way {
    Add,
    Drain,
}

async fn in_flights(place: &Place, jobs: usize, batch: usize, way: Way) -> anyhow::Result<Outcome> {
    let flights = if place.kind == Kind::Sqlite { 1 } else { FLIGHTS };
    let mut floors = Vec::new();
    for _ in 0..flights {
        floors.push(Floor::open(place).await?);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let flying: Vec<_> = floors
        .into_iter()
        .map(|mut floor| {
            let next = Arc::clone(&next);
            tokio::spawn(async move {
                let mut times = Vec::new();
                loop {
                    let first = next.fetch_add(batch, Ordering::Relaxed);
                    if first >= jobs {
                        return anyhow::Ok(times);
                    }
                    let began = Instant::now();
                    let count = batch.min(jobs - first);
                    match way {
                        Way::Add => floor.add(first, count).await?,
                        Way::Drain => anyhow::ensure!(floor.take(first, count).await? == count, "jobs are missing"),
                    }
                    times.push(began.elapsed());
                }
            })
        })
        .collect();
    let mut times = Vec::new();
    for flight in flying {
        times.extend(flight.await??);
    }
    Ok(Outcome::new(jobs, began, times))
}

/// One job at a time: written, told, taken.
async fn pick_up(place: &Place, jobs: usize) -> anyhow::Result<Outcome> {
    let (mut sender, mut receiver) = (Floor::open(place).await?, Floor::open(place).await?);
    let mut listener = None;
    if place.kind == Kind::Postgres {
        let mut listening = PgListener::connect(&place.url).await?;
        listening.listen("floor").await?;
        listener = Some(listening);
    }
    let mut beat = tokio::time::interval(PICK_UP_EVERY);
    let began = Instant::now();
    let mut waits: Vec<Duration> = Vec::new();
    for number in 0..jobs {
        beat.tick().await;
        let began = Instant::now();
        let took = match (&mut listener, &mut receiver) {
            (_, Floor::Redis(connection, key)) => {
                let mut taking = connection.clone();
                let taking = async move {
                    let taken: Option<(Vec<u8>, Vec<u8>)> =
                        redis::cmd("BLPOP").arg(&*key).arg(10).query_async(&mut taking).await?;
                    anyhow::Ok(usize::from(taken.is_some()))
                };
                tokio::try_join!(taking, sender.add(number, 1))?.0
            }
            (Some(listener), receiver) => {
                sender.add_and_tell(number).await?;
                listener.recv().await?;
                receiver.take(number, 1).await?
            }
            (None, _) => {
                sender.add(number, 1).await?;
                sender.take(number, 1).await?
            }
        };
        anyhow::ensure!(took == 1, "a job is missing");
        waits.push(began.elapsed());
    }
    Ok(Outcome::new(jobs, began, waits))
}

impl Floor {
    async fn open(place: &Place) -> anyhow::Result<Self> {
        Ok(match place.kind {
            Kind::Sqlite => {
                // As the queue opens it.
                let options: SqliteConnectOptions = place.url.parse()?;
                let options = options
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full);
                let mut connection = options.busy_timeout(Duration::from_secs(5)).connect().await?;
                sqlx::raw_sql(sqlx::AssertSqlSafe(format!("{TABLE} BLOB)")))
                    .execute(&mut connection)
                    .await?;
                Self::Sqlite(connection)
            }
            Kind::Postgres => {
                let mut connection = PgConnection::connect(&place.url).await?;
                sqlx::raw_sql(sqlx::AssertSqlSafe(format!("{TABLE} BYTEA)")))
                    .execute(&mut connection)
                    .await?;
                Self::Postgres(connection)
            }
            Kind::Redis => {
                let client = redis::Client::open(place.url.as_str())?;
                let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
                let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
                Self::Redis(connection, format!("{}:floor", place.name))
            }
        })
    }

    /// Writes `count` jobs from number `first` on.
    async fn add(&mut self, first: usize, count: usize) -> anyhow::Result<()> {
        let body = vec![b'x'; PAYLOAD_BYTES + WRAPPING_BYTES];
        let numbers = first..first + count;
        match self {
            Self::Sqlite(connection) => {
                let numbers = serde_json::to_string(&numbers.collect::<Vec<_>>())?;
                let insert = "INSERT INTO floor_jobs (seq, body) SELECT value, ? FROM json_each(?)";
                sqlx::query(insert).bind(body).bind(numbers).execute(connection).await?;
            }
            Self::Postgres(connection) => {
                let numbers = numbers.map(i64::try_from).collect::<Result<Vec<_>, _>>()?;
                let bodies = vec![body.as_slice(); count];
                let insert = "INSERT INTO floor_jobs (seq, body) SELECT * FROM unnest($1::bigint[], $2::bytea[])";
                sqlx::query(insert)
                    .bind(numbers)
                    .bind(bodies)
                    .execute(connection)
                    .await?;
            }
            Self::Redis(connection, key) => {
                redis::cmd("RPUSH")
                    .arg(&*key)
                    .arg(vec![body; count])
                    .exec_async(connection)
                    .await?;
            }
        }
        Ok(())
    }

    /// Writes one job and says so in the same transaction, as the queue does.
    async fn add_and_tell(&mut self, number: usize) -> anyhow::Result<()> {
        let Self::Postgres(connection) = self else {
            return Ok(());
        };
        let insert = "WITH job AS (INSERT INTO floor_jobs (seq, body) VALUES ($1, $2) RETURNING seq)
            SELECT pg_notify('floor', seq::text) FROM job";
        let body = vec![b'x'; PAYLOAD_BYTES + WRAPPING_BYTES];
        sqlx::query(insert)
            .bind(i64::try_from(number)?)
            .bind(body)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Reads and removes `count` jobs; answers how many there were.
    async fn take(&mut self, first: usize, count: usize) -> anyhow::Result<usize> {
        const DELETE: &str = "DELETE FROM floor_jobs WHERE seq >= $1 AND seq < $2 RETURNING body";
        let (first, end) = (i64::try_from(first)?, i64::try_from(first + count)?);
        let bodies: Vec<Vec<u8>> = match self {
            Self::Sqlite(connection) => {
                sqlx::query_scalar(DELETE)
                    .bind(first)
                    .bind(end)
                    .fetch_all(connection)
                    .await?
            }
            Self::Postgres(connection) => {
                sqlx::query_scalar(DELETE)
                    .bind(first)
                    .bind(end)
                    .fetch_all(connection)
                    .await?
            }
            Self::Redis(connection, key) => {
                let bodies: Option<_> = redis::cmd("LPOP").arg(&*key).arg(count).query_async(connection).await?;
                bodies.context("the list is empty")?
            }
        };
        Ok(bodies.len())
    }
}
