//! A storage of its own for one test, the handles on it, a clock that stands still, and short words for long calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use queue::backend::{Added, ClaimRequest, Claimed, Claims, Counts, Kept, NewJob, Outcome, Purged, Settle, Sweep};
use queue::clock::{DAY_MS, day, millis};
use queue::envelope::Envelope;
use queue::{AfterDeath, Backend, Clock, JobId, Key, Keys, LEASE, Limit, Millis, Order, Pause, Queue, Rate, Scope};
use uuid::Uuid;

use super::memory::Memory;

/// The tenant of jobs whose tenant does not matter.
pub(crate) const TENANT: Uuid = Uuid::from_u128(0xa11ce);
/// Another tenant.
pub(crate) const OTHER_TENANT: Uuid = Uuid::from_u128(0xb0b);
/// The worker process of claims that do not say.
pub(crate) const SESSION: Uuid = Uuid::from_u128(0x5e55);

/// The length of leases here.
pub(crate) const LEASE_MS: Millis = LEASE.as_millis() as Millis;

/// After this long, what a test waits for is taken for never coming.
pub(crate) const FAILURE_LIMIT: Duration = Duration::from_secs(30);

/// Where the jobs of one test are; removed with it.
enum Storage {
    Memory(Memory),
    Sqlite(testkit::sqlite::TempSqlite),
    #[cfg(feature = "services")]
    Postgres(testkit::postgres::TempPostgres),
    #[cfg(feature = "services")]
    Redis(testkit::redis::TempRedis),
}

/// An empty queue of one backend.
pub(crate) struct Fixture {
    /// The handle that the short words use. Before the storage, so that it is gone first.
    pub(crate) queue: Arc<dyn Backend>,
    storage: Storage,
    now: Arc<AtomicI64>,
}

impl Fixture {
    pub(crate) async fn memory() -> Self {
        Self::of(Storage::Memory(Memory::default())).await
    }

    pub(crate) async fn sqlite() -> Self {
        let database = testkit::sqlite::fresh();
        migrate_sqlite(database.url()).await;
        Self::of(Storage::Sqlite(database)).await
    }

    #[cfg(feature = "services")]
    pub(crate) async fn postgres() -> Self {
        let database = testkit::postgres::fresh_from_template("queue", migrate_postgres).await;
        Self::of(Storage::Postgres(database)).await
    }

    #[cfg(feature = "services")]
    pub(crate) async fn redis() -> Self {
        Self::of(Storage::Redis(testkit::redis::fresh())).await
    }

    async fn of(storage: Storage) -> Self {
        // Noon of this very day: backends whose storage has a clock of its own must not find everything long expired,
        // and no test may cross midnight without meaning to.
        let today = day(Clock::System.now());
        let now = Arc::new(AtomicI64::new(i64::from(today) * DAY_MS + DAY_MS / 2));
        Self {
            queue: handle(&storage),
            storage,
            now,
        }
    }

    /// Another handle on the same storage, as another process has one.
    pub(crate) async fn another_handle(&self) -> Arc<dyn Backend> {
        handle(&self.storage)
    }

    /// The clock of this fixture.
    pub(crate) fn clock(&self) -> Clock {
        Clock::Manual(Arc::clone(&self.now))
    }

    pub(crate) fn now(&self) -> Millis {
        self.now.load(Ordering::SeqCst)
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, by: Millis) {
        self.now.fetch_add(by, Ordering::SeqCst);
    }

    /// A job of [`TENANT`] in the default queue that may start now.
    pub(crate) fn job(&self, key: &str) -> NewJob {
        self.job_of(TENANT, key)
    }

    pub(crate) fn job_of(&self, tenant: Uuid, key: &str) -> NewJob {
        let id = JobId::derive("test", tenant, key);
        NewJob {
            id,
            queue: Queue::Default,
            tenant,
            run_at: self.now(),
            keys: Keys::default(),
            body: self.body(key),
        }
    }

    pub(crate) fn job_in(&self, queue: Queue, key: &str) -> NewJob {
        NewJob {
            queue,
            ..self.job(&format!("{queue} {key}"))
        }
    }

    pub(crate) fn job_at(&self, run_at: Millis, key: &str) -> NewJob {
        NewJob {
            run_at,
            ..self.job(key)
        }
    }

    /// A job that counts under a limit key.
    pub(crate) fn limited(&self, limit: &str, key: &str) -> NewJob {
        let keys = Keys {
            limit: Key::new(limit),
            order: None,
        };
        NewJob {
            keys,
            ..self.job(&format!("{limit} {key}"))
        }
    }

    /// A job of a line.
    pub(crate) fn ordered(&self, line: &str, after_death: AfterDeath, key: &str) -> NewJob {
        let order = Key::new(line).map(|key| Order { key, after_death });
        NewJob {
            keys: Keys { limit: None, order },
            ..self.job(&format!("{line} {key}"))
        }
    }

