//! Jobs whose key has a rate: the instant of each start, and who waits for it.

use std::sync::PoisonError;
use std::time::Duration;

use futures_util::future::try_join_all;
use queue::backend::Counts;
use queue::{Attempt, Clock, Job, JobError, Key, Limit, Millis, Policy, Queue, Rate};
use serde::{Deserialize, Serialize};

use crate::answers::origin;
use crate::jobs::{POLICY, Stage, stage};
use crate::process::{GRACE, Plan, client, keyring, until};
use crate::support::fixture::Fixture;

const KEY: &str = "account";
const JOBS: i64 = 8;
/// At five a second.
const INTERVAL_MS: Millis = 200;

/// Notes when it ran.
#[derive(Serialize, Deserialize)]
pub(crate) struct Rated<const WAITS_ITSELF: bool> {
    number: i64,
    /// What goes before its start lasts until the test says so.
    held_up: bool,
}

/// When a run began, and when it had waited for its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    began: Millis,
    started: Millis,
}

impl<const WAITS_ITSELF: bool> Job for Rated<WAITS_ITSELF> {
    type Ctx = Stage;
    const KIND: &'static str = if WAITS_ITSELF { "rated_and_waits" } else { "rated" };
    const POLICY: Policy = POLICY;
    const WAITS_ITSELF: bool = WAITS_ITSELF;

    fn unique(&self) -> String {
        self.number.to_string()
    }

    fn limit_key(&self) -> Option<String> {
        Some(KEY.to_owned())
    }

    async fn run(self, stage: &Stage, attempt: &Attempt) -> Result<(), JobError> {
        let began = Clock::System.now();
        if self.held_up {
            stage.began.send((attempt.job, attempt.clone()))?;
            stage.curtain.acquire().await?.forget();
        }
        attempt.starts_at.reached().await?;
        stage.ran(began);
        Ok(())
    }
}

impl Stage {
    /// One that began then starts now.
    fn ran(&self, began: Millis) {
        let started = Clock::System.now();
        let mut rated = self.rated.lock().unwrap_or_else(PoisonError::into_inner);
        rated.push(Ran { began, started });
    }
}

pub(crate) async fn a_job_starts_when_its_rate_says_and_not_when_it_is_claimed(fixture: &Fixture) {
    run_all::<false>(fixture, |ran| ran.began).await;
}

pub(crate) async fn a_job_that_waits_itself_begins_before_it_may_start(fixture: &Fixture) {
    let ran = run_all::<true>(fixture, |ran| ran.started).await;
    let early = ran.iter().filter(|ran| ran.started - ran.began >= 10);
    assert!(early.count() > 0, "{ran:?}");
}

pub(crate) async fn those_that_were_held_up_do_not_start_together(fixture: &Fixture) {
    /// At fifty a second.
    const APART_MS: Millis = 20;
    /// Longer than a start is reserved before, and may be late.
    const LONG_MS: Millis = 200;
    /// How late a start may be that was not missed.
    const LATE_MS: Millis = 15;
    let keyring = keyring("k1");
    let (stage, mut heard) = stage();
    allow(fixture, 50).await;
    let client = client(fixture, &keyring).await;
    let jobs = jobs::<true>(true);
    try_join_all(jobs.iter().map(|job| client.add(job, origin())))
        .await
        .unwrap();
    let process = Plan::new(&keyring).start(fixture.another_handle().await, &stage);
    for _ in &jobs {
        heard.recv().await.expect("it begins");
    }
    let all_began = Clock::System.now();
    until("all have missed their starts", async || {
        Clock::System.now() > all_began + LONG_MS
    })
    .await;
    let opened = Clock::System.now();
    stage.curtain.add_permits(jobs.len());
    until("all have ended", async || fixture.counts().await == Counts::default()).await;
    process.end(GRACE).await;
    let ran = std::mem::take(&mut *stage.rated.lock().unwrap_or_else(PoisonError::into_inner));
    let mut starts: Vec<_> = ran.iter().map(|ran| ran.started - opened).collect();
    starts.sort_unstable();
    let early = (0..).zip(&starts).filter(|(turn, at)| **at < turn * APART_MS - LATE_MS);
    assert_eq!((early.count(), starts.len()), (0, jobs.len()), "{starts:?}");
}

fn jobs<const WAITS_ITSELF: bool>(held_up: bool) -> Vec<Rated<WAITS_ITSELF>> {
    (0..JOBS).map(|number| Rated { number, held_up }).collect()
}

/// So many starts of the key in a second.
async fn allow(fixture: &Fixture, count: u32) {
    let key = Key::new(KEY).unwrap();
    let limit = Limit {
        rate: Rate::new(count, Duration::from_secs(1)),
        ..Limit::default()
    };
    let now = Clock::System.now();
    let set = fixture.queue.set_limit(Queue::Default, &key, Some(limit), now);
    set.await.unwrap();
}

/// When each run began, and when it had waited for its start; none did so before its time.
async fn run_all<const WAITS_ITSELF: bool>(fixture: &Fixture, start: fn(&Ran) -> Millis) -> Vec<Ran> {
    let keyring = keyring("k1");
    let (stage, _heard) = stage();
    allow(fixture, 5).await;
    let client = client(fixture, &keyring).await;
    let jobs = jobs::<WAITS_ITSELF>(false);
    try_join_all(jobs.iter().map(|job| client.add(job, origin())))
        .await
        .unwrap();
    let backend = fixture.another_handle().await;
    // Nothing is claimed before, and so the first start is not reserved before.
    let before = Clock::System.now();
    let process = Plan::new(&keyring).start(backend, &stage);
    until("all have ended", async || fixture.counts().await == Counts::default()).await;
    process.end(GRACE).await;
    let ran = std::mem::take(&mut *stage.rated.lock().unwrap_or_else(PoisonError::into_inner));
    let mut starts: Vec<_> = ran.iter().map(start).collect();
    starts.sort_unstable();
    let early = (0..)
        .zip(&starts)
        .filter(|(turn, at)| **at < before + turn * INTERVAL_MS);
    assert_eq!(
        (early.count(), ran.len()),
        (0, jobs.len()),
        "{starts:?}, after {before}"
    );
    ran
}
