//! The servers that a bench needs, started for it alone and with the settings that people have.

use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tempfile::TempDir;
use testkit::process::{Program, Signal, free_port};
use uuid::Uuid;

use crate::place::{Kind, Place};
use crate::scale::Scale;

/// A server that is up says so within this.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// What is running.
pub(crate) struct Services {
    redis: Option<Redis>,
    postgres: Option<Postgres>,
    /// The kinds that somebody asked for.
    wanted: Vec<Kind>,
    directory: TempDir,
}

pub(crate) struct Redis {
    pub(crate) program: Program,
    pub(crate) url: String,
}

struct Postgres {
    /// `None` = the one that the environment names.
    program: Option<Program>,
    server: PgConnectOptions,
}

impl Services {
    pub(crate) async fn start(scale: &Scale, wanted: Vec<Kind>) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let (mut redis, mut postgres) = (None, None);
        if !scale.alone && wanted.contains(&Kind::Redis) {
            redis = Redis::start(directory.path()).await?;
        }
        if !scale.alone && wanted.contains(&Kind::Postgres) {
            postgres = Postgres::start(directory.path()).await?;
        }
        Ok(Self {
            redis,
            postgres,
            wanted,
            directory,
        })
    }

    pub(crate) fn redis(&self) -> Option<&Redis> {
        self.redis.as_ref()
    }

    /// The kinds of places there are.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let is_there = |kind: &Kind| match kind {
            Kind::Sqlite => self.wanted.contains(kind),
            Kind::Postgres => self.postgres.is_some(),
            Kind::Redis => self.redis.is_some(),
        };
        Kind::ALL.into_iter().filter(is_there).collect()
    }

    /// A new, empty place with everything migrated.
    pub(crate) async fn place(&self, kind: Kind) -> anyhow::Result<Place> {
        let name = format!("bench_{}", Uuid::new_v4().simple());
        let url = match kind {
            Kind::Sqlite => format!(
                "sqlite://{}",
                self.directory.path().join(&name).with_extension("db").display()
            ),
            Kind::Postgres => {
                let postgres = self.postgres.as_ref().context("there is no Postgres")?;
                postgres.administer(&format!("CREATE DATABASE {name}")).await?;
                postgres.server.clone().database(&name).to_url_lossy().to_string()
            }
            Kind::Redis => self.redis.as_ref().context("there is no Redis")?.url.clone(),
        };
        let place = Place { kind, url, name };
        if kind != Kind::Redis {
            let db = store::Db::connect(&place.url, &store::ConnectOptions::default()).await?;
            store::migrate(&db).await?;
            db.close().await;
        }
        Ok(place)
    }

    /// Takes a place away, so that the next one does not share memory and disk with it.
    pub(crate) async fn clear(&self, place: &Place) -> anyhow::Result<()> {
        match place.kind {
            Kind::Sqlite => {
                let path = place.url.trim_start_matches("sqlite://");
                for end in ["", "-wal", "-shm"] {
                    drop(std::fs::remove_file(format!("{path}{end}")));
                }
            }
            Kind::Postgres => {
                let postgres = self.postgres.as_ref().context("there is no Postgres")?;
                postgres
                    .administer(&format!("DROP DATABASE {} WITH (FORCE)", place.name))
                    .await?;
            }
            Kind::Redis => self.redis.as_ref().context("there is no Redis")?.empty().await?,
        }
        Ok(())
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        if let Some(Postgres {
            program: Some(program), ..
        }) = &self.postgres
        {
            // Its fast shutdown; a server that is killed leaves shared memory behind.
            program.signal(Signal::Interrupt);
            program.finished().await;
        }
        Ok(())
    }
}

impl Redis {
    /// `appendonly yes` and otherwise the defaults: `appendfsync everysec`, the file rewritten when it has doubled.
    async fn start(directory: &Path) -> anyhow::Result<Option<Self>> {
        if Command::new("redis-server").arg("--version").output().is_err() {
            println!("There is no redis-server: its rows are left out.");
            return Ok(None);
        }
        let port = free_port();
        let mut command = Command::new("redis-server");
        command.args([
            "--bind",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--appendonly",
            "yes",
            "--save",
            "",
        ]);
        command.args(["--logfile", "", "--dir"]).arg(directory);
        let program = Program::start(&mut command);
        program.wait_for("Ready to accept connections").await;
        Ok(Some(Self {
            program,
            url: format!("redis://127.0.0.1:{port}/"),
        }))
    }

    /// Forgets everything, in memory and on disk.
    pub(crate) async fn empty(&self) -> anyhow::Result<()> {
        // Emptying a full one takes longer than an answer usually may.
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let mut connection = redis::Client::open(self.url.as_str())?
            .get_multiplexed_async_connection_with_config(&patient)
            .await?;
        redis::cmd("FLUSHALL").exec_async(&mut connection).await?;
        let began = Instant::now();
        let asked = async |connection: &mut _, field: &str| -> anyhow::Result<bool> {
            let info: String = redis::cmd("INFO").arg("persistence").query_async(connection).await?;
            Ok(info.contains(field))
        };
        while asked(&mut connection, "aof_rewrite_in_progress:1").await? && began.elapsed() < READY_WITHIN {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        redis::cmd("BGREWRITEAOF").exec_async(&mut connection).await?;
        while asked(&mut connection, "aof_rewrite_in_progress:1").await? && began.elapsed() < READY_WITHIN {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Postgres {
    /// The server of `TEST_POSTGRES_URL`, or one with the default settings: everything answered is on disk.
    async fn start(directory: &Path) -> anyhow::Result<Option<Self>> {
        if let Ok(url) = std::env::var("TEST_POSTGRES_URL") {
            println!("Postgres is the server of TEST_POSTGRES_URL, with whatever settings it has.");
            return Ok(Some(Self {
                program: None,
                server: PgConnectOptions::from_str(&url)?,
            }));
        }
        let Some(binaries) = binaries() else {
            println!("There is no Postgres: its rows are left out.");
            return Ok(None);
        };
        // The temporary directory is its owner's alone; Postgres, as another user, must be able to pass.
        let data = directory.join("postgres");
        std::fs::create_dir(&data)?;
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o711))?;
        if is_root() {
            Command::new("chown").arg("postgres").arg(&data).status()?;
        }
        let made = as_postgres(&binaries.join("initdb"))
            .args([
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--pgdata",
            ])
            .arg(&data)
            .output()?;
        anyhow::ensure!(
            made.status.success(),
            "initdb failed: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let port = free_port();
        let mut command = as_postgres(&binaries.join("postgres"));
        command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        let program = Program::start(&mut command);
        program.wait_for("ready to accept connections").await;
        let server = PgConnectOptions::new_without_pgpass()
            .host(&Ipv4Addr::LOCALHOST.to_string())
            .port(port)
            .username("postgres")
            .database("postgres");
        Ok(Some(Self {
            program: Some(program),
            server,
        }))
    }

    async fn administer(&self, statement: &str) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect_with(&self.server).await?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}

/// The folder with `initdb`; on Debian it is not in the PATH.
fn binaries() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Postgres refuses to run as root. `setpriv` becomes the program, so that the process started is the server.
fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program)
        .current_dir("/");
    command
}
