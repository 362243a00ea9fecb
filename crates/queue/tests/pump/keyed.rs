//! Jobs that share an order key or a limit key, while runs fail and processes die.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use queue::backend::Counts;
use queue::{Attempt, Client, Clock, Job, JobError, Key, Limit, Policy, Queue};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

use crate::answers::origin;
use crate::jobs::{ATTEMPTS, POLICY, Stage, stage};
use crate::process::{GRACE, Plan, Process, client, counted, keyring, until};
use crate::support::fixture::Fixture;

/// Short, so that a dead process is noticed soon.
const LEASE: Duration = Duration::from_secs(3);

/// What is shared.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Shares {
    /// An order key.
    Line,
    /// A limit key. Such a run waits for the test.
    Limit,
}

/// A job that shares a key with others.
#[derive(Serialize, Deserialize)]
pub(crate) struct Keyed {
    shares: Shares,
    key: String,
    /// Its place among those of its key.
    number: usize,
    /// How many attempts fail.
    failures: u16,
}

impl Keyed {
    fn key_if(&self, shares: Shares) -> Option<String> {
        (self.shares == shares).then(|| self.key.clone())
    }
}

impl Job for Keyed {
    type Ctx = Stage;
    const KIND: &'static str = "keyed";
    const POLICY: Policy = POLICY;

    fn unique(&self) -> String {
        format!("{} {}", self.key, self.number)
    }

    fn limit_key(&self) -> Option<String> {
        self.key_if(Shares::Limit)
    }

    fn order_key(&self) -> Option<String> {
        self.key_if(Shares::Line)
    }

    async fn run(self, stage: &Stage, attempt: &Attempt) -> Result<(), JobError> {
        let seen = Seen::begin(stage, &self);
        match self.shares {
            Shares::Limit => stage.curtain.acquire().await?.forget(),
            // So that a second one would have every chance to begin.
            Shares::Line => tokio::task::yield_now().await,
        }
        drop(seen);
        stage.ended.fetch_add(1, Ordering::SeqCst);
        if attempt.number <= self.failures {
            return Err(JobError::Retry("not yet".into()));
        }
        Ok(())
    }
}

/// What was seen of each key's jobs, in all processes together.
#[derive(Default)]
pub(crate) struct Witness(HashMap<String, OfKey>);

#[derive(Clone, Default)]
struct OfKey {
    running: usize,
    /// The most at once.
    most: usize,
    /// The numbers of the jobs, as their runs began.
    began: Vec<usize>,
}

/// A run, from its beginning until it ends or its process dies.
struct Seen<'a> {
    stage: &'a Stage,
    key: String,
}

impl<'a> Seen<'a> {
    fn begin(stage: &'a Stage, job: &Keyed) -> Self {
        let mut witness = look(stage);
        let of = witness.0.entry(job.key.clone()).or_default();
        of.running += 1;
        of.most = of.most.max(of.running);
        of.began.push(job.number);
        Self {
            stage,
            key: job.key.clone(),
        }
    }
}

impl Drop for Seen<'_> {
    fn drop(&mut self) {
        if let Some(of) = look(self.stage).0.get_mut(&self.key) {
            of.running -= 1;
        }
    }
}

fn look(stage: &Stage) -> MutexGuard<'_, Witness> {
    stage.witness.lock().unwrap_or_else(PoisonError::into_inner)
}

fn of_key(stage: &Stage, key: &str) -> OfKey {
    look(stage).0.get(key).cloned().unwrap_or_default()
}

async fn add_all(client: &Client, jobs: &[Keyed]) {
    for receipt in join_all(jobs.iter().map(|job| client.add(job, origin()))).await {
        assert!(!receipt.unwrap().duplicate);
    }
}

