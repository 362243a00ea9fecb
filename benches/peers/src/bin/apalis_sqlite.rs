//! apalis-sqlite.

use std::process::ExitCode;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use apalis::prelude::{BackendExt as _, TaskSink as _};
use apalis_sqlite::callback::HookCallbackListener;
use apalis_sqlite::{Config, SqliteStorage};
use peers::{CONCURRENCY, Contender, Nothing, Place, Stage, Tuning};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};

fn main() -> ExitCode {
    peers::play::<Peer>()
}

#[derive(Clone)]
struct Peer {
    place: Place,
    storage: SqliteStorage<Nothing>,
    /// Taken by the worker.
    listener: Arc<Mutex<Option<HookCallbackListener>>>,
}

/// "Larger batches can improve throughput"; its own example for short waits turns locking off. (`Config`'s documentation.)
/// Results stay persisted: without that a finished job is never taken away from its worker, and runs again.
fn config(place: &Place) -> Config {
    let config = Config::default().queue(&place.name);
    match place.tuning {
        Tuning::Shipped => config,
        Tuning::Throughput | Tuning::Latency => config.batch_size(CONCURRENCY).lock_tasks(false),
    }
}

impl Contender for Peer {
    /// Its setup says `synchronous = OFF` to the one connection that runs it, which ends here: what is left is the
    /// journal, which is the file's. Every other connection has SQLite's default, FULL, as ours have.
    async fn prepare(place: &Place) -> anyhow::Result<()> {
        let options = SqliteConnectOptions::from_str(&place.url)?.create_if_missing(true);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await?;
        SqliteStorage::setup(&pool).await?;
        pool.close().await;
        Ok(())
    }

    async fn connect(place: &Place) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::from_str(&place.url)?.synchronous(SqliteSynchronous::Full);
        let (pool, listener) = match place.tuning {
            Tuning::Shipped => (SqlitePool::connect_with(options).await?, None),
            // One writer has nobody to wait for in the dark.
            Tuning::Throughput => (
                SqlitePoolOptions::new()
                    .max_connections(1)
                    .connect_with(options)
                    .await?,
                None,
            ),
            Tuning::Latency => {
                let (pool, listener) = SqliteStorage::connect_with_callback(&place.url)?;
                (pool, Some(listener))
            }
        };
        let level: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&pool).await?;
        anyhow::ensure!(level == 2, "synchronous is {level} instead of FULL");
        Ok(Self {
            place: place.clone(),
            storage: SqliteStorage::new(&pool).with_config(config(place)),
            listener: Arc::new(Mutex::new(listener)),
        })
    }

    async fn add(&self, job: Nothing) -> anyhow::Result<()> {
        Ok(self.storage.clone().push(job).await?)
    }

    async fn fill(&self, jobs: Vec<Nothing>) -> anyhow::Result<()> {
        Ok(self.storage.clone().push_bulk(jobs).await?)
    }

    async fn work(&self, stage: Arc<Stage>) -> anyhow::Result<()> {
        let storage = self.storage.clone();
        match self.place.tuning {
            Tuning::Shipped => peers::apalis_worker!(storage, stage, None::<usize>),
            Tuning::Throughput => peers::apalis_worker!(storage, stage, Some(CONCURRENCY)),
            Tuning::Latency => {
                let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
                let listener = listener.context("there is one worker")?;
                peers::apalis_worker!(storage.poll_with_stream(listener), stage, Some(CONCURRENCY))
            }
        }
    }

    async fn left(&self) -> anyhow::Result<usize> {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM Jobs WHERE status <> 'Done'")
            .fetch_one(self.storage.pool())
            .await?;
        Ok(usize::try_from(left)?)
    }
}
