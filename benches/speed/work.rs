//! One measurement of a queue, in a process of its own: its memory is its own, and nothing of an earlier one is warm.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ::queue::apalis::Source;
use ::queue::{
    Attempt, Backend, Backoff, Client, Clock, Held, Job, JobError, LEASE, Origin, Policy, Pump, PumpSettings, Queue,
    Registry, Runner,
};
use apalis::prelude::{Task as ApalisTask, WorkerBuilder};
use seal::Keyring;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::figures::{Spread, memory_peak_kib, rate};
use crate::floor;
use crate::place::Place;
use crate::waits::Waits;

/// How many jobs a worker runs at once.
const CONCURRENCY: usize = 512;

/// What a job's payload is filled up to, as JSON.
pub(crate) const PAYLOAD_BYTES: usize = 300;

/// The pause between jobs whose pick-up is timed: the worker is asleep again by then.
pub(crate) const PICK_UP_EVERY: Duration = Duration::from_millis(20);

/// How long everything may take to be settled.
pub(crate) const GRACE: Duration = Duration::from_secs(60);

/// What to do, and where.
#[derive(Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) place: Place,
    pub(crate) keys: String,
    pub(crate) task: Task,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Adds jobs that do nothing, through one client, from so many callers at once.
    Add {
        jobs: usize,
        callers: usize,
    },
    /// Runs jobs until so many have run, or more, and all that ran are settled.
    Drain {
        jobs: usize,
    },
    /// Adds jobs one by one and times how long each waits for its run.
    PickUp {
        jobs: usize,
    },
    /// The same three with nothing but the writes.
    FloorAdd {
        jobs: usize,
        batch: usize,
    },
    FloorDrain {
        jobs: usize,
        batch: usize,
    },
    FloorPickUp {
        jobs: usize,
    },
}

/// How it went.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) per_second: f64,
    /// Per call of an add, or per picked up job.
    pub(crate) within: Spread,
    pub(crate) memory_peak_kib: u64,
}

impl Outcome {
    pub(crate) fn new(count: usize, began: Instant, times: Vec<Duration>) -> Self {
        let per_second = rate(count, began.elapsed().as_secs_f64());
        Self {
            per_second,
            within: Spread::of(times),
            memory_peak_kib: 0,
        }
    }
}

#[tokio::main(worker_threads = 2)]
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Outcome> {
    let keyring = Keyring::parse(&plan.keys)?;
    let outcome = match plan.task {
        Task::Add { jobs, callers } => add(plan.place.backend()?, keyring, jobs, callers).await,
        Task::Drain { jobs } => drain(plan.place.backend()?, keyring, jobs).await,
        Task::PickUp { jobs } => pick_up(plan.place.backend()?, keyring, jobs).await,
        Task::FloorAdd { .. } | Task::FloorDrain { .. } | Task::FloorPickUp { .. } => {
            floor::run(&plan.place, plan.task).await
        }
    }?;
    Ok(Outcome {
        memory_peak_kib: memory_peak_kib(),
        ..outcome
    })
}

/// Of all jobs here.
pub(crate) const POLICY: Policy = Policy {
    queue: Queue::Default,
    attempts: 1,
    backoff: Backoff {
        first: Duration::from_secs(1),
        cap: Duration::from_secs(1),
    },
    timeout: Duration::from_secs(10),
    expires: None,
};

/// Work that is nothing: what is left is the queue.
#[derive(Serialize, Deserialize)]
struct Nothing {
    run: Uuid,
    number: usize,
    filler: String,
}

impl Nothing {
    fn new(run: Uuid, number: usize) -> Self {
        // 68 bytes are the names, the quotes and the run.
        let filler = "x".repeat(PAYLOAD_BYTES - 68 - number.to_string().len());
        Self { run, number, filler }
    }
}

impl Job for Nothing {
    type Ctx = Stage;
    const KIND: &'static str = "bench_nothing";
    const POLICY: Policy = POLICY;

    fn unique(&self) -> String {
        format!("{}{}", self.run, self.number)
    }

    async fn run(self, stage: &Stage, _: &Attempt) -> Result<(), JobError> {
        stage.ran(self.number);
        Ok(())
    }
}

/// Sees jobs run.
#[derive(Default)]
struct Stage {
    ran: AtomicUsize,
    wanted: usize,
    reached: Notify,
    /// Of jobs whose pick-up is timed.
    waits: Waits,
}

impl Stage {
    fn ran(&self, number: usize) {
        if self.times_pick_up() {
            self.waits.ran(number);
        }
        if self.ran.fetch_add(1, Ordering::Relaxed) + 1 == self.wanted {
            self.reached.notify_one();
        }
    }

    /// Pick-ups are not counted.
    fn times_pick_up(&self) -> bool {
        self.wanted == 0
    }
}

