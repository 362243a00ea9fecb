//! Accepted signed webhooks a second, through the real program in a process of its own.
//!
//! The load comes from a second process on the same cores, so the figure is that of a machine that does everything at
//! once: intake, queue and sender. Every run is paired with a run of the bare handler right before it.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::child::{Role, Running, ask};
use crate::figures::{cpu_us, median};
use crate::place::{Kind, Place};
use crate::report::Report;
use crate::scale::Scale;
use crate::services::Services;
use crate::table::{ms, thousands};
use crate::{bare, load};

const CONNECTIONS: usize = 64;

/// How long a server may take to start.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// What is put beside the bare handler.
struct Variant {
    queue: Kind,
    log: &'static str,
}

/// The running bare handler.
struct Bare {
    running: Running,
    port: u16,
}

/// One turn: the bare handler, then the program.
#[derive(Serialize)]
struct Pair {
    bare: load::Outcome,
    relais: load::Outcome,
    ratio: f64,
    /// Processor time of each process for one request; the sender's own is in its outcome.
    bare_cpu_us: f64,
    web_cpu_us: f64,
    redis_cpu_us: f64,
}

pub(crate) async fn measure(scale: &Scale, services: &Services) -> anyhow::Result<()> {
    let columns = [
        "queue, RUST_LOG",
        "bare/s",
        "relais/s",
        "p50 ms",
        "p99 ms",
        "ratio",
        "CPU µs: bare",
        "web",
        "Redis",
        "sender",
    ];
    let mut report = Report::new("intake", &columns);
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut running = Running::start(Role::Bare, &bare::Plan { threads })?;
    let port = running.answer().await?;
    let bare = Bare { running, port };
    let mut figures = Vec::new();
    for variant in variants(services) {
        let name = format!("{}, {}", variant.queue.name(), variant.log);
        eprintln!("intake: {name}");
        let server = Server::start(&variant, threads, services).await?;
        let mut pairs = Vec::new();
        for _ in 0..scale.pairs {
            if let (Kind::Redis, Some(redis)) = (variant.queue, services.redis()) {
                redis.empty().await?;
            }
            pairs.push(pair(scale, &server, &bare, services).await?);
        }
        let of = |figure: fn(&Pair) -> f64| median(pairs.iter().map(figure));
        report.row([
            name.clone(),
            thousands(of(|pair| pair.bare.per_second)),
            thousands(of(|pair| pair.relais.per_second)),
            ms(of(|pair| pair.relais.answered_within.p50_us as f64) as u64),
            ms(of(|pair| pair.relais.answered_within.p99_us as f64) as u64),
            format!("{:.2}", of(|pair| pair.ratio)),
            format!("{:.1}", of(|pair| pair.bare_cpu_us)),
            format!("{:.1}", of(|pair| pair.web_cpu_us)),
            format!("{:.1}", of(|pair| pair.redis_cpu_us)),
            format!("{:.1}", of(|pair| pair.relais.cpu_us)),
        ]);
        let ratios: Vec<String> = pairs.iter().map(|pair| format!("{:.2}", pair.ratio)).collect();
        report.note(format!("Pair by pair, {name}: {}", ratios.join(" ")));
        figures.push(json!({ "queue": variant.queue, "log": variant.log, "threads": server.threads, "pairs": pairs }));
        server.stop(services).await?;
    }
    report.note(format!(
        "{} requests a run after {} to warm up, {CONNECTIONS} connections; {threads} threads, on SQLite one. The log goes to \
         a file. Redis: appendonly yes, appendfsync everysec. Wanted on Redis: a ratio of at least 0.4.",
        scale.requests, scale.warm_requests
    ));
    report.finish(scale, json!(figures))
}

/// Redis at both levels of the log, the databases as they come.
fn variants(services: &Services) -> Vec<Variant> {
    let kinds = services.kinds().into_iter().rev();
    let levels = |queue| {
        if queue == Kind::Redis {
            vec!["warn", "info"]
        } else {
            vec!["info"]
        }
    };
    kinds
        .flat_map(|queue| levels(queue).into_iter().map(move |log| Variant { queue, log }))
        .collect()
}

async fn pair(scale: &Scale, server: &Server, bare: &Bare, services: &Services) -> anyhow::Result<Pair> {
    let plan = |port| load::Plan {
        port,
        path: server.path.clone(),
        secret: server.secret.clone(),
        connections: CONNECTIONS,
        warm: scale.warm_requests,
        timed: scale.requests,
    };
    let bare_before = cpu_us(bare.running.id());
    let answered: load::Outcome = ask(Role::Load, &plan(bare.port)).await?;
    let bare_used = cpu_us(bare.running.id()) - bare_before;
    let web = server.process.id().context("the server has ended")?;
    let redis = services.redis().map(|redis| redis.program.id());
    let used = || (cpu_us(web), redis.map_or(0, cpu_us));
    let before = used();
    let relais: load::Outcome = ask(Role::Load, &plan(server.port)).await?;
    let after = used();
    let requests = (scale.warm_requests + scale.requests) as f64;
    Ok(Pair {
        ratio: relais.per_second / answered.per_second,
        bare_cpu_us: bare_used as f64 / requests,
        web_cpu_us: (after.0 - before.0) as f64 / requests,
        redis_cpu_us: (after.1 - before.1) as f64 / requests,
        bare: answered,
        relais,
    })
}

/// A running `relais web` with one endpoint.
struct Server {
    process: Child,
    port: u16,
    path: String,
    secret: String,
    threads: usize,
    store: Place,
    _directory: tempfile::TempDir,
}

impl Server {
    async fn start(variant: &Variant, threads: usize, services: &Services) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        // The store is not asked while webhooks come in; with the queue in Redis, SQLite will do.
        let store = if variant.queue == Kind::Postgres {
            Kind::Postgres
        } else {
            Kind::Sqlite
        };
        let store = services.place(store).await?;
        let threads = if variant.queue == Kind::Sqlite { 1 } else { threads };
        let port = testkit::process::free_port();
        let mut settings = vec![
            ("DATABASE_URL", store.url.clone()),
            ("RELAIS_KEYS", seal::Keyring::generate("bench")),
            ("RUST_LOG", variant.log.to_owned()),
            ("WEB_THREADS", threads.to_string()),
            ("HOST", Ipv4Addr::LOCALHOST.to_string()),
            ("PORT", port.to_string()),
        ];
        if let (Kind::Redis, Some(redis)) = (variant.queue, services.redis()) {
            settings.push(("REDIS_URL", redis.url.clone()));
        }
        let tenant = operate(&settings, &["tenant", "create", "Bench"]).await?;
        let tenant = text(&tenant, "id")?;
        let endpoint = operate(
            &settings,
            &["endpoint", "create", "--tenant", &tenant, "--provider", "email"],
        )
        .await?;
        let log = std::fs::File::create(directory.path().join("log"))?;
        let process = program(&settings, directory.path())
            .arg("web")
            .stdout(Stdio::from(log))
            .kill_on_drop(true)
            .spawn()?;
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            anyhow::ensure!(began.elapsed() < READY_WITHIN, "`relais web` did not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let path = format!("/webhooks/email/{}", text(&endpoint, "id")?);
        Ok(Self {
            process,
            port,
            path,
            secret: text(&endpoint, "secret")?,
            threads,
            store,
            _directory: directory,
        })
    }

    async fn stop(mut self, services: &Services) -> anyhow::Result<()> {
        self.process.kill().await?;
        services.clear(&self.store).await
    }
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
