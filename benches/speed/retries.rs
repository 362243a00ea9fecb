//! Live work, and a bulk action on dead letters that begins beside it: in a process of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::queue::backend::{DeadFilter, Failure, NewDead, NewJob, Reason};
use ::queue::envelope::{Envelope, seal_payload};
use ::queue::grouping::{GroupId, strip};
use ::queue::{Attempt, Client, Clock, Job, JobError, JobId, Keys, Millis, Origin, Policy, Queue};
use domain::BulkAct;
use jobs::bulk::{Asked, Selection};
use jobs::{Ctx, Outside};
use seal::Keyring;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _};
use store::{BulkAction, ConnectOptions, Db, Store};
use uuid::Uuid;

use crate::figures::Spread;
use crate::place::Place;
use crate::waits::Waits;
use crate::work::{GRACE, POLICY, serve};

/// Of the queues `default` and `bulk` of a `relais worker`, if nobody says otherwise.
const SLOTS: [(Queue, usize); 2] = [(Queue::Default, 32), (Queue::Bulk, 16)];

/// The letters died of so many things, one as often as the other.
pub(crate) const ERRORS: usize = 20;

/// Letters of one call.
const IMPORTED_AT_ONCE: usize = 500;

/// The pause between live jobs.
pub(crate) const LIVE_EVERY: Duration = Duration::from_millis(10);

/// What to do, and where.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) place: Place,
    /// The store's.
    pub(crate) database: String,
    pub(crate) keys: String,
    pub(crate) letters: usize,
    /// Live jobs that are timed before the action. While it goes on, as many as there is time for.
    pub(crate) live: usize,
}

/// How it went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// From the call that adds a live job to its run: before the action and while it goes on.
    pub(crate) calm: Spread,
    pub(crate) beside: Spread,
    /// Letters that were retried, and in how many seconds.
    pub(crate) retried: u64,
    pub(crate) seconds: f64,
    /// How often its progress had changed, looked at every second.
    pub(crate) looks: usize,
}

/// A dead letter, when it runs again.
#[derive(Serialize, Deserialize)]
struct Letter {
    number: usize,
}

impl Job for Letter {
    type Ctx = Ctx;
    const KIND: &'static str = "bench_letter";
    const POLICY: Policy = POLICY;

    fn unique(&self) -> String {
        self.number.to_string()
    }

    async fn run(self, _: &Ctx, _: &Attempt) -> Result<(), JobError> {
        Ok(())
    }
}

/// A job that is no letter.
#[derive(Serialize, Deserialize)]
struct Live {
    number: usize,
}

/// Of live jobs. Jobs of relais run with them, so that it cannot stand in what jobs run with.
static WAITS: Waits = Waits::new();

impl Job for Live {
    type Ctx = Ctx;
    const KIND: &'static str = "bench_live";
    const POLICY: Policy = POLICY;

    fn unique(&self) -> String {
        self.number.to_string()
    }

    async fn run(self, _: &Ctx, _: &Attempt) -> Result<(), JobError> {
        WAITS.ran(self.number);
        Ok(())
    }
}

#[tokio::main(worker_threads = 2)]
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Outcome> {
    let keyring = Keyring::parse(&plan.keys)?;
    let backend = plan.place.backend()?;
    let store = Store::new(
        Db::connect(&plan.database, &ConnectOptions::default()).await?,
        keyring.clone(),
    );
    let client = Client::new(Arc::clone(&backend), keyring.clone(), Clock::System);
    let now = Clock::System.now();
    for first in (0..plan.letters).step_by(IMPORTED_AT_ONCE) {
        let numbers = first..plan.letters.min(first + IMPORTED_AT_ONCE);
        let letters: Vec<_> = numbers.map(|number| letter(number, &keyring, now)).collect();
        backend.import_dead(&letters, now).await?;
    }
    let outside = Outside::new("http://127.0.0.1/".parse()?, providers::StandIns::default())?;
    let ctx = Arc::new(Ctx {
        store: store.clone(),
        queue: client.clone(),
        outside,
    });
    let registry = || jobs::registry().with::<Letter>().with::<Live>();
    let workers = SLOTS.map(|(queue, slots)| serve(&backend, keyring.clone(), &ctx, registry(), queue, slots));
    // What it takes to connect is nobody's wait.
    live(&client, |added| added < plan.live / 10).await?;
    settle_down(plan).await?;
    let calm = live(&client, |added| added < plan.live).await?;
    let action = begin(&store, &client).await?;
    let began = Instant::now();
    let has_ended = AtomicBool::new(false);
    let watched = async {
        let looks = progress(&store, &action).await;
        has_ended.store(true, Ordering::Relaxed);
        looks
    };
    let beside = live(&client, |_| !has_ended.load(Ordering::Relaxed));
    let (beside, looks) = tokio::try_join!(beside, watched)?;
    let seconds = began.elapsed().as_secs_f64();
    let ended = store.bulk_action(action.id).await?.unwrap_or(action);
    for (pump, worker) in workers {
        pump.end(GRACE).await;
        worker.await?;
    }
    Ok(Outcome {
        calm,
        beside,
        retried: ended.done,
        seconds,
        looks,
    })
}

