//! An installation in this process: store, queue, a clock that stands still, and workers that do what a test says.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use chrono::{DateTime, Utc};
use domain::{BulkAct, BulkActionId};
use jobs::bulk::{Asked, Selection, job_of};
use jobs::{ActOnDeadLetters, Ctx, Outside};
use queue::backend::{ClaimRequest, Claimed, DeadFilter, Outcome, Reason, State};
use queue::clock::{DAY_MS, day};
#[cfg(feature = "services")]
use queue::redis::RedisQueue;
use queue::sql::{SqlOptions, SqlQueue};
use queue::{Attempt, Backend, Backoff, Client, Clock, Job, JobError, JobId, Notes, Origin, Policy, Queue, StartsAt};
use seal::Keyring;
use serde::{Deserialize, Serialize};
use store::{BulkAction, ConnectOptions, Db, Store};
use uuid::Uuid;

/// What most letters died of, stripped.
pub(crate) const GROUPED: &str = "no room at <n>";
/// What others died of.
pub(crate) const OTHERWISE: &str = "something else";

const TENANT: Uuid = Uuid::from_u128(0xa11ce);
const SESSION: Uuid = Uuid::from_u128(0x5e55);
const LEASE_MS: i64 = 30_000;

/// More steps than any test needs.
const STEPS_MAX: usize = 500;

#[derive(Serialize, Deserialize)]
struct Probe {
    number: u32,
}

impl Job for Probe {
    type Ctx = ();
    const KIND: &'static str = "probe";
    const POLICY: Policy = Policy {
        queue: Queue::Default,
        attempts: 1,
        backoff: Backoff {
            first: std::time::Duration::from_secs(1),
            cap: std::time::Duration::from_secs(1),
        },
        timeout: std::time::Duration::from_secs(1),
        expires: None,
    };

    fn unique(&self) -> String {
        self.number.to_string()
    }

    async fn run(self, (): &(), _: &Attempt) -> Result<(), JobError> {
        Ok(())
    }
}

/// The job of that number.
pub(crate) fn id(number: u32) -> JobId {
    JobId::derive(Probe::KIND, TENANT, &number.to_string())
}

pub(crate) fn asked(act: BulkAct, selection: Selection, canary: Option<u32>) -> Asked {
    Asked {
        act,
        selection,
        canary,
        rate: 500,
        by: "ann".into(),
    }
}

pub(crate) struct Scene {
    pub(crate) ctx: Ctx,
    now: Arc<AtomicI64>,
    numbers: Mutex<BTreeMap<JobId, u32>>,
    runs: Mutex<BTreeMap<u32, u32>>,
    _kept: Vec<Box<dyn Any>>,
}

impl Scene {
    pub(crate) async fn sqlite() -> Self {
        let database = testkit::sqlite::fresh();
        let url = database.url().to_owned();
        let queue = SqlQueue::connect(&url, &SqlOptions::default()).unwrap();
        Self::over(&url, Arc::new(queue), vec![Box::new(database)]).await
    }

    #[cfg(feature = "services")]
    pub(crate) async fn postgres() -> Self {
        let database = testkit::postgres::fresh().await;
        let url = database.url().to_owned();
        let queue = SqlQueue::connect(&url, &SqlOptions::default()).unwrap();
        Self::over(&url, Arc::new(queue), vec![Box::new(database)]).await
    }

    /// The store is in an SQLite file.
    #[cfg(feature = "services")]
    pub(crate) async fn redis() -> Self {
        let (database, redis) = (testkit::sqlite::fresh(), testkit::redis::fresh());
        let url = database.url().to_owned();
        let queue = RedisQueue::connect(redis.url(), redis.prefix()).unwrap();
        Self::over(&url, Arc::new(queue), vec![Box::new(database), Box::new(redis)]).await
    }

