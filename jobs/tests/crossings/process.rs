//! Processes that run one job.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{Channel, TenantId};
use jobs::sending::Sending;
use jobs::{Ctx, Outside, SendEmail, SendSms};
use providers::StandIns;
use queue::backend::{ClaimRequest, Outcome};
use queue::clock::{Clock, day};
use queue::envelope::Envelope;
use queue::sql::{SqlOptions, SqlQueue};
use queue::{Attempt, Client, Job, JobError, JobId, Notes, Queue, StartsAt};
use seal::Keyring;
use store::{ConnectOptions, Db, Store};
use tokio::time::Instant;
use uuid::Uuid;

use crate::place::Place;

/// How often a job runs at most before it has ended: found, asked about, sent.
const RUNS_MAX: usize = 6;

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Done,
    Dead,
}

/// What a process needs to know.
struct Startup {
    url: String,
    keyring: String,
    stand_ins: StandIns,
    tenant: Uuid,
}

impl Place {
    fn startup(&self) -> Startup {
        Startup {
            url: self.url.clone(),
            keyring: self.keyring.clone(),
            stand_ins: self.stand_ins(),
            tenant: self.tenant.0,
        }
    }

    /// A process runs the job and dies after it has waited so many times. Whether it lived to the end.
    pub(crate) async fn run_cut_short(&self, sending: &Sending, waits: u32) -> bool {
        let (startup, sending) = (self.startup(), sending.clone());
        let process = move || {
            let runtime = runtime();
            let ended = runtime.block_on(async {
                let ctx = startup.ctx().await;
                cut_short(run(&ctx, startup.tenant, sending, StartsAt::default()), waits).await
            });
            // Nothing of it goes on: no query, no request, no connection that says good-bye.
            runtime.shutdown_background();
            ended.is_some()
        };
        tokio::task::spawn_blocking(process).await.unwrap()
    }
}

/// A process that lives.
pub(crate) struct Survivor {
    ctx: Ctx,
    tenant: Uuid,
}

impl Survivor {
    pub(crate) async fn start(place: &Place) -> Self {
        Self {
            ctx: place.startup().ctx().await,
            tenant: place.tenant.0,
        }
    }

    /// Runs the job, and those that follow from it, until nothing is left to do.
    pub(crate) async fn run_to_the_end(&self, sending: &Sending) -> Ended {
        let mut ended = self.run_until_it_ends(sending).await;
        while let Some(next) = self.next_job().await {
            ended = self.run_until_it_ends(&next).await;
        }
        ended
    }

    /// Runs the job once.
    pub(crate) async fn run_once(&self, sending: &Sending) -> Result<(), JobError> {
        run(&self.ctx, self.tenant, sending.clone(), StartsAt::default()).await
    }

    /// Runs the job under a rate that lets it start then; when its attempt began.
    pub(crate) async fn run_at(&self, sending: &Sending, start: Instant) -> DateTime<Utc> {
        let ran = run(&self.ctx, self.tenant, sending.clone(), StartsAt::at(start)).await;
        ran.unwrap();
        let attempts = self.ctx.store.attempts(TenantId(self.tenant), sending.message.id);
        attempts.await.unwrap()[0].started_at
    }

    /// Runs the job, which comes too late for its start; for how long it is put off.
    pub(crate) async fn run_too_late(&self, sending: &Sending, next_start_in: Duration) -> Duration {
        let starts_at = StartsAt::missed(next_start_in);
        match run(&self.ctx, self.tenant, sending.clone(), starts_at).await {
            Err(JobError::Snooze(wait)) => wait,
            other => panic!("it is not put off: {other:?}"),
        }
    }

    async fn run_until_it_ends(&self, sending: &Sending) -> Ended {
        for _ in 0..RUNS_MAX {
            a_lease_passes(&self.ctx.store).await;
            match self.run_once(sending).await {
                Ok(()) => return Ended::Done,
                Err(JobError::Dead(_)) => return Ended::Dead,
                Err(_) => {}
            }
        }
        panic!("it does not end");
    }

    /// Takes the job that was added, if there is one.
    async fn next_job(&self) -> Option<Sending> {
        let (backend, now) = (self.ctx.queue.backend(), self.ctx.queue.clock().now());
        let request = ClaimRequest {
            queue: Queue::Default,
            lane: 0,
            want: 1,
            session: Uuid::from_u128(1),
            until: now + 60_000,
            now,
        };
        let claims = backend.claim(&request).await.unwrap();
        let job = claims.jobs.first()?;
        let envelope = Envelope::decode(&job.body).unwrap();
        let payload = envelope.open(job.id, self.ctx.queue.keyring()).unwrap();
        let settle = job.ended(day(now), Outcome::Done);
        backend
            .settle(Queue::Default, &[settle], &[job.ticket.claim], now)
            .await
            .unwrap();
        Some(serde_json::from_slice(&payload).unwrap())
    }
}

impl Startup {
    async fn ctx(&self) -> Ctx {
        let keyring = || Keyring::parse(&self.keyring).unwrap();
        let options = ConnectOptions {
            connections: 1,
            ..ConnectOptions::default()
        };
        let db = Db::connect(&self.url, &options).await.unwrap();
        let patient = SqlOptions {
            call_limit: Duration::from_secs(30),
            ..SqlOptions::default()
        };
        let queue = SqlQueue::connect(&self.url, &patient).unwrap();
        let public_url = "https://relais.example.com".parse().unwrap();
        Ctx {
            store: Store::new(db, keyring()),
            queue: Client::new(Arc::new(queue), keyring(), Clock::System),
            outside: Outside::new(public_url, self.stand_ins.clone()).unwrap(),
        }
    }
}

/// Attempts began a minute earlier than they did, so that nobody may be at them any more.
async fn a_lease_passes(store: &Store) {
    let earlier = "UPDATE message_attempts SET started_at = started_at - 60000 WHERE state = 'intended'";
    match store.db() {
        Db::Postgres(pool) => drop(sqlx::query(earlier).execute(pool).await.unwrap()),
        Db::Sqlite { writer, .. } => drop(sqlx::query(earlier).execute(writer).await.unwrap()),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

async fn run(ctx: &Ctx, tenant: Uuid, sending: Sending, starts_at: StartsAt) -> Result<(), JobError> {
    let attempt = Attempt {
        job: JobId::derive("send", tenant, &sending.unique()),
        tenant,
        number: 1,
        correlation: Uuid::nil(),
        starts_at,
        notes: Notes::default(),
    };
    match sending.message.channel {
        Channel::Email => SendEmail::new(sending).run(ctx, &attempt).await,
        _ => SendSms::new(sending).run(ctx, &attempt).await,
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