fn letter(number: usize, keyring: &Keyring, now: Millis) -> NewDead {
    let payload = Letter { number };
    let tenant = Uuid::from_u128(100 + number as u128 % 50);
    let id = JobId::derive(Letter::KIND, tenant, &payload.unique());
    let payload = serde_json::to_vec(&payload).unwrap_or_default();
    let body = Envelope {
        created_at: now,
        expires_at: None,
        correlation: Uuid::from_u128(number as u128),
        kind: Letter::KIND,
        sealed: &seal_payload(id, Letter::KIND, &payload, keyring),
    };
    NewDead {
        job: NewJob {
            id,
            queue: Queue::Default,
            tenant,
            run_at: now,
            keys: Keys::default(),
            body: body.encode(),
        },
        reason: Reason::Attempts,
        // One after the other, as they do.
        died_at: now - 1_000_000 + number as Millis % 1_000_000,
        attempts: 1,
        errors: vec![Failure {
            attempt: 1,
            at: now,
            error: error(number % ERRORS, number),
            excerpt: None,
        }],
    }
}

fn error(which: usize, number: usize) -> String {
    let letter = char::from(b'a'.saturating_add(u8::try_from(which).unwrap_or_default()));
    format!("the provider answered {number}: failure of kind {letter}{letter}")
}

/// What was written before is on the disk when measuring begins: its writing back would keep live work waiting.
async fn settle_down(plan: &Plan) -> anyhow::Result<()> {
    for url in [&plan.place.url, &plan.database] {
        if url.starts_with("postgres") {
            PgConnection::connect(url).await?.execute("CHECKPOINT").await?;
        }
    }
    let written = tokio::process::Command::new("sync").status().await?;
    anyhow::ensure!(written.success(), "`sync` failed: {written}");
    Ok(())
}

/// Adds live jobs, as long as it goes on with so many added; answers how long they waited.
async fn live(client: &Client, goes_on: impl Fn(usize) -> bool) -> anyhow::Result<Spread> {
    let origin = Origin {
        tenant: Uuid::from_u128(7),
        correlation: Uuid::from_u128(8),
    };
    let mut beat = tokio::time::interval(LIVE_EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count = 0;
    while goes_on(count) {
        beat.tick().await;
        let live = Live { number: WAITS.add() };
        client.add(&live, origin).await?;
        count += 1;
    }
    let began = Instant::now();
    while WAITS.count() < count {
        anyhow::ensure!(began.elapsed() < GRACE, "live jobs never ran");
        beat.tick().await;
    }
    Ok(Spread::of(WAITS.take()))
}

async fn begin(store: &Store, client: &Client) -> anyhow::Result<BulkAction> {
    let group = GroupId::of(Letter::KIND, Reason::Attempts, &strip(&error(3, 3)));
    let asked = Asked {
        act: BulkAct::Retry,
        selection: Selection(DeadFilter {
            group: Some(group),
            ..DeadFilter::default()
        }),
        canary: None,
        rate: domain::bulk::RATE_USUAL,
        by: "the bench".to_owned(),
    };
    let begun = jobs::bulk::begin(store, client, asked, chrono::Utc::now()).await?;
    begun.ok_or_else(|| anyhow::anyhow!("no letter is in the group"))
}

/// Waits for the action's end; answers how often it had gone on, looked at every second.
async fn progress(store: &Store, action: &BulkAction) -> anyhow::Result<usize> {
    let (mut looks, mut last) = (0, 0);
    let mut beat = tokio::time::interval(Duration::from_secs(1));
    loop {
        beat.tick().await;
        let found = store.bulk_action(action.id).await?;
        let Some(found) = found else { return Ok(looks) };
        looks += usize::from(found.done > last);
        last = found.done;
        if found.state.is_ended() {
            return Ok(looks);
        }
    }
}
