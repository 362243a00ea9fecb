//! awa.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use awa::model::insert::params_with;
use awa::{
    Client, InsertOpts, JobArgs, JobResult, QueueConfig, QueueStorage, QueueStorageConfig, insert_with, migrations,
};
use peers::{CONCURRENCY, Contender, Nothing, Place, Stage};
use serde::{Deserialize, Serialize};
use sqlx08::PgPool;
use sqlx08::postgres::PgPoolOptions;

const QUEUE: &str = "bench";

/// Its own harness: four connections for each of 32 workers, and 48. Those of the workers are batched since.
const CONNECTIONS: u32 = 100;
/// As in its own harness, in place of 200 ms.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Statistics for operators, not asked for during its own measurements either.
const STATISTICS_EVERY: Duration = Duration::from_secs(300);

const SHUTDOWN_WITHIN: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    peers::play::<Peer>()
}

#[derive(Clone)]
struct Peer(PgPool);

#[derive(Serialize, Deserialize)]
struct Job(Nothing);

impl JobArgs for Job {
    fn kind() -> &'static str {
        "nothing"
    }
}

fn options() -> InsertOpts {
    InsertOpts {
        queue: QUEUE.into(),
        ..InsertOpts::default()
    }
}

fn storage() -> anyhow::Result<QueueStorage> {
    Ok(QueueStorage::new(QueueStorageConfig::default())?)
}

impl Contender for Peer {
    /// Until a worker has started once on a fresh schema, jobs go to the tables of older releases.
    async fn prepare(place: &Place) -> anyhow::Result<()> {
        let pool = Self::connect(place).await?.0;
        migrations::run(&pool).await?;
        let client = Client::builder(pool)
            .queue(QUEUE, QueueConfig::default())
            .register::<Job, _, _>(|_, _| async { Ok(JobResult::Completed) })
            .build()?;
        client.start().await?;
        client.shutdown(SHUTDOWN_WITHIN).await;
        Ok(())
    }

    async fn connect(place: &Place) -> anyhow::Result<Self> {
        Ok(Self(
            PgPoolOptions::new()
                .max_connections(CONNECTIONS)
                .connect(&place.url)
                .await?,
        ))
    }

    async fn add(&self, job: Nothing) -> anyhow::Result<()> {
        insert_with(&self.0, &Job(job), options()).await?;
        Ok(())
    }

    async fn fill(&self, jobs: Vec<Nothing>) -> anyhow::Result<()> {
        let jobs = jobs.into_iter().map(|job| params_with(&Job(job), options()));
        let jobs = jobs.collect::<Result<Vec<_>, _>>()?;
        storage()?.enqueue_params_copy(&self.0, &jobs).await?;
        Ok(())
    }

    /// No deadline: only jobs without one take its short way for claims and completions.
    async fn work(&self, stage: Arc<Stage>) -> anyhow::Result<()> {
        let seen = Arc::clone(&stage);
        let queue = QueueConfig {
            max_workers: u32::try_from(CONCURRENCY)?,
            poll_interval: POLL_INTERVAL,
            deadline_duration: Duration::ZERO,
            ..QueueConfig::default()
        };
        let client = Client::builder(self.0.clone())
            .queue(QUEUE, queue)
            .queue_stats_interval(STATISTICS_EVERY)
            .runtime_snapshot_interval(STATISTICS_EVERY)
            .register::<Job, _, _>(move |job, _| {
                seen.ran(&job.0);
                async { Ok(JobResult::Completed) }
            })
            .build()?;
        client.start().await?;
        stage.over().await;
        client.shutdown(SHUTDOWN_WITHIN).await;
        Ok(())
    }

    async fn left(&self) -> anyhow::Result<usize> {
        let counts = storage()?.queue_counts(&self.0, QUEUE).await?;
        Ok(usize::try_from(counts.available + counts.running)?)
    }
}
