//! The real program in processes of its own, with an installation for each.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::place::{Kind, Place};
use crate::services::Services;

/// How long a server may take to start.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// A running `relais web`, and what it was told.
pub(crate) struct Server {
    web: Child,
    worker: Option<Child>,
    pub(crate) port: u16,
    pub(crate) threads: usize,
    tenant: String,
    settings: Vec<(&'static str, String)>,
    store: Place,
    directory: tempfile::TempDir,
}

/// Where webhooks are posted to, and what they are signed with.
pub(crate) struct Endpoint {
    pub(crate) path: String,
    pub(crate) secret: String,
}

impl Server {
    /// With as many threads as there are cores, with SQLite one, as it comes.
    pub(crate) async fn start(queue: Kind, log: &str, services: &Services) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        // The store is not asked while webhooks come in; with the queue in Redis, SQLite will do.
        let store = if queue == Kind::Postgres {
            Kind::Postgres
        } else {
            Kind::Sqlite
        };
        let store = services.place(store).await?;
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let threads = if queue == Kind::Sqlite { 1 } else { cores };
        let port = testkit::process::free_port();
        let mut settings = vec![
            ("DATABASE_URL", store.url.clone()),
            ("RELAIS_KEYS", seal::Keyring::generate("bench")),
            ("RUST_LOG", log.to_owned()),
            ("WEB_THREADS", threads.to_string()),
            ("HOST", Ipv4Addr::LOCALHOST.to_string()),
            ("PORT", port.to_string()),
        ];
        if let (Kind::Redis, Some(redis)) = (queue, services.redis()) {
            settings.push(("REDIS_URL", redis.url.clone()));
        }
        let tenant = operate(&settings, &["tenant", "create", "Bench"]).await?;
        let tenant = text(&tenant, "id")?;
        let web = serve("web", &settings, directory.path())?;
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            anyhow::ensure!(began.elapsed() < READY_WITHIN, "`relais web` did not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self {
            web,
            worker: None,
            port,
            threads,
            tenant,
            settings,
            store,
            directory,
        })
    }

    /// Starts a `relais worker` beside it.
    pub(crate) fn work(&mut self) -> anyhow::Result<()> {
        self.worker = Some(serve("worker", &self.settings, self.directory.path())?);
        Ok(())
    }

    /// Makes an endpoint; without a secret, one is made for it.
    pub(crate) async fn endpoint(&self, provider: &str, secret: Option<&str>) -> anyhow::Result<Endpoint> {
        let create = ["endpoint", "create", "--tenant", &self.tenant, "--provider", provider];
        let secret: Vec<_> = secret.into_iter().flat_map(|secret| ["--secret", secret]).collect();
        let made = operate(&self.settings, &[&create[..], &secret].concat()).await?;
        Ok(Endpoint {
            path: format!("/webhooks/{provider}/{}", text(&made, "id")?),
            secret: text(&made, "secret")?,
        })
    }

    /// What a command answers that is asked of this installation.
    pub(crate) async fn operate(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        operate(&self.settings, arguments).await
    }

    /// The tenant's id.
    pub(crate) fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Where its store is.
    pub(crate) fn store_url(&self) -> &str {
        &self.store.url
    }

    /// What its store is.
    pub(crate) const fn store_kind(&self) -> Kind {
        self.store.kind
    }

    /// The process id of `relais web`; 0 once it has ended.
    pub(crate) fn id(&self) -> u32 {
        self.web.id().unwrap_or(0)
    }

    pub(crate) async fn stop(mut self, services: &Services) -> anyhow::Result<()> {
        self.web.kill().await?;
        if let Some(mut worker) = self.worker {
            worker.kill().await?;
        }
        services.clear(&self.store).await
    }
}

/// Starts a process that goes on. Its log goes to a file.
fn serve(role: &str, settings: &[(&str, String)], directory: &Path) -> anyhow::Result<Child> {
    let log = std::fs::File::create(directory.join(role))?;
    Ok(program(settings, directory)
        .arg(role)
        .stdout(Stdio::from(log))
        .kill_on_drop(true)
        .spawn()?)
}

/// The program, with these settings and no others.
fn program(settings: &[(&str, String)], directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relais"));
    command
        .env_clear()
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .current_dir(directory);
    command.stdin(Stdio::null());
    command
}

/// A command's answer.
async fn operate(settings: &[(&str, String)], arguments: &[&str]) -> anyhow::Result<Value> {
    let output = program(settings, Path::new("/"))
        .args(arguments)
        .arg("--json")
        .output()
        .await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success(),
        "`relais {}` failed: {errors}",
        arguments.join(" ")
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn text(answer: &Value, name: &str) -> anyhow::Result<String> {
    Ok(answer[name]
        .as_str()
        .with_context(|| format!("the answer has no `{name}`: {answer}"))?
        .to_owned())
}
