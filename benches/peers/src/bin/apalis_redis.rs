//! apalis-redis.

use std::process::ExitCode;
use std::sync::Arc;

use apalis::prelude::{BackendFactory as _, TaskSink as _};
use apalis_redis::factory::RedisStorageFactory;
use apalis_redis::{Client, Config, ConnectionManager, RedisStorage};
use peers::{CONCURRENCY, Contender, Nothing, Place, Stage, Tuning, WORKER};

fn main() -> ExitCode {
    peers::play::<Peer>()
}

#[derive(Clone)]
struct Peer {
    place: Place,
    redis: ConnectionManager,
    storage: RedisStorage<Nothing>,
}

/// "Larger batches can improve throughput"; locking "can be turned off for tasks that last shorter than a worker
/// heartbeat"; events are what wakes a worker, so that many jobs do without. (`Config`'s documentation.) Results stay
/// persisted: without that a finished job is never taken away from its worker, and runs again.
fn config(place: &Place) -> Config {
    let config = Config::default().queue(&place.name);
    match place.tuning {
        Tuning::Shipped => config,
        Tuning::Throughput => config.batch_size(CONCURRENCY).lock_tasks(false).emit_events(false),
        Tuning::Latency => config.batch_size(CONCURRENCY).lock_tasks(false),
    }
}

impl Contender for Peer {
    async fn prepare(_: &Place) -> anyhow::Result<()> {
        Ok(())
    }

    async fn connect(place: &Place) -> anyhow::Result<Self> {
        let redis = apalis_redis::connect(place.url.as_str()).await?;
        Ok(Self {
            place: place.clone(),
            redis: redis.clone(),
            storage: RedisStorage::new(redis).with_config(config(place)),
        })
    }

    async fn add(&self, job: Nothing) -> anyhow::Result<()> {
        Ok(self.storage.clone().push(job).await?)
    }

    async fn fill(&self, jobs: Vec<Nothing>) -> anyhow::Result<()> {
        Ok(self.storage.clone().push_bulk(jobs).await?)
    }

    async fn work(&self, stage: Arc<Stage>) -> anyhow::Result<()> {
        match self.place.tuning {
            Tuning::Shipped => peers::apalis_worker!(self.storage.clone(), stage, None::<usize>),
            Tuning::Throughput => peers::apalis_worker!(self.storage.clone(), stage, Some(CONCURRENCY)),
            // Published events reach a connection only in the newer protocol.
            Tuning::Latency => {
                let client = Client::open(format!("{}?protocol=resp3", self.place.url))?;
                let backend = RedisStorageFactory::new(client)
                    .await?
                    .create_with_config(config(&self.place))?;
                peers::apalis_worker!(backend, stage, Some(CONCURRENCY))
            }
        }
    }

    async fn left(&self) -> anyhow::Result<usize> {
        let config = config(&self.place);
        let held = format!("{}:{WORKER}", config.inflight_jobs_set());
        let (waiting, scheduled, held): (usize, usize, usize) = redis::pipe()
            .llen(config.active_jobs_list())
            .zcard(config.scheduled_jobs_set())
            .scard(held)
            .query_async(&mut self.redis.clone())
            .await?;
        Ok(waiting + scheduled + held)
    }
}