pub(crate) async fn a_thousand_jobs_of_a_hundred_lines_keep_their_order_while_jobs_fail_and_processes_die(
    fixture: &Fixture,
) {
    const LINES: usize = 100;
    const EACH: usize = 10;
    let keyring = keyring("k1");
    let (stage, _heard) = stage();
    let mut dice = StdRng::seed_from_u64(3);
    let client = client(fixture, &keyring).await;
    let mut deaths = 0;
    for number in 0..EACH {
        let jobs: Vec<_> = (0..LINES)
            .map(|line| Keyed {
                shares: Shares::Line,
                key: format!("line {line}"),
                number,
                // Some fail in every attempt, and the line goes on without them.
                failures: [0, 0, 0, 0, 0, 1, 1, 2, ATTEMPTS][dice.random_range(0..9)],
            })
            .collect();
        deaths += jobs.iter().filter(|job| job.failures == ATTEMPTS).count();
        add_all(&client, &jobs).await;
    }
    let start = async || {
        let plan = Plan {
            concurrency: 32,
            lease: LEASE,
            ..Plan::new(&keyring)
        };
        Life::begin(plan, fixture, &stage).await
    };
    let mut processes = [start().await, start().await];
    for (ended, dies) in [(200, 0), (600, 1)] {
        until("they are in the middle", async || {
            stage.ended.load(Ordering::SeqCst) >= ended
        })
        .await;
        let next = start().await;
        std::mem::replace(&mut processes[dies], next).crash();
    }
    until("all have ended", async || {
        let counts = fixture.counts().await;
        let expected = Counts {
            dead: deaths as u64,
            ..Counts::default()
        };
        counts == expected
    })
    .await;
    end(processes).await;
    for line in 0..LINES {
        let of = of_key(&stage, &format!("line {line}"));
        assert_eq!(of.most, 1, "line {line} overlaps");
        assert!(of.began.is_sorted(), "line {line}: {:?}", of.began);
        let mut each = of.began;
        each.dedup();
        assert_eq!(each, (0..EACH).collect::<Vec<_>>(), "line {line}");
    }
    assert!(
        counted(fixture, "crashed").await > 0,
        "processes died with jobs in their hands"
    );
}

pub(crate) async fn a_key_at_its_concurrency_is_never_above_it_and_full_again_after_a_process_died(fixture: &Fixture) {
    const MOST: usize = 5;
    const JOBS: usize = 200;
    let keyring = keyring("k1");
    let (stage, _heard) = stage();
    let limit = Limit {
        concurrency: Some(MOST as u32),
        ..Limit::default()
    };
    let (key, now) = (Key::new("account").unwrap(), Clock::System.now());
    fixture
        .queue
        .set_limit(Queue::Default, &key, Some(limit), now)
        .await
        .unwrap();
    let jobs: Vec<_> = (0..JOBS)
        .map(|number| Keyed {
            shares: Shares::Limit,
            key: key.to_string(),
            number,
            failures: u16::from(number % 4 == 0),
        })
        .collect();
    add_all(&client(fixture, &keyring).await, &jobs).await;
    let start = async || {
        let plan = Plan {
            lease: LEASE,
            ..Plan::new(&keyring)
        };
        Life::begin(plan, fixture, &stage).await
    };
    let running = || of_key(&stage, key.as_str()).running;
    let mut processes = [start().await, start().await];
    for _ in 0..2 {
        let ended = stage.ended.load(Ordering::SeqCst) + 20;
        stage.curtain.add_permits(20);
        until("some have ended, and the key is full", async || {
            stage.ended.load(Ordering::SeqCst) == ended && running() == MOST
        })
        .await;
        for process in std::mem::replace(&mut processes, [start().await, start().await]) {
            process.crash();
        }
        until("what the dead ran has stopped", async || running() == 0).await;
        until("the key is full again", async || running() == MOST).await;
    }
    stage.curtain.add_permits(JOBS * 2);
    until("all have ended", async || fixture.counts().await == Counts::default()).await;
    end(processes).await;
    assert_eq!(of_key(&stage, key.as_str()).most, MOST);
}

/// A process with a runtime of its own, so that nothing of it outlives its death.
struct Life {
    process: Process,
    runtime: Runtime,
}

impl Life {
    async fn begin(plan: Plan, fixture: &Fixture, stage: &Arc<Stage>) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let backend = fixture.another_handle().await;
        let inside = runtime.enter();
        let process = plan.start(backend, stage);
        drop(inside);
        Self { process, runtime }
    }

    fn crash(self) {
        self.runtime.shutdown_background();
        self.process.crash();
    }

    async fn end(self) {
        self.process.end(GRACE).await;
        self.runtime.shutdown_background();
    }
}

async fn end(processes: [Life; 2]) {
    for process in processes {
        process.end().await;
    }
}
