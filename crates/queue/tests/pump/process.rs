//! A worker process in small: a pump, and the apalis worker that runs what it hands out.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use apalis_core::task::Task as ApalisTask;
use apalis_core::worker::builder::WorkerBuilder;
use queue::{Backend, Client, Clock, Held, JobId, LEASE, Pauses, Pump, PumpSettings, Queue, Registry, Runner};
use seal::Keyring;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use crate::jobs::{Fresh, Slow, Stage, Task};
use crate::keyed::Keyed;
use crate::rated::Rated;
use crate::support::fixture::{FAILURE_LIMIT, Fixture};

/// For what runs when a process ends.
pub(crate) const GRACE: Duration = Duration::from_secs(20);

/// How often a test looks whether what it waits for has come.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A running process.
pub(crate) struct Process {
    pub(crate) pump: Pump,
    worker: JoinHandle<()>,
}

/// How to start one.
pub(crate) struct Plan {
    pub(crate) concurrency: usize,
    pub(crate) lease: Duration,
    pub(crate) registry: Registry<Stage>,
    pub(crate) keyring: Keyring,
}

impl Plan {
    pub(crate) fn new(keyring: &Keyring) -> Self {
        let registry = Registry::default()
            .with::<Task>()
            .with::<Slow>()
            .with::<Fresh>()
            .with::<Keyed>()
            .with::<Rated<false>>()
            .with::<Rated<true>>();
        Self {
            concurrency: 8,
            lease: LEASE,
            registry,
            keyring: keyring.clone(),
        }
    }

    pub(crate) fn runner(self, stage: &Arc<Stage>) -> Runner<Stage> {
        Runner {
            registry: self.registry,
            ctx: Arc::clone(stage),
            keyring: self.keyring,
            clock: Clock::System,
            pauses: Pauses::default(),
        }
    }

    pub(crate) fn start(self, backend: Arc<dyn Backend>, stage: &Arc<Stage>) -> Process {
        let session = Uuid::new_v4();
        let settings = PumpSettings {
            queue: Queue::Default,
            concurrency: self.concurrency,
            lease: self.lease,
            session,
        };
        let (pump, claimed) = Pump::start(backend, Clock::System, settings);
        let runner = Arc::new(self.runner(stage));
        let service = tower::service_fn(move |task: ApalisTask<Arc<Held>>| {
            let runner = Arc::clone(&runner);
            async move { Ok::<_, Infallible>(queue::apalis::run(runner, task.args).await) }
        });
        let source = queue::apalis::Source::new(claimed);
        let worker = WorkerBuilder::new("test").backend(source).build(service);
        Process {
            pump,
            worker: tokio::spawn(async move { worker.run().await.unwrap() }),
        }
    }
}

impl Process {
    /// Ends well: the pump first, and the worker by itself after it.
    pub(crate) async fn end(self, grace: Duration) -> usize {
        let stopped = self.pump.end(grace).await;
        timeout(FAILURE_LIMIT, self.worker)
            .await
            .expect("the worker ends with its pump")
            .unwrap();
        stopped
    }

    /// Dies in the middle.
    pub(crate) fn crash(self) {
        self.worker.abort();
        drop(self.pump);
    }
}

pub(crate) fn keyring(id: &str) -> Keyring {
    Keyring::parse(&Keyring::generate(id)).unwrap()
}

/// A client in a process of its own.
pub(crate) async fn client(fixture: &Fixture, keyring: &Keyring) -> Client {
    Client::new(fixture.another_handle().await, keyring.clone(), Clock::System)
}

/// Waits until something has come true.
pub(crate) async fn until(what: &str, mut come: impl AsyncFnMut() -> bool) {
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let wait = async {
        while !come().await {
            look.tick().await;
        }
    };
    timeout(FAILURE_LIMIT, wait)
        .await
        .unwrap_or_else(|_| panic!("never came: {what}"));
}

pub(crate) async fn until_ended(fixture: &Fixture, id: JobId) {
    until("the end of the job", async || {
        fixture.queue.ended(id).await.unwrap() && fixture.find(id).await.is_none()
    })
    .await;
}

pub(crate) async fn until_dead(fixture: &Fixture, id: JobId) -> queue::backend::Kept {
    until("the death of the job", async || {
        let kept = fixture.find(id).await;
        kept.is_some_and(|kept| matches!(kept.state, queue::backend::State::Dead { .. }))
    })
    .await;
    fixture.kept(id).await
}

/// What a counter of the default queue has come to.
pub(crate) async fn counted(fixture: &Fixture, name: &str) -> u64 {
    let counters = fixture.queue.counters().await.unwrap();
    counters
        .iter()
        .filter(|(counter, _)| counter.name == name)
        .map(|(_, value)| value)
        .sum()
}
