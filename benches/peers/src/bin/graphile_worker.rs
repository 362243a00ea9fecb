//! graphile_worker, the Rust one.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use graphile_worker::{
    Database, IntoTaskHandlerResult, JobSpec, LocalQueueConfig, TaskHandler, WorkerContext, WorkerOptions, WorkerUtils,
};
use peers::{Contender, Nothing, Place, Stage, Tuning};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

const SCHEMA: &str = "graphile_worker";

/// As in its own throughput bench (`benches/perf_test.rs`), whose three settings its guide to throughput names: jobs are
/// fetched by thousands into a local queue, and completions written together.
const CONCURRENCY: usize = 500;
const CONNECTIONS: u32 = 100;
const LOCAL_QUEUE: usize = 5_000;
const POLL_INTERVAL: Duration = Duration::from_millis(5);
const COMPLETE_DELAY: Duration = Duration::from_millis(5);

/// "For slow or rare jobs, the default direct database fetch path" (its guide to the local queue); notifications wake it.
const CONCURRENCY_RARE: usize = 16;
const POLL_INTERVAL_RARE: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    peers::play::<Peer>()
}

#[derive(Clone)]
struct Peer {
    pool: PgPool,
    utils: Arc<WorkerUtils>,
    tuning: Tuning,
}

#[derive(Clone, Serialize, Deserialize)]
struct Job(Nothing);

#[derive(Clone)]
struct Seen(Arc<Stage>);

impl std::fmt::Debug for Seen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Seen")
    }
}

impl TaskHandler for Job {
    const IDENTIFIER: &'static str = "nothing";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        if let Some(stage) = context.get_ext::<Seen>() {
            stage.0.ran(&self.0);
        }
        Ok::<(), String>(())
    }
}

impl Contender for Peer {
    async fn prepare(place: &Place) -> anyhow::Result<()> {
        Self::connect(place).await?.utils.migrate().await?;
        Ok(())
    }

    async fn connect(place: &Place) -> anyhow::Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect(&place.url)
            .await?;
        let utils = Arc::new(WorkerUtils::new(Database::from(pool.clone()), SCHEMA));
        Ok(Self {
            pool,
            utils,
            tuning: place.tuning,
        })
    }

    async fn add(&self, job: Nothing) -> anyhow::Result<()> {
        self.utils.add_job(Job(job), JobSpec::default()).await?;
        Ok(())
    }

    async fn fill(&self, jobs: Vec<Nothing>) -> anyhow::Result<()> {
        let spec = JobSpec::default();
        let jobs: Vec<_> = jobs.into_iter().map(|job| (Job(job), &spec)).collect();
        self.utils.add_jobs(&jobs).await?;
        Ok(())
    }

    async fn work(&self, stage: Arc<Stage>) -> anyhow::Result<()> {
        let options = WorkerOptions::default()
            .pg_pool(self.pool.clone())
            .schema(SCHEMA)
            .complete_job_batch_delay(COMPLETE_DELAY)
            .add_extension(Seen(Arc::clone(&stage)))
            .define_job::<Job>();
        let options = match self.tuning {
            Tuning::Latency => options.concurrency(CONCURRENCY_RARE).poll_interval(POLL_INTERVAL_RARE),
            Tuning::Throughput | Tuning::Shipped => options
                .concurrency(CONCURRENCY)
                .poll_interval(POLL_INTERVAL)
                .local_queue(LocalQueueConfig::default().with_size(LOCAL_QUEUE)),
        };
        let worker = options.init().await?;
        let worker = Arc::new(worker);
        let mut running = tokio::spawn({
            let worker = Arc::clone(&worker);
            async move { worker.run().await }
        });
        tokio::select! {
            ended = &mut running => {
                ended??;
                anyhow::bail!("the worker ended by itself");
            }
            () = stage.over() => {}
        }
        worker.request_shutdown();
        Ok(running.await??)
    }

    async fn left(&self) -> anyhow::Result<usize> {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM graphile_worker._private_jobs")
            .fetch_one(&self.pool)
            .await?;
        Ok(usize::try_from(left)?)
    }
}