fn origin() -> Origin {
    Origin {
        tenant: Uuid::from_u128(7),
        correlation: Uuid::from_u128(8),
    }
}

async fn add(backend: Arc<dyn Backend>, keyring: Keyring, jobs: usize, callers: usize) -> anyhow::Result<Outcome> {
    backend.ping().await?;
    let client = Client::new(backend, keyring, Clock::System);
    let (run, next) = (Uuid::new_v4(), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let calling: Vec<_> = (0..callers)
        .map(|_| {
            let (client, next) = (client.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut times = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= jobs {
                        return anyhow::Ok(times);
                    }
                    let began = Instant::now();
                    client.add(&Nothing::new(run, number), origin()).await?;
                    times.push(began.elapsed());
                }
            })
        })
        .collect();
    let mut times = Vec::with_capacity(jobs);
    for caller in calling {
        times.extend(caller.await??);
    }
    Ok(Outcome::new(jobs, began, times))
}

/// A worker as `relais worker` has one for each queue.
pub(crate) fn start<J: Job>(
    backend: &Arc<dyn Backend>,
    keyring: Keyring,
    ctx: &Arc<J::Ctx>,
    concurrency: usize,
) -> (Pump, JoinHandle<()>) {
    let registry = Registry::default().with::<J>();
    serve(backend, keyring, ctx, registry, Queue::Default, concurrency)
}

pub(crate) fn serve<C: Send + Sync + 'static>(
    backend: &Arc<dyn Backend>,
    keyring: Keyring,
    ctx: &Arc<C>,
    registry: Registry<C>,
    queue: Queue,
    concurrency: usize,
) -> (Pump, JoinHandle<()>) {
    let runner = Arc::new(Runner {
        registry,
        ctx: Arc::clone(ctx),
        keyring,
        clock: Clock::System,
        pauses: queue::Pauses::default(),
    });
    let settings = PumpSettings {
        queue,
        concurrency,
        lease: LEASE,
        session: Uuid::new_v4(),
    };
    let (pump, claimed) = Pump::start(Arc::clone(backend), Clock::System, settings);
    let service = tower::service_fn(move |task: ApalisTask<Arc<Held>>| {
        let runner = Arc::clone(&runner);
        async move { Ok::<_, Infallible>(::queue::apalis::run(runner, task.args).await) }
    });
    let worker = WorkerBuilder::new("bench").backend(Source::new(claimed)).build(service);
    let worker = tokio::spawn(async move {
        if let Err(error) = worker.run().await {
            eprintln!("apalis ended: {error}");
        }
    });
    (pump, worker)
}

/// The worker starts in front of a paused queue, so that making connections is not timed.
async fn drain(backend: Arc<dyn Backend>, keyring: Keyring, jobs: usize) -> anyhow::Result<Outcome> {
    let stage = Arc::new(Stage {
        wanted: jobs,
        ..Stage::default()
    });
    let pause = queue::Pause {
        scope: queue::Scope::Queue(Queue::Default),
        by: "the bench".to_owned(),
        at: 0,
    };
    backend.pause(&pause).await?;
    let (pump, worker) = start::<Nothing>(&backend, keyring, &stage, CONCURRENCY);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    backend.resume(&pause.scope).await?;
    tokio::time::timeout(GRACE * 5, stage.reached.notified()).await?;
    let stopped = pump.end(GRACE).await;
    // What was claimed beyond the wanted number ran and was settled as well.
    let outcome = Outcome::new(stage.ran.load(Ordering::Relaxed), began, Vec::new());
    worker.await?;
    anyhow::ensure!(stopped == 0, "{stopped} jobs did not end");
    Ok(outcome)
}

async fn pick_up(backend: Arc<dyn Backend>, keyring: Keyring, jobs: usize) -> anyhow::Result<Outcome> {
    let stage = Arc::new(Stage::default());
    let client = Client::new(Arc::clone(&backend), keyring.clone(), Clock::System);
    let (pump, worker) = start::<Nothing>(&backend, keyring, &stage, CONCURRENCY);
    let run = Uuid::new_v4();
    let mut beat = tokio::time::interval(PICK_UP_EVERY);
    let began = Instant::now();
    for _ in 0..jobs {
        beat.tick().await;
        let number = stage.waits.add();
        client.add(&Nothing::new(run, number), origin()).await?;
    }
    while stage.ran.load(Ordering::Relaxed) < jobs && began.elapsed() < GRACE {
        beat.tick().await;
    }
    let waits = stage.waits.take();
    anyhow::ensure!(waits.len() == jobs, "{} of {jobs} jobs ran", waits.len());
    pump.end(GRACE).await;
    worker.await?;
    Ok(Outcome::new(jobs, began, waits))
}
