//! apalis-redis.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::{BackendExt as _, TaskSink as _};
use apalis_redis::{Config, ConnectionManager, RedisStorage};
use peers::{CONCURRENCY, Contender, Nothing, Place, Stage, Tuning, WORKER};

/// Neither this nor its events (`RedisStorageFactory`) woke an idle worker of 1.0.0 in a trial: jobs ran at heartbeats, every
/// 30 s. A row that says so stays, until a release does better.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

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
/// heartbeat"; nobody listens to events here. (`Config`'s documentation.) Results stay persisted: without that a finished
/// job is never taken away from its worker, and runs again.
fn config(place: &Place) -> Config {
    let config = Config::default().queue(&place.name);
    match place.tuning {
        Tuning::Shipped => config,
        Tuning::Throughput | Tuning::Latency => config.batch_size(CONCURRENCY).lock_tasks(false).emit_events(false),
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
            Tuning::Latency => {
                peers::apalis_worker!(
                    self.storage.clone().poll_with_interval(POLL_INTERVAL),
                    stage,
                    Some(CONCURRENCY)
                )
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
