//! oxana.

use std::process::ExitCode;
use std::sync::Arc;

use oxana::{QueueConfig, Storage};
use peers::{CONCURRENCY, Contender, Nothing, Place, Stage};
use serde::{Deserialize, Serialize};

fn main() -> ExitCode {
    peers::play::<Peer>()
}

#[derive(Clone)]
struct Peer(Storage);

#[derive(Serialize, Deserialize)]
struct Job(Nothing);

impl oxana::Job for Job {}

#[derive(Clone)]
struct Context(Arc<Stage>);

struct Handler(Context);

impl oxana::FromContext<Context> for Handler {
    fn from_context(context: &Context) -> Self {
        Self(context.clone())
    }
}

#[async_trait::async_trait]
impl oxana::Worker<Job> for Handler {
    type Error = std::convert::Infallible;

    async fn process(&self, job: Job, _: &oxana::JobContext) -> Result<(), Self::Error> {
        self.0.0.ran(&job.0);
        Ok(())
    }
}

struct Queue;

impl oxana::Queue for Queue {
    fn to_config() -> QueueConfig {
        QueueConfig::as_static("bench").concurrency(CONCURRENCY)
    }
}

impl Contender for Peer {
    async fn prepare(_: &Place) -> anyhow::Result<()> {
        Ok(())
    }

    /// As many jobs at once, and a connection for each, as in the largest of its own benches.
    async fn connect(place: &Place) -> anyhow::Result<Self> {
        let storage = Storage::builder()
            .namespace(place.name.clone())
            .max_pool_size(CONCURRENCY)
            .build_from_redis_url(place.url.clone())?;
        Ok(Self(storage))
    }

    async fn add(&self, job: Nothing) -> anyhow::Result<()> {
        self.0.enqueue(Queue, Job(job)).await?;
        Ok(())
    }

    async fn fill(&self, jobs: Vec<Nothing>) -> anyhow::Result<()> {
        self.0.enqueue_list(Queue, jobs.into_iter().map(Job)).await?;
        Ok(())
    }

    async fn work(&self, stage: Arc<Stage>) -> anyhow::Result<()> {
        let over = Arc::clone(&stage);
        let runtime = self
            .0
            .runtime(Context(stage))
            .queue::<Queue>()
            .worker::<Handler, Job>()
            .shutdown_on(async move {
                over.over().await;
                Ok(())
            });
        runtime.run().await?;
        Ok(())
    }

    async fn left(&self) -> anyhow::Result<usize> {
        Ok(self.0.jobs_count().await?)
    }
}
