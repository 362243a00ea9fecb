//! A tenant whose jobs come now and then, beside one that floods the queue: in a process of its own.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ::queue::{Attempt, Client, Clock, Job, JobError, Origin, Policy};
use seal::Keyring;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::figures::Spread;
use crate::place::Place;
use crate::waits::Waits;
use crate::work::{GRACE, POLICY, start};

/// Of the queue `default` of a `relais worker`, if nobody says otherwise.
pub(crate) const SLOTS: usize = 32;

/// How long a job takes, in milliseconds: as a quick provider does. Not all alike, or all slots would be free at once and
/// whoever comes in between would wait for that.
pub(crate) const CALL_MS: RangeInclusive<u64> = 5..=15;

/// The pause between jobs of the visitor.
pub(crate) const VISIT_EVERY: Duration = Duration::from_millis(50);

/// For how long the flood has the worker to itself before the first visit.
const ALONE: Duration = Duration::from_secs(3);

/// Callers that make the flood.
const FILLERS: usize = 512;

/// What to do, and where.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) place: Place,
    pub(crate) keys: String,
    /// Jobs of the tenant that floods the queue before the worker starts.
    pub(crate) flood: usize,
    /// Jobs of the other one.
    pub(crate) visits: usize,
}

/// How it went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// From the call that adds a visitor's job to its run.
    pub(crate) waits: Spread,
    /// The longest of them, in microseconds.
    pub(crate) longest_us: u64,
    /// What part of the worker's slots the flood used while it was alone; 1 is all of the time in all of them.
    pub(crate) used: Option<f64>,
    /// The most that ran at once.
    pub(crate) peak: usize,
}

/// A job that waits for somebody else, as most do.
#[derive(Serialize, Deserialize)]
struct Call {
    run: Uuid,
    number: usize,
    /// Of a visitor's job the wait is timed.
    visit: bool,
}

impl Job for Call {
    type Ctx = Office;
    const KIND: &'static str = "bench_call";
    const POLICY: Policy = POLICY;

    fn unique(&self) -> String {
        format!("{}{}{}", self.run, self.visit, self.number)
    }

    async fn run(self, office: &Office, _: &Attempt) -> Result<(), JobError> {
        if self.visit {
            office.waits.ran(self.number);
        }
        let at_once = office.running.fetch_add(1, Ordering::Relaxed) + 1;
        office.peak.fetch_max(at_once, Ordering::Relaxed);
        let began = Instant::now();
        tokio::time::sleep(Duration::from_millis(rand::random_range(CALL_MS))).await;
        let busy = usize::try_from(began.elapsed().as_micros()).unwrap_or(usize::MAX);
        office.busy_us.fetch_add(busy, Ordering::Relaxed);
        office.running.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Sees jobs run.
#[derive(Default)]
struct Office {
    running: AtomicUsize,
    peak: AtomicUsize,
    busy_us: AtomicUsize,
    waits: Waits,
}

#[tokio::main(worker_threads = 2)]
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Outcome> {
    let Plan { flood, visits, .. } = *plan;
    let keyring = Keyring::parse(&plan.keys)?;
    let backend = plan.place.backend()?;
    let client = Client::new(Arc::clone(&backend), keyring.clone(), Clock::System);
    let run = Uuid::new_v4();
    fill(&client, run, flood).await?;
    let office = Arc::new(Office::default());
    let (pump, worker) = start::<Call>(&backend, keyring, &office, SLOTS);
    let used = if flood > 0 {
        Some(share_used(&office).await)
    } else {
        None
    };
    visit(&client, run, &office, visits).await?;
    pump.end(GRACE).await;
    worker.await?;
    let waits = office.waits.take();
    let longest = waits.iter().max().copied().unwrap_or_default();
    Ok(Outcome {
        longest_us: u64::try_from(longest.as_micros())?,
        waits: Spread::of(waits),
        used,
        peak: office.peak.load(Ordering::Relaxed),
    })
}

async fn fill(client: &Client, run: Uuid, flood: usize) -> anyhow::Result<()> {
    let filling = (0..FILLERS).map(async |filler| {
        for number in (filler..flood).step_by(FILLERS) {
            let call = Call {
                run,
                number,
                visit: false,
            };
            client.add(&call, of_tenant(1)).await?;
        }
        anyhow::Ok(())
    });
    futures_util::future::try_join_all(filling).await?;
    Ok(())
}

async fn share_used(office: &Office) -> f64 {
    // Not counted: the worker connects.
    tokio::time::sleep(ALONE / 3).await;
    let (began, before) = (Instant::now(), office.busy_us.load(Ordering::Relaxed));
    tokio::time::sleep(ALONE).await;
    let busy_us = office.busy_us.load(Ordering::Relaxed) - before;
    busy_us as f64 / (began.elapsed().as_micros() as f64 * SLOTS as f64)
}

async fn visit(client: &Client, run: Uuid, office: &Office, visits: usize) -> anyhow::Result<()> {
    let mut beat = tokio::time::interval(VISIT_EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for _ in 0..visits {
        beat.tick().await;
        let call = Call {
            run,
            number: office.waits.add(),
            visit: true,
        };
        client.add(&call, of_tenant(2)).await?;
    }
    let began = Instant::now();
    while office.waits.count() < visits {
        anyhow::ensure!(began.elapsed() < GRACE, "jobs of the visitor never ran");
        beat.tick().await;
    }
    Ok(())
}

fn of_tenant(number: u128) -> Origin {
    Origin {
        tenant: Uuid::from_u128(number),
        correlation: Uuid::from_u128(8),
    }
}
