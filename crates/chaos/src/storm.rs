//! Does what was planned, and writes down when.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use testkit::Proxy;
use testkit::process::Signal;
use tokio::time::{Instant, sleep, sleep_until};

use crate::book::{Millis, now};
use crate::fault::{Break, Fault, Part};
use crate::fleet::Role;
use crate::plan::{Backend, Plan, Planned};
use crate::site::Site;
use crate::versions::Version;

/// How long the run's own calls to Redis may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What Redis allows when nobody has filled it.
const REDIS_CLIENTS_USUAL: u32 = 10_000;

/// A fault that was.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    pub(crate) fault: Fault,
    pub(crate) from: Millis,
    pub(crate) to: Millis,
    /// Nothing could be kept from `from` to `to`: whatever was promised wholly within was a lie.
    pub(crate) no_queue: bool,
}

/// Everything that was done so far.
#[derive(Debug, Default)]
pub(crate) struct Diary(Mutex<Vec<Happened>>);

impl Diary {
    /// All of it.
    pub(crate) fn pages(&self) -> Vec<Happened> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self, happened: Happened) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(happened);
    }
}

/// Does everything that was planned.
pub(crate) async fn rage(site: &Site, backend: Backend, plan: &Plan, diary: &Diary) -> anyhow::Result<()> {
    let begin = Instant::now();
    let lanes = plan.lanes.iter().map(async |lane| {
        for planned in lane {
            sleep_until(begin + planned.at).await;
            let storm = Storm { site, backend, planned };
            let (from, to) = storm.strike().await?;
            diary.write(Happened {
                no_queue: storm.takes_the_queue_away(),
                fault: planned.fault.clone(),
                from,
                to,
            });
        }
        Ok::<_, anyhow::Error>(())
    });
    futures_util::future::try_join_all(lanes).await?;
    sleep_until(begin + plan.length).await;
    Ok(())
}

/// One fault, and what it is done to.
struct Storm<'a> {
    site: &'a Site,
    backend: Backend,
    planned: &'a Planned,
}

