//! apalis-postgres.

use std::process::ExitCode;
use std::sync::Arc;

use apalis::prelude::TaskSink as _;
use apalis_postgres::{Config, PostgresStorage};
use peers::{CONCURRENCY, CONNECTIONS, Contender, Nothing, Place, Stage, Tuning};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

fn main() -> ExitCode {
    peers::play::<Peer>()
}

#[derive(Clone)]
struct Peer {
    place: Place,
    storage: PostgresStorage<Nothing>,
}

/// "Larger batches can improve throughput"; its tests turn locking off for short tasks. (`Config`'s documentation.)
/// Results stay persisted: without that a finished job is never taken away from its worker, and runs again.
fn config(place: &Place) -> Config {
    let config = Config::default().queue(&place.name);
    match place.tuning {
        Tuning::Shipped => config,
        Tuning::Throughput | Tuning::Latency => config.batch_size(CONCURRENCY).lock_tasks(false),
    }
}

impl Contender for Peer {
    async fn prepare(place: &Place) -> anyhow::Result<()> {
        Ok(PostgresStorage::setup(&PgPool::connect(&place.url).await?).await?)
    }

    async fn connect(place: &Place) -> anyhow::Result<Self> {
        let mut options = PgPoolOptions::new();
        if place.tuning != Tuning::Shipped {
            options = options.max_connections(CONNECTIONS);
        }
        let pool = options.connect(&place.url).await?;
        Ok(Self {
            place: place.clone(),
            storage: PostgresStorage::new(&pool).with_config(config(place)),
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
            Tuning::Latency => peers::apalis_worker!(storage.with_pubsub(), stage, Some(CONCURRENCY)),
        }
    }

    async fn left(&self) -> anyhow::Result<usize> {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM apalis.jobs WHERE status <> 'Done'")
            .fetch_one(self.storage.pool())
            .await?;
        Ok(usize::try_from(left)?)
    }
}
