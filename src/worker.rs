//! `relais worker`: runs jobs.
//!
//! Per queue, a [pump](queue::Pump) claims jobs and settles them, and an apalis worker in between runs them. Retries,
//! leases and limits are the queue's; apalis sees a service that always answers.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apalis::prelude::{Task, WorkerBuilder};
use queue::apalis::Source;
use queue::backend::Worker;
use queue::clock::millis;
use queue::{Backend, Client, Clock, Held, Pump, PumpSettings, Queue, Runner};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::config::Settings;
use crate::{connect, signals};

/// How often what was parked is looked for.
const UNPARK_EVERY: Duration = Duration::from_secs(5);

/// For how long it is believed that a worker lives, who says so three times within. At most half a lease: when the lease
/// of a worker that died ends, at least two thirds of one after its last renewal, nobody must believe in it any more.
fn announced_for(lease: Duration) -> Duration {
    (lease / 2).min(Duration::from_secs(15))
}

/// A running worker process, or the worker's part of a process that does more.
pub struct Crew {
    backend: Arc<dyn Backend>,
    clock: Clock,
    card: Worker,
    pumps: Vec<Pump>,
    apalis: Vec<JoinHandle<()>>,
    /// What goes on beside the jobs: telling that this worker lives, and freeing what was parked.
    beside: Vec<JoinHandle<()>>,
    is_quiet: Arc<AtomicBool>,
}

/// Runs until SIGTERM or SIGINT; SIGUSR1 stops claiming.
///
/// # Errors
/// When what the settings name cannot be used.
#[tokio::main]
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let backend = connect::queue(settings).await?;
    connect::refuse_unsafe(&*backend).await?;
    let store = connect::store(settings).await?;
    let queue = Client::new(backend, settings.keyring.clone(), Clock::System);
    let crew = Crew::start(settings, jobs::Ctx { store, queue })?;
    tokio::select! {
        () = signals::end() => {}
        () = signals::on_quiet(|| crew.quiet()) => {}
    }
    tracing::info!(running = crew.running(), "Asked to end: claiming nothing more.");
    crew.end(settings.shutdown_grace).await;
    Ok(())
}

impl Crew {
    /// Starts claiming and running jobs of the settings' queues.
    ///
    /// # Errors
    /// When a job could outlast its lease.
    pub fn start(settings: &Settings, ctx: jobs::Ctx) -> anyhow::Result<Self> {
        let registry = jobs::registry();
        let (backend, clock) = (Arc::clone(ctx.queue.backend()), ctx.queue.clock().clone());
        let keyring = ctx.queue.keyring().clone();
        let runner = Arc::new(Runner {
            registry,
            ctx: Arc::new(ctx),
            keyring,
            clock: clock.clone(),
        });
        let card = card(settings, &runner);
        let mut pumps = Vec::new();
        let mut apalis = Vec::new();
        let mut beside = Vec::new();
        for (queue, concurrency) in settings.queues.iter().copied() {
            let lease = settings.job_lease;
            let pump_settings = PumpSettings {
                queue,
                concurrency,
                lease,
                session: card.session,
            };
            let (pump, claimed) = Pump::start(Arc::clone(&backend), clock.clone(), pump_settings);
            pumps.push(pump);
            apalis.push(tokio::spawn(work(queue, Source::new(claimed), Arc::clone(&runner))));
            beside.push(tokio::spawn(unpark(
                Arc::clone(&backend),
                queue,
                runner.gates(),
                clock.clone(),
            )));
        }
        let is_quiet = Arc::new(AtomicBool::new(false));
        let announcing = announce(
            Arc::clone(&backend),
            clock.clone(),
            card.clone(),
            Arc::clone(&is_quiet),
            announced_for(settings.job_lease),
        );
        beside.push(tokio::spawn(announcing));
        tracing::info!(session = %card.session, queues = card.serves(), "Working.");
        Ok(Self {
            backend,
            clock,
            card,
            pumps,
            apalis,
            beside,
            is_quiet,
        })
    }

    /// Claims nothing more, for good; what runs goes on. From the next announcement on it serves no queue.
    pub fn quiet(&self) {
        self.is_quiet.store(true, Ordering::Relaxed);
        tracing::info!("Quiet: claiming nothing more, finishing what runs.");
        self.pumps.iter().for_each(Pump::quiet);
    }

    /// How many jobs run or wait to be settled.
    #[must_use]
    pub fn running(&self) -> usize {
        self.pumps.iter().map(Pump::running).sum()
    }

    /// Claims nothing more, waits up to `grace` for what runs, and releases the rest without a charge.
    pub async fn end(self, grace: Duration) {
        self.beside.iter().for_each(JoinHandle::abort);
        let released: usize = futures_util::future::join_all(self.pumps.into_iter().map(|pump| pump.end(grace)))
            .await
            .into_iter()
            .sum();
        futures_util::future::join_all(self.apalis).await;
        if let Err(error) = self.backend.announce(&self.card, self.clock.now() - 1).await {
            tracing::debug!(%error, "The queue could not be told that this worker left; it will notice.");
        }
        tracing::info!(released, "Ended.");
    }
}

/// Drives one queue's jobs through apalis until the pump ends.
async fn work(queue: Queue, source: Source, runner: Arc<Runner<jobs::Ctx>>) {
    let service = tower::service_fn(move |task: Task<Arc<Held>>| {
        let runner = Arc::clone(&runner);
        async move { Ok::<_, Infallible>(queue::apalis::run(runner, task.args).await) }
    });
    let worker = WorkerBuilder::new(queue.name()).backend(source).build(service);
    if let Err(error) = worker.run().await {
        tracing::error!(%error, %queue, "The runtime of a queue ended; its jobs are released.");
    }
}

/// Frees what was parked for want of a kind or key that this process has, again and again: during a rolling deploy a
/// worker of the old version may still park what this one could run.
async fn unpark(backend: Arc<dyn Backend>, queue: Queue, gates: Vec<String>, clock: Clock) {
    let mut beat = tokio::time::interval(UNPARK_EVERY);
    loop {
        beat.tick().await;
        match backend.unpark(queue, &gates, clock.now()).await {
            Ok(0) => {}
            Ok(freed) => tracing::info!(%queue, freed, "Parked jobs are free to run."),
            Err(error) => tracing::debug!(%error, %queue, "Parked jobs could not be looked for."),
        }
    }
}

async fn announce(
    backend: Arc<dyn Backend>,
    clock: Clock,
    mut card: Worker,
    is_quiet: Arc<AtomicBool>,
    believed: Duration,
) {
    let mut beat = tokio::time::interval(believed / 3);
    loop {
        beat.tick().await;
        if is_quiet.load(Ordering::Relaxed) {
            card.queues.clear();
        }
        if let Err(error) = backend.announce(&card, clock.now() + millis(believed)).await {
            tracing::debug!(%error, "This worker could not be announced.");
        }
    }
}

fn card(settings: &Settings, runner: &Runner<jobs::Ctx>) -> Worker {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    Worker {
        session: Uuid::new_v4(),
        name: format!("{}:{}", host.trim(), std::process::id()),
        queues: settings
            .queues
            .iter()
            .map(|(queue, slots)| (queue.name().to_owned(), *slots))
            .collect(),
        kinds: runner.registry.names().into_iter().map(str::to_owned).collect(),
        started_at: runner.clock.now(),
    }
}