    /// Stops claims from a queue, or resumes them.
    pub(crate) async fn pause(&self, queue: Queue, paused: bool) {
        let scope = Scope::Queue(queue);
        if paused {
            self.queue.pause(&self.a_pause(scope)).await.unwrap();
        } else {
            self.queue.resume(&scope).await.unwrap();
        }
    }

    pub(crate) fn a_pause(&self, scope: Scope) -> Pause {
        let by = "an operator".to_owned();
        Pause {
            scope,
            by,
            at: self.now(),
        }
    }

    pub(crate) async fn set_limit(&self, key: &str, limit: Option<Limit>) {
        let key = Key::new(key).unwrap();
        self.queue
            .set_limit(Queue::Default, &key, limit, self.now())
            .await
            .unwrap();
    }

    pub(crate) fn jobs(&self, count: usize, name: &str) -> Vec<NewJob> {
        (0..count).map(|number| self.job(&format!("{name} {number}"))).collect()
    }

    /// An envelope around `payload`, added now.
    pub(crate) fn body(&self, payload: &str) -> Vec<u8> {
        let sealed = payload.as_bytes();
        Envelope {
            created_at: self.now(),
            expires_at: None,
            correlation: Uuid::nil(),
            kind: "test",
            sealed,
        }
        .encode()
    }

    pub(crate) async fn add(&self, jobs: &[NewJob]) -> Vec<Added> {
        self.queue.add(jobs, self.now()).await.unwrap()
    }

    pub(crate) async fn add_one(&self, job: &NewJob) -> Added {
        self.add(std::slice::from_ref(job)).await[0]
    }

    pub(crate) fn request(&self, lane: u8, want: usize) -> ClaimRequest {
        let (now, until) = (self.now(), self.now() + LEASE_MS);
        ClaimRequest {
            queue: Queue::Default,
            lane,
            want,
            session: SESSION,
            until,
            now,
        }
    }

    /// Claims until `want` jobs are there or the backend says that there are no more.
    pub(crate) async fn claim_from(&self, lane: u8, want: usize) -> Vec<Claimed> {
        let mut jobs = Vec::new();
        while jobs.len() < want {
            let Claims { jobs: got, more, .. } =
                self.queue.claim(&self.request(lane, want - jobs.len())).await.unwrap();
            jobs.extend(got);
            if !more {
                break;
            }
        }
        jobs
    }

    pub(crate) async fn claim(&self, want: usize) -> Vec<Claimed> {
        self.claim_from(0, want).await
    }

    /// Claims the only job that may start.
    pub(crate) async fn claim_one(&self) -> Claimed {
        self.claim_one_from(0).await
    }

    pub(crate) async fn claim_one_from(&self, lane: u8) -> Claimed {
        let mut jobs = self.claim_from(lane, 10).await;
        assert_eq!(jobs.len(), 1, "exactly one job may start in lane {lane}");
        jobs.remove(0)
    }

    /// Adds a job and claims it.
    pub(crate) async fn running(&self, key: &str) -> Claimed {
        self.add_one(&self.job(key)).await;
        self.claim_one().await
    }

    /// Settles the only job of a claim.
    pub(crate) async fn settle(&self, claimed: &Claimed, outcome: Outcome) -> bool {
        self.settle_all(std::slice::from_ref(claimed), outcome).await[0]
    }

    /// Settles jobs that are all their claims have left.
    pub(crate) async fn settle_all(&self, claimed: &[Claimed], outcome: Outcome) -> Vec<bool> {
        let settles: Vec<_> = claimed.iter().map(|job| settle(job, outcome.clone())).collect();
        let mut finished: Vec<_> = claimed.iter().map(|job| job.ticket.claim).collect();
        finished.sort_unstable();
        finished.dedup();
        self.settle_call(&settles, &finished).await
    }

    /// Settles a job of a claim that has others left.
    pub(crate) async fn settle_part(&self, claimed: &Claimed, outcome: Outcome) -> bool {
        self.settle_call(&[settle(claimed, outcome)], &[]).await[0]
    }

    pub(crate) async fn settle_call(&self, settles: &[Settle], finished: &[i64]) -> Vec<bool> {
        self.queue
            .settle(Queue::Default, settles, finished, self.now())
            .await
            .unwrap()
    }

    /// Sweeps until nothing is left to do; sums up.
    pub(crate) async fn sweep(&self) -> Sweep {
        self.sweep_with(0.5).await
    }

    pub(crate) async fn sweep_with(&self, dice: f64) -> Sweep {
        let mut sum = Sweep::default();
        loop {
            let swept = self.queue.sweep(Queue::Default, self.now(), dice).await.unwrap();
            sum.next_due = swept.next_due;
            if swept.promoted + swept.rescued + swept.unheard + swept.poisoned == 0 {
                return sum;
            }
            sum.promoted += swept.promoted;
            sum.rescued += swept.rescued;
            sum.unheard += swept.unheard;
            sum.poisoned += swept.poisoned;
        }
    }