    async fn over(url: &str, backend: Arc<dyn Backend>, kept: Vec<Box<dyn Any>>) -> Self {
        let db = Db::connect(url, &ConnectOptions::default()).await.unwrap();
        store::migrate(&db).await.unwrap();
        let keyring = Keyring::parse(&Keyring::generate("test")).unwrap();
        // Noon of this very day: Redis has a clock of its own and must not find everything long expired.
        let now = Arc::new(AtomicI64::new(
            i64::from(day(Clock::System.now())) * DAY_MS + DAY_MS / 2,
        ));
        let public_url = "http://localhost:8080".parse().unwrap();
        Self {
            ctx: Ctx {
                store: Store::new(db, keyring.clone()),
                queue: Client::new(backend, keyring, Clock::Manual(Arc::clone(&now))),
                outside: Outside::new(public_url, providers::StandIns::default()).unwrap(),
            },
            now,
            numbers: Mutex::default(),
            runs: Mutex::default(),
            _kept: kept,
        }
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &**self.ctx.queue.backend()
    }

    pub(crate) fn now(&self) -> i64 {
        self.now.load(Ordering::SeqCst)
    }

    pub(crate) fn time(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.now()).unwrap()
    }

    pub(crate) fn advance(&self, ms: i64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }

    /// How often each job ran since it was killed.
    pub(crate) fn runs(&self) -> BTreeMap<u32, u32> {
        self.runs.lock().unwrap().clone()
    }

    /// Makes dead letters, one every millisecond.
    pub(crate) async fn kill(&self, numbers: Range<u32>, stripped: &str) {
        for number in numbers {
            let origin = Origin {
                tenant: TENANT,
                correlation: Uuid::nil(),
            };
            self.ctx.queue.add(&Probe { number }, origin).await.unwrap();
            self.numbers.lock().unwrap().insert(id(number), number);
            let claimed = self.claim().await;
            self.settle(&claimed, |_| Some(stripped.replace("<n>", &number.to_string())))
                .await;
            self.advance(1);
        }
    }

    /// Runs what is ready; it dies if `dies` says so.
    pub(crate) async fn work(&self, dies: impl Fn(u32) -> bool) {
        let claimed = self.claim().await;
        let number = |claimed: &Claimed| self.numbers.lock().unwrap()[&claimed.id];
        for job in &claimed {
            *self.runs.lock().unwrap().entry(number(job)).or_default() += 1;
        }
        self.settle(&claimed, |job| dies(number(job)).then(|| "it died again".to_owned()))
            .await;
    }

    async fn claim(&self) -> Vec<Claimed> {
        let now = self.now();
        let request = ClaimRequest {
            queue: Queue::Default,
            lane: 0,
            want: 1000,
            session: SESSION,
            until: now + LEASE_MS,
            now,
        };
        self.backend().claim(&request).await.unwrap().jobs
    }

    async fn settle(&self, claimed: &[Claimed], error: impl Fn(&Claimed) -> Option<String>) {
        let Some(claim) = claimed.first().map(|job| job.ticket.claim) else {
            return;
        };
        let reason = Reason::Refused;
        let settles: Vec<_> = claimed
            .iter()
            .map(|job| {
                let outcome = match error(job) {
                    Some(error) => Outcome::Dead {
                        reason,
                        error: Some(error),
                    },
                    None => Outcome::Done,
                };
                job.ended(day(self.now()), outcome)
            })
            .collect();
        let held = self
            .backend()
            .settle(Queue::Default, &settles, &[claim], self.now())
            .await;
        assert!(held.unwrap().into_iter().all(|held| held));
    }

    pub(crate) async fn begin(&self, asked: Asked) -> BulkActionId {
        let begun = jobs::bulk::begin(&self.ctx.store, &self.ctx.queue, asked, self.time()).await;
        begun.unwrap().unwrap().id
    }

    pub(crate) async fn action(&self, id: BulkActionId) -> BulkAction {
        self.ctx.store.bulk_action(id).await.unwrap().unwrap()
    }

    /// Runs the job of the present step to its end.
    pub(crate) async fn step(&self, id: BulkActionId) {
        let step = self.action(id).await.step;
        self.run(ActOnDeadLetters { action: id, step }).await;
    }

    /// Works on the action until it has ended, with workers in between. `cuts` says after how many waits the first run of
    /// each job dies.
    pub(crate) async fn drive(
        &self,
        id: BulkActionId,
        mut cuts: impl FnMut() -> Option<u32>,
        dies: impl Fn(u32) -> bool,
    ) -> BulkAction {
        for _ in 0..STEPS_MAX {
            let action = self.action(id).await;
            if action.state.is_ended() {
                return action;
            }
            let job = ActOnDeadLetters {
                action: id,
                step: action.step,
            };
            if let Some(waits) = cuts() {
                let first = job.clone();
                let attempt = attempt(&first);
                drop(cut_short(first.run(&self.ctx, &attempt), waits).await);
                // What the dead worker had retried may run, and die again, before anybody takes over.
                self.advance(1000);
                self.work(&dies).await;
            }
            self.run(job).await;
            let action = self.action(id).await;
            if action.state.is_live() {
                let next = self.backend().find(job_of(&action)).await.unwrap();
                assert!(next.is_some(), "nothing goes on with {action:?}");
            }
            self.advance(1000);
            self.work(&dies).await;
        }
        panic!("it never ends: {:?}", self.action(id).await);
    }

    /// Runs a job of an action to its end: again when it is told to try again, as a worker would.
    pub(crate) async fn run(&self, job: ActOnDeadLetters) {
        for _ in 0..ActOnDeadLetters::POLICY.attempts {
            let attempt = attempt(&job);
            match job.clone().run(&self.ctx, &attempt).await {
                Ok(()) | Err(JobError::Snooze(_)) => return,
                // A row may still be locked by a worker that died: until the database notices.
                Err(JobError::Retry(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        panic!("it fails for ever: {job:?}");
    }

    /// The letters that failed, with the reason of each.
    pub(crate) async fn failed(&self, id: BulkActionId) -> BTreeMap<u32, String> {
        let failed = self.ctx.store.failed_letters(id, None, 500).await.unwrap();
        let numbers = self.numbers.lock().unwrap();
        failed
            .into_iter()
            .map(|letter| (numbers[&JobId(letter.job)], letter.reason))
            .collect()
    }

    pub(crate) async fn dead(&self) -> BTreeSet<u32> {
        self.latest_dead(1000).await.into_iter().collect()
    }

    /// The numbers of dead letters, the latest first.
    pub(crate) async fn latest_dead(&self, most: usize) -> Vec<u32> {
        let mut found = Vec::new();
        let mut cursor = None;
        loop {
            let page = self
                .backend()
                .list_dead(&DeadFilter::default(), cursor.as_deref(), 1000)
                .await
                .unwrap();
            let numbers = self.numbers.lock().unwrap();
            let is_dead = |kept: &queue::backend::Kept| matches!(kept.state, State::Dead { .. });
            found.extend(
                page.items
                    .iter()
                    .filter(|kept| is_dead(kept))
                    .map(|kept| numbers[&kept.id]),
            );
            cursor = page.next_cursor;
            if cursor.is_none() || found.len() >= most {
                found.truncate(most);
                return found;
            }
        }
    }
}

fn attempt(job: &ActOnDeadLetters) -> Attempt {
    Attempt {
        job: JobId::derive(ActOnDeadLetters::KIND, Uuid::nil(), &job.unique()),
        tenant: Uuid::nil(),
        number: 1,
        correlation: Uuid::nil(),
        starts_at: StartsAt::default(),
        notes: Notes::default(),
    }
}

/// Lets `work` go on until it has waited so many times, then drops it. `None`: dropped.
async fn cut_short<T>(work: impl Future<Output = T>, waits: u32) -> Option<T> {
    let mut work = pin!(work);
    let mut left = waits;
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}
