//! Accepted signed webhooks a second, through the real program in a process of its own.
//!
//! The load comes from a second process on the same cores, so the figure is that of a machine that does everything at
//! once: intake, queue and sender. Every run is paired with a run of the bare handler right before it.

use serde::Serialize;
use serde_json::json;

use crate::child::{Role, Running, ask};
use crate::figures::{cpu_us, median};
use crate::place::Kind;
use crate::report::Report;
use crate::scale::Scale;
use crate::server::{Endpoint, Server};
use crate::services::Services;
use crate::table::{ms, thousands};
use crate::webhooks::Signs;
use crate::{bare, load};

const CONNECTIONS: usize = 64;

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
        let server = Server::start(variant.queue, variant.log, services).await?;
        let endpoint = server.endpoint("email", None).await?;
        let mut pairs = Vec::new();
        for _ in 0..scale.pairs {
            if let (Kind::Redis, Some(redis)) = (variant.queue, services.redis()) {
                redis.empty().await?;
            }
            pairs.push(pair(scale, (&server, &endpoint), &bare, services).await?);
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

async fn pair(
    scale: &Scale,
    (server, endpoint): (&Server, &Endpoint),
    bare: &Bare,
    services: &Services,
) -> anyhow::Result<Pair> {
    let plan = |port| load::Plan {
        port,
        path: endpoint.path.clone(),
        signs: Signs::Email {
            secret: endpoint.secret.clone(),
        },
        pace: None,
        connections: CONNECTIONS,
        warm: scale.warm_requests,
        timed: scale.requests,
    };
    let bare_before = cpu_us(bare.running.id());
    let answered: load::Outcome = ask(Role::Load, &plan(bare.port)).await?;
    let bare_used = cpu_us(bare.running.id()) - bare_before;
    let web = server.id();
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
