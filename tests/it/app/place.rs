//! Where an installation's store and queue are: every combination that is promised to behave alike.

use std::any::Any;
use std::sync::Arc;

use queue::Backend;
#[cfg(feature = "services")]
use queue::redis::RedisQueue;
use queue::sql::{SqlOptions, SqlQueue};

/// Store and queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Combination {
    /// Both in one SQLite file.
    Sqlite,
    /// Both in one Postgres.
    #[cfg(feature = "services")]
    Postgres,
    /// Store in Postgres, queue in Redis.
    #[cfg(feature = "services")]
    PostgresAndRedis,
    /// Store in an SQLite file, queue in Redis.
    #[cfg(feature = "services")]
    SqliteAndRedis,
}

/// Makes of `async fn NAME(Combination)` one test for each combination. Those that need a running service are compiled
/// with the feature `services` only.
macro_rules! on_every_combination {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use crate::app::Combination;

            #[tokio::test]
            async fn on_sqlite() {
                super::$name(Combination::Sqlite).await;
            }

            #[cfg(feature = "services")]
            #[tokio::test]
            async fn on_postgres() {
                super::$name(Combination::Postgres).await;
            }

            #[cfg(feature = "services")]
            #[tokio::test]
            async fn on_postgres_and_redis() {
                super::$name(Combination::PostgresAndRedis).await;
            }

            #[cfg(feature = "services")]
            #[tokio::test]
            async fn on_sqlite_and_redis() {
                super::$name(Combination::SqliteAndRedis).await;
            }
        }
    )+};
}
pub(crate) use on_every_combination;

/// Fresh databases of a combination, gone when this is dropped.
pub(super) struct Place {
    pub(super) database_url: String,
    pub(super) redis: Option<(String, String)>,
    _kept: Vec<Box<dyn Any>>,
}

impl Place {
    pub(super) async fn fresh(combination: Combination) -> Self {
        match combination {
            Combination::Sqlite => Self::sqlite(),
            #[cfg(feature = "services")]
            Combination::Postgres => Self::postgres().await,
            #[cfg(feature = "services")]
            Combination::PostgresAndRedis => Self::postgres().await.and_redis(),
            #[cfg(feature = "services")]
            Combination::SqliteAndRedis => Self::sqlite().and_redis(),
        }
    }

    fn sqlite() -> Self {
        let database = testkit::sqlite::fresh();
        Self {
            database_url: database.url().to_owned(),
            redis: None,
            _kept: vec![Box::new(database)],
        }
    }

    #[cfg(feature = "services")]
    async fn postgres() -> Self {
        let database = testkit::postgres::fresh().await;
        Self {
            database_url: database.url().to_owned(),
            redis: None,
            _kept: vec![Box::new(database)],
        }
    }

    #[cfg(feature = "services")]
    fn and_redis(mut self) -> Self {
        let redis = testkit::redis::fresh();
        self.redis = Some((redis.url().to_owned(), redis.prefix().to_owned()));
        self._kept.push(Box::new(redis));
        self
    }

    /// The path of the SQLite file that the store is in, if it is in one.
    pub(super) fn sqlite_path(&self) -> Option<&str> {
        self.database_url.strip_prefix("sqlite://")
    }

    /// What a process has to be told to find both.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![("DATABASE_URL", self.database_url.clone())];
        if let Some((url, prefix)) = &self.redis {
            settings.extend([("REDIS_URL", url.clone()), ("REDIS_PREFIX", prefix.clone())]);
        }
        settings
    }

    /// The queue, from within the test.
    pub(super) fn queue(&self) -> Arc<dyn Backend> {
        #[cfg(feature = "services")]
        if let Some((url, prefix)) = &self.redis {
            return Arc::new(
                RedisQueue::connect(url, prefix)
                    .unwrap()
                    .with_call_limit(super::PATIENCE),
            );
        }
        let patient = SqlOptions {
            call_limit: super::PATIENCE,
            ..SqlOptions::default()
        };
        Arc::new(SqlQueue::connect(&self.database_url, &patient).unwrap())
    }
}

/// What a test can take away from the running processes.
#[cfg(feature = "services")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The database of the store, which the queue may be in too.
    Store,
    /// Wherever the queue is.
    Queue,
}

#[cfg(feature = "services")]
impl Place {
    /// Puts a wire that can be cut in front of a part; the settings lead through it.
    pub(super) async fn behind_a_wire(&self, part: Part) -> (testkit::Proxy, (&'static str, String)) {
        let (name, url) = match (part, &self.redis) {
            (Part::Queue, Some((url, _))) => ("REDIS_URL", url),
            _ => ("DATABASE_URL", &self.database_url),
        };
        let mut url = url::Url::parse(url).unwrap();
        let host = url.host_str().unwrap().parse::<std::net::IpAddr>().unwrap();
        let usual_port = if name == "REDIS_URL" { 6379 } else { 5432 };
        let wire = testkit::Proxy::to((host, url.port().unwrap_or(usual_port)).into()).await;
        url.set_ip_host(wire.addr().ip()).unwrap();
        url.set_port(Some(wire.addr().port())).unwrap();
        (wire, (name, url.to_string()))
    }
}
