//! The servers that `run` started, and the places on them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use super::field::{Entrant, Storage};
use crate::plan::{Place, Tuning};

/// A server is done with its own work within this.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

pub(super) struct Servers {
    /// `redis://HOST:PORT/`
    redis: String,
    /// `postgres://USER@HOST:PORT/`, without a database.
    postgres: String,
    directory: PathBuf,
    durability: Vec<String>,
}

impl Servers {
    /// Those that the environment names. What they promise is asked, because figures at other durability are no figures.
    pub(super) async fn find(directory: PathBuf, entrants: &[Entrant]) -> anyhow::Result<Self> {
        let of = |variable: &str| std::env::var(variable).with_context(|| format!("{variable} is not set: use `run`"));
        let (redis, postgres) = (of("TEST_REDIS_URL")?, of("TEST_POSTGRES_URL")?);
        let postgres = postgres.trim_end_matches(|letter| letter != '/').to_owned();
        let mut servers = Self {
            redis,
            postgres,
            directory,
            durability: Vec::new(),
        };
        let asked = |storage| entrants.iter().any(|entrant| entrant.storage == storage);
        if asked(Storage::Redis) {
            servers.check_redis().await?;
        }
        if asked(Storage::Postgres) {
            servers.check_postgres().await?;
        }
        if asked(Storage::Sqlite) {
            servers
                .durability
                .push("SQLite: journal_mode wal, synchronous FULL".to_owned());
        }
        Ok(servers)
    }

    /// What everybody's answers mean, one line for each storage.
    pub(super) fn durability(&self) -> &[String] {
        &self.durability
    }

    async fn check_redis(&mut self) -> anyhow::Result<()> {
        let mut connection = self.redis().await?;
        for (setting, wanted) in [("appendonly", "yes"), ("appendfsync", "everysec")] {
            let (_, value): (String, String) = redis::cmd("CONFIG")
                .arg("GET")
                .arg(setting)
                .query_async(&mut connection)
                .await?;
            ensure!(value == wanted, "Redis has {setting} {value} instead of {wanted}");
        }
        self.durability
            .push("Redis: appendonly yes, appendfsync everysec".to_owned());
        Ok(())
    }

    async fn check_postgres(&mut self) -> anyhow::Result<()> {
        let mut connection = self.postgres().await?;
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            let value: String = sqlx::query_scalar(AssertSqlSafe(format!("SHOW {setting}")))
                .fetch_one(&mut connection)
                .await?;
            ensure!(value == "on", "Postgres has {setting} {value}");
        }
        self.durability
            .push("Postgres: fsync, synchronous_commit and full_page_writes on".to_owned());
        Ok(connection.close().await?)
    }

    /// A new, empty place.
    pub(super) async fn place(&self, storage: Storage, tuning: Tuning) -> anyhow::Result<Place> {
        let name = format!("peers_{}", Uuid::new_v4().simple());
        let url = match storage {
            Storage::Redis => self.redis.clone(),
            Storage::Postgres => {
                self.administer(&format!("CREATE DATABASE {name}")).await?;
                format!("{}{name}", self.postgres)
            }
            Storage::Sqlite => format!("sqlite://{}", self.directory.join(&name).with_extension("db").display()),
        };
        Ok(Place { url, name, tuning })
    }

    /// Takes a place away, so that the next one does not share memory and disk with it.
    pub(super) async fn clear(&self, storage: Storage, place: &Place) -> anyhow::Result<()> {
        match storage {
            Storage::Redis => {
                redis::cmd("FLUSHALL").exec_async(&mut self.redis().await?).await?;
            }
            Storage::Postgres => {
                self.administer(&format!("DROP DATABASE {} WITH (FORCE)", place.name))
                    .await?
            }
            Storage::Sqlite => {
                let path = place.url.trim_start_matches("sqlite://");
                for end in ["", "-wal", "-shm"] {
                    // Not all of them exist.
                    drop(std::fs::remove_file(format!("{path}{end}")));
                }
            }
        }
        self.settle(storage).await
    }

    /// Nobody pays for the pages that somebody else wrote.
    pub(super) async fn settle(&self, storage: Storage) -> anyhow::Result<()> {
        match storage {
            Storage::Redis => self.rewrite().await,
            Storage::Postgres => self.administer("CHECKPOINT").await,
            Storage::Sqlite => Ok(()),
        }
    }

    /// The file without what is gone, and no rewrite left to do.
    async fn rewrite(&self) -> anyhow::Result<()> {
        let mut connection = self.redis().await?;
        let began = Instant::now();
        let idle = async |connection: &mut redis::aio::MultiplexedConnection| -> anyhow::Result<()> {
            loop {
                let info: String = redis::cmd("INFO").arg("persistence").query_async(connection).await?;
                let busy = ["aof_rewrite_in_progress:1", "aof_rewrite_scheduled:1"];
                if !busy.iter().any(|field| info.contains(field)) {
                    return Ok(());
                }
                ensure!(began.elapsed() < SETTLED_WITHIN, "Redis rewrites its file for ever");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        idle(&mut connection).await?;
        redis::cmd("BGREWRITEAOF").exec_async(&mut connection).await?;
        idle(&mut connection).await
    }

    async fn redis(&self) -> anyhow::Result<redis::aio::MultiplexedConnection> {
        // Emptying a full one takes longer than an answer usually may.
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let client = redis::Client::open(self.redis.as_str())?;
        Ok(client.get_multiplexed_async_connection_with_config(&patient).await?)
    }

    async fn postgres(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect(&format!("{}postgres", self.postgres)).await?)
    }

    async fn administer(&self, statement: &str) -> anyhow::Result<()> {
        let mut connection = self.postgres().await?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}
