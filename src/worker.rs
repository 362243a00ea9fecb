//! `relais worker`: runs jobs.
//!
//! Per queue, a [pump](queue::Pump) claims jobs and settles them, and an apalis worker in between runs them. Retries,
//! leases and limits are the queue's; apalis sees a service that always answers.

mod control;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use apalis::prelude::{Task, WorkerBuilder};
use queue::apalis::Source;
use queue::backend::Worker;
use queue::clock::millis;
use queue::{Backend, Client, Clock, Held, Pauses, Pump, PumpSettings, Queue, Registry, Runner, Scope, Switch};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::config::Settings;
use crate::ops::metrics::Figures;
use crate::ops::{self, Ops, Vitals};
use crate::{connect, signals};
use control::{Control, Quiet};

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
    quiet: Quiet,
    switches: Vec<Switch>,
}

/// Runs until SIGTERM or SIGINT; SIGUSR1 stops claiming until somebody resumes it.
///
/// # Errors
/// As [`run_knowing`].
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    run_knowing(settings, jobs::registry())
}

/// The same for a worker that knows these kinds of jobs: one of another version, beside which this one is to work.
///
/// # Errors
/// When what the settings name cannot be used, or a part of it ended that never should: the jobs it holds run elsewhere
/// when their leases end.
#[tokio::main]
pub async fn run_knowing(settings: &Settings, registry: Registry<jobs::Ctx>) -> anyhow::Result<()> {
    let backend = connect::queue(settings).await?;
    connect::refuse_unsafe(&*backend).await?;
    let store = connect::store_of_jobs(settings).await?;
    let queue = Client::new(backend, settings.keyring.clone(), Clock::System);
    let figures = Figures::install()?;
    let crew = Crew::start(
        settings,
        registry,
        jobs::Ctx {
            store: store.clone(),
            queue: queue.clone(),
            outside: connect::outside(settings)?,
        },
    )?;
    let ops = Ops {
        store,
        queue,
        figures,
        vitals: crew.vitals(),
    };
    tokio::select! {
        () = signals::end() => {}
        () = signals::on_quiet(|| crew.quiet()) => {}
        () = crew.broken() => anyhow::bail!("a part of the worker has ended; start it again"),
        failed = answer(settings, ops) => failed?,
    }
    tracing::info!(running = crew.running(), "Asked to end: claiming nothing more.");
    crew.end(settings.shutdown_grace).await;
    Ok(())
}

impl Crew {
    /// Starts claiming and running jobs of the settings' queues, as far as their kinds are in `registry`.
    ///
    /// # Errors
    /// When a job could outlast its lease.
    pub fn start(settings: &Settings, registry: Registry<jobs::Ctx>, ctx: jobs::Ctx) -> anyhow::Result<Self> {
        let (backend, clock) = (Arc::clone(ctx.queue.backend()), ctx.queue.clock().clone());
        let (keyring, store) = (ctx.queue.keyring().clone(), ctx.store.clone());
        let runner = Arc::new(Runner {
            registry,
            ctx: Arc::new(ctx),
            keyring,
            clock: clock.clone(),
            pauses: Pauses::default(),
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
        }
        let quiet = Quiet::default();
        let switches: Vec<_> = pumps.iter().map(Pump::switch).collect();
        let control = Control {
            backend: Arc::clone(&backend),
            clock: clock.clone(),
            store,
            session: card.session,
            runner,
            switches: switches.clone(),
            quiet: quiet.clone(),
        };
        beside.push(tokio::spawn(control.heed()));
        let announcing = announce(
            Arc::clone(&backend),
            clock.clone(),
            card.clone(),
            quiet.clone(),
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
            quiet,
            switches,
        })
    }

    /// Claims nothing more until somebody resumes it; what runs goes on. Its pause is written down within a second.
    pub fn quiet(&self) {
        self.quiet.ask();
        tracing::info!("Quiet: claiming nothing more, finishing what runs.");
        self.pumps.iter().for_each(Pump::quiet);
    }

    /// What tells how it is.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        Vitals::of(self.switches.clone())
    }

    /// Returns when a part has ended that never should.
    async fn broken(&self) {
        let mut look = tokio::time::interval(Duration::from_secs(1));
        while !self.apalis.iter().any(JoinHandle::is_finished) && !self.vitals().is_broken() {
            look.tick().await;
        }
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
        if self.quiet.is()
            && let Err(error) = self.backend.resume(&Scope::Worker(self.card.session)).await
        {
            tracing::debug!(%error, "The pause of this worker stays written down.");
        }
        tracing::info!(released, "Ended.");
    }
}

/// Answers `/health`, `/ready` and `/metrics` if the settings name a port for it.
async fn answer(settings: &Settings, ops: Ops) -> anyhow::Result<()> {
    let Some(port) = settings.worker_port else {
        return std::future::pending().await;
    };
    let listener = TcpListener::bind((settings.host, port))
        .await
        .with_context(|| format!("cannot listen on port {port}, which WORKER_PORT names"))?;
    axum::serve(listener, ops::router(ops))
        .await
        .context("the worker answers no more")
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

/// Says again and again that this worker lives, and what it serves: no job at once while its store is away. That it is paused
/// stands among the pauses.
async fn announce(backend: Arc<dyn Backend>, clock: Clock, card: Worker, quiet: Quiet, believed: Duration) {
    let mut beat = tokio::time::interval(believed / 3);
    loop {
        beat.tick().await;
        let mut card = card.clone();
        if quiet.is_storeless() {
            card.queues.iter_mut().for_each(|(_, slots)| *slots = 0);
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