    /// The worker dies under everything that runs; its jobs are taken back and ready again in the next lane.
    pub(crate) async fn crash(&self) -> Sweep {
        self.advance(LEASE_MS + 1);
        let swept = self.sweep().await;
        self.advance(millis(queue::backend::CRASH_BACKOFF.cap));
        self.sweep().await;
        swept
    }

    /// Purges until nothing goes any more; answers how many dead letters went.
    pub(crate) async fn purge(&self, dead_before: Millis) -> u64 {
        let mut dead = 0;
        loop {
            let purged = self.queue.purge(Queue::Default, self.now(), dead_before).await.unwrap();
            if purged == Purged::default() {
                return dead;
            }
            dead += purged.dead;
        }
    }

    pub(crate) async fn counts(&self) -> Counts {
        self.queue.counts(Queue::Default).await.unwrap()
    }

    pub(crate) async fn find(&self, id: JobId) -> Option<Kept> {
        self.queue.find(id).await.unwrap()
    }

    /// A job that must be there.
    pub(crate) async fn kept(&self, id: JobId) -> Kept {
        self.find(id).await.expect("the job is kept")
    }

    /// Gives a job another body, and answers it.
    pub(crate) async fn rewritten(&self, id: JobId, payload: &str) -> Vec<u8> {
        let (old, new) = (self.kept(id).await.body, self.body(payload));
        assert!(self.queue.rewrite(id, &old, &new).await.unwrap(), "{id}");
        new
    }

    /// Adds a job, runs it, and makes it dead.
    pub(crate) async fn dead(&self, key: &str) -> JobId {
        let claimed = self.running(key).await;
        let reason = queue::backend::Reason::Refused;
        assert!(
            self.settle(
                &claimed,
                Outcome::Dead {
                    reason,
                    error: Some(format!("{key} is no good"))
                }
            )
            .await
        );
        claimed.id
    }
}

/// What a worker hands back for a job it claimed.
pub(crate) fn settle(claimed: &Claimed, outcome: Outcome) -> Settle {
    claimed.ended(
        Envelope::decode(&claimed.body).map_or(0, |envelope| day(envelope.created_at)),
        outcome,
    )
}

/// An answer that costs nothing.
pub(crate) fn put_off(run_at: Millis) -> Outcome {
    Outcome::Later {
        run_at,
        error: None,
        cool: false,
    }
}

/// At most so many at once.
pub(crate) fn at_once(most: u32) -> Option<Limit> {
    Some(Limit {
        rate: None,
        concurrency: Some(most),
    })
}

/// At most so many starts a second.
pub(crate) fn a_second(starts: u32) -> Option<Limit> {
    Some(Limit {
        rate: Rate::new(starts, Duration::from_secs(1)),
        concurrency: None,
    })
}

/// An answer that uses up an attempt.
pub(crate) fn failed(run_at: Millis, error: &str) -> Outcome {
    Outcome::Later {
        run_at,
        error: Some(error.to_owned()),
        cool: false,
    }
}

fn handle(storage: &Storage) -> Arc<dyn Backend> {
    match storage {
        Storage::Memory(memory) => Arc::new(memory.another()),
        Storage::Sqlite(database) => sql(database.url()),
        #[cfg(feature = "services")]
        Storage::Postgres(database) => sql(database.url()),
        #[cfg(feature = "services")]
        Storage::Redis(corner) => {
            let queue = queue::redis::RedisQueue::connect(corner.url(), corner.prefix());
            Arc::new(queue.unwrap_or_else(|error| panic!("the Redis queue does not connect: {error}")))
        }
    }
}

fn sql(url: &str) -> Arc<dyn Backend> {
    // Eight processes at once on a busy machine may keep one of them waiting: no promise is broken by that.
    let patient = queue::sql::SqlOptions {
        call_limit: FAILURE_LIMIT,
        ..queue::sql::SqlOptions::default()
    };
    let queue = queue::sql::SqlQueue::connect(url, &patient);
    Arc::new(queue.unwrap_or_else(|error| panic!("the SQL queue does not connect: {error}")))
}

/// The queue's own migrations; the store's, in the same folder, are none of this crate's business.
async fn migrate_sqlite(url: &str) {
    use sqlx::Connection as _;
    let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
    let schema = concat!(
        include_str!("../../../../migrations/sqlite/0001_queue.sql"),
        include_str!("../../../../migrations/sqlite/0005_dead_groups.sql"),
        include_str!("../../../../migrations/sqlite/0007_excerpts.sql"),
        include_str!("../../../../migrations/sqlite/0008_asks.sql")
    );
    sqlx::raw_sql(schema).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[cfg(feature = "services")]
async fn migrate_postgres(url: String) {
    use sqlx::Connection as _;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let schema = concat!(
        include_str!("../../../../migrations/postgres/0001_queue.sql"),
        include_str!("../../../../migrations/postgres/0005_dead_groups.sql"),
        include_str!("../../../../migrations/postgres/0007_excerpts.sql"),
        include_str!("../../../../migrations/postgres/0008_asks.sql")
    );
    sqlx::raw_sql(schema).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