impl Storm<'_> {
    /// Answers from when to when it was in full effect.
    async fn strike(&self) -> anyhow::Result<(Millis, Millis)> {
        match &self.planned.fault {
            Fault::WorkerKilled => Ok(self.killed(self.worker()).await),
            Fault::WebKilled => Ok(self.killed(self.place(Role::Web)).await),
            Fault::ClockKilled => Ok(self.killed(self.place(Role::Clock)).await),
            Fault::WorkerFrozen => Ok(self.frozen().await),
            Fault::WorkerEnded => Ok(self.ended().await),
            Fault::FormerVersion => Ok(self.replaced(Version::Former).await),
            Fault::NextVersion => Ok(self.replaced(Version::Next).await),
            Fault::Killed(part) => self.server_away(*part, false).await,
            Fault::Restarted(part) => self.server_away(*part, true).await,
            Fault::Wire(part, how) => Ok(self.broken(self.wire(*part), *how).await),
            Fault::PoolFilled(Part::Postgres) => self.postgres_full().await,
            Fault::PoolFilled(Part::Redis) => self.redis_full().await,
            Fault::FileLocked => self.file_locked().await,
            Fault::Provider(ill) => {
                self.site.simulator.set_fault(ill.fault())?;
                let span = self.lasting().await;
                self.site.simulator.clear_faults();
                Ok(span)
            }
        }
    }

    /// Whether nothing could be added while it lasted.
    fn takes_the_queue_away(&self) -> bool {
        let of = match self.backend {
            Backend::Sqlite => return self.planned.fault == Fault::FileLocked,
            Backend::Postgres => Part::Postgres,
            Backend::Redis => Part::Redis,
        };
        match self.planned.fault {
            Fault::Killed(part) | Fault::Restarted(part) => part == of,
            Fault::Wire(part, how) => part == of && how != Break::Dropped,
            _ => false,
        }
    }

    async fn lasting(&self) -> (Millis, Millis) {
        let from = now();
        sleep(self.planned.lasts).await;
        (from, now())
    }

    fn place(&self, role: Role) -> usize {
        let places = self.site.fleet.places(role);
        places[self.planned.pick % places.len()]
    }

    fn worker(&self) -> usize {
        self.place(Role::Worker)
    }

    async fn killed(&self, place: usize) -> (Millis, Millis) {
        self.site.fleet.kill(place);
        let span = self.lasting().await;
        self.site.fleet.put(place, None);
        span
    }

    async fn frozen(&self) -> (Millis, Millis) {
        self.site.fleet.signal(self.worker(), Signal::Stop);
        let span = self.lasting().await;
        self.site.fleet.signal(self.worker(), Signal::Continue);
        span
    }

    async fn ended(&self) -> (Millis, Millis) {
        self.site.fleet.end(self.worker()).await;
        let span = self.lasting().await;
        self.site.fleet.put(self.worker(), None);
        span
    }

    async fn replaced(&self, version: Version) -> (Millis, Millis) {
        let (fleet, place) = (&self.site.fleet, self.worker());
        fleet.end(place).await;
        fleet.put(place, Some(version));
        let span = self.lasting().await;
        fleet.end(place).await;
        fleet.put(place, None);
        span
    }

    async fn server_away(&self, part: Part, in_order: bool) -> anyhow::Result<(Millis, Millis)> {
        match (part, &self.site.ground.postgres, &self.site.ground.redis) {
            (Part::Postgres, Some(postgres), _) => {
                let mut server = postgres.server.lock().await;
                if in_order {
                    server.stop().await;
                } else {
                    server.kill().await?;
                }
                let span = self.lasting().await;
                server.start_again().await?;
                Ok(span)
            }
            (Part::Redis, _, Some(redis)) => {
                let mut server = redis.server.lock().await;
                if in_order {
                    server.program().signal(Signal::Terminate);
                    server.program().finished().await;
                } else {
                    server.kill();
                }
                let span = self.lasting().await;
                server.restart().await;
                Ok(span)
            }
            _ => anyhow::bail!("the plan names a server that this backend has not"),
        }
    }

    fn wire(&self, part: Part) -> Option<&Proxy> {
        let ground = &self.site.ground;
        match part {
            Part::Postgres => ground.postgres.as_ref().map(|place| &place.wire),
            Part::Redis => ground.redis.as_ref().map(|place| &place.wire),
        }
    }

    async fn broken(&self, wire: Option<&Proxy>, how: Break) -> (Millis, Millis) {
        let Some(wire) = wire else { return (now(), now()) };
        match how {
            Break::Dropped => wire.drop_connections(),
            Break::Cut => wire.cut(),
            Break::Stalled => wire.hang(),
            Break::Mute => wire.mute(),
            Break::HalfClosed => wire.close_half(),
        }
        let span = self.lasting().await;
        wire.restore();
        span
    }

    /// Takes every connection that there is, when the installation has just lost its own.
    async fn postgres_full(&self) -> anyhow::Result<(Millis, Millis)> {
        let Some(postgres) = &self.site.ground.postgres else {
            anyhow::bail!("there is no Postgres to fill");
        };
        postgres.wire.drop_connections();
        let until = Instant::now() + self.planned.lasts;
        let from = now();
        let mut taken = Vec::new();
        while Instant::now() < until {
            match PgConnection::connect(&postgres.direct).await {
                Ok(connection) => taken.push(connection),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
        let to = now();
        for connection in taken {
            // It is gone either way.
            let _ = connection.close().await;
        }
        Ok((from, to))
    }

    async fn redis_full(&self) -> anyhow::Result<(Millis, Millis)> {
        let Some(redis) = &self.site.ground.redis else {
            anyhow::bail!("there is no Redis to fill");
        };
        let client = redis::Client::open(redis.direct.as_str())?;
        // On a machine that is busy with the run an answer may take longer than the usual half second.
        let patient = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        let mut connection = client.get_multiplexed_async_connection_with_config(&patient).await?;
        allow_clients(&mut connection, 1).await?;
        redis.wire.drop_connections();
        let span = self.lasting().await;
        allow_clients(&mut connection, REDIS_CLIENTS_USUAL).await?;
        Ok(span)
    }

    /// Writes to the file, and does not come to an end: nobody else can.
    async fn file_locked(&self) -> anyhow::Result<(Millis, Millis)> {
        let url = self.site.ground.database_url(true);
        let options = SqliteConnectOptions::new().filename(url.trim_start_matches("sqlite://"));
        let mut connection = options.busy_timeout(Duration::from_secs(60)).connect().await?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
        let span = self.lasting().await;
        sqlx::query("ROLLBACK").execute(&mut connection).await?;
        connection.close().await?;
        Ok(span)
    }
}

async fn allow_clients(connection: &mut MultiplexedConnection, clients: u32) -> redis::RedisResult<()> {
    let mut command = redis::cmd("CONFIG");
    command.arg("SET").arg("maxclients").arg(clients);
    command.query_async(connection).await
}
