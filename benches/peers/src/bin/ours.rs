//! relais' own queue, with the worker that `relais worker` has for each queue.

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::{Task, WorkerBuilder};
use peers::{CONCURRENCY, Contender, Nothing, Place, Stage};
use queue::apalis::Source;
use queue::redis::RedisQueue;
use queue::sql::{SqlOptions, SqlQueue};
use queue::{
    Attempt, Backend, Backoff, Client, Clock, Held, Job, JobError, LEASE, Origin, Pauses, Policy, Pump, PumpSettings,
    Queue, Registry, Runner,
};
use seal::Keyring;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Payloads are sealed, as always; the key is the same in every process of a run.
const KEYS: &str = "bench:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// How long what runs may take to end.
const GRACE: Duration = Duration::from_secs(25);

fn main() -> ExitCode {
    peers::play::<Ours>()
}

#[derive(Clone)]
struct Ours {
    backend: Arc<dyn Backend>,
    client: Client,
    keyring: Keyring,
}

#[derive(Serialize, Deserialize)]
struct Work(Nothing);

impl Job for Work {
    type Ctx = Stage;
    const KIND: &'static str = "bench_nothing";
    const POLICY: Policy = Policy {
        queue: Queue::Default,
        attempts: 5,
        backoff: Backoff {
            first: Duration::from_secs(1),
            cap: Duration::from_secs(60),
        },
        timeout: Duration::from_secs(10),
        expires: None,
    };

    fn unique(&self) -> String {
        format!("{}{}", self.0.run, self.0.number)
    }

    async fn run(self, stage: &Stage, _: &Attempt) -> Result<(), JobError> {
        stage.ran(&self.0);
        Ok(())
    }
}

fn origin() -> Origin {
    Origin {
        tenant: Uuid::from_u128(7),
        correlation: Uuid::from_u128(8),
    }
}

impl Contender for Ours {
    async fn prepare(place: &Place) -> anyhow::Result<()> {
        if !place.url.starts_with("redis") {
            let db = store::Db::connect(&place.url, &store::ConnectOptions::default()).await?;
            store::migrate(&db).await?;
            db.close().await;
        }
        Ok(())
    }

    async fn connect(place: &Place) -> anyhow::Result<Self> {
        let backend: Arc<dyn Backend> = if place.url.starts_with("redis") {
            Arc::new(RedisQueue::connect(&place.url, &place.name)?)
        } else {
            Arc::new(SqlQueue::connect(&place.url, &SqlOptions::default())?)
        };
        backend.ping().await?;
        let keyring = Keyring::parse(KEYS)?;
        let client = Client::new(Arc::clone(&backend), keyring.clone(), Clock::System);
        Ok(Self {
            backend,
            client,
            keyring,
        })
    }

    async fn add(&self, job: Nothing) -> anyhow::Result<()> {
        self.client.add(&Work(job), origin()).await?;
        Ok(())
    }

    /// There is one way to add; calls that come together are written together.
    async fn fill(&self, jobs: Vec<Nothing>) -> anyhow::Result<()> {
        let adding = jobs.into_iter().map(|job| self.add(job));
        futures::future::try_join_all(adding).await?;
        Ok(())
    }

    async fn work(&self, stage: Arc<Stage>) -> anyhow::Result<()> {
        let runner = Arc::new(Runner {
            registry: Registry::default().with::<Work>(),
            ctx: Arc::clone(&stage),
            keyring: self.keyring.clone(),
            clock: Clock::System,
            pauses: Pauses::default(),
        });
        let settings = PumpSettings {
            queue: Queue::Default,
            concurrency: CONCURRENCY,
            lease: LEASE,
            session: Uuid::new_v4(),
        };
        let (pump, claimed) = Pump::start(Arc::clone(&self.backend), Clock::System, settings);
        let service = tower::service_fn(move |task: Task<Arc<Held>>| {
            let runner = Arc::clone(&runner);
            async move { Ok::<_, Infallible>(queue::apalis::run(runner, task.args).await) }
        });
        let worker = WorkerBuilder::new(peers::WORKER)
            .backend(Source::new(claimed))
            .build(service);
        let mut worker = tokio::spawn(worker.run());
        tokio::select! {
            ended = &mut worker => {
                ended??;
                anyhow::bail!("the worker ended by itself");
            }
            () = stage.over() => {}
        }
        let unfinished = pump.end(GRACE).await;
        worker.await??;
        anyhow::ensure!(unfinished == 0, "{unfinished} jobs did not end");
        Ok(())
    }

    async fn left(&self) -> anyhow::Result<usize> {
        let counts = self.backend.counts(Queue::Default).await?;
        let left = counts.ready + counts.scheduled + counts.running + counts.parked + counts.behind + counts.dead;
        Ok(usize::try_from(left)?)
    }
}
