//! How soon a signed webhook is answered, by how it is signed: at a steady pace, while a worker does what webhooks ask for.
//!
//! Everything is on one machine: `relais web`, `relais worker`, the databases and the sender. The pace is kept whatever is answered,
//! so that a stall is seen in everything that was due meanwhile.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::json;
use simulator::SendGridKey;

use crate::child::{Role, ask};
use crate::figures::cpu_us;
use crate::load;
use crate::place::Kind;
use crate::report::Report;
use crate::scale::Scale;
use crate::server::Server;
use crate::services::Services;
use crate::table::{ms, thousands};
use crate::webhooks::Signs;

const CONNECTIONS: usize = 64;
/// Of requests with [`BATCH`] events, as fast as they are answered: more are more than a database keeps in the time in which
/// a sender must be answered, and are told to come again.
const CONNECTIONS_OF_BATCHES: usize = 4;
/// Events in a large request of SendGrid.
const BATCH: usize = 1000;
/// Requests a second at the steady pace, of one event and of [`BATCH`]: of the latter five are 5,000 events a second.
const PACE: f64 = 500.0;
const PACE_OF_BATCHES: f64 = 5.0;
const TOKEN: &str = "an-invented-token-0001";

/// A way of signing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Way {
    Email,
    SendGrid,
    SendGridBatch,
    Twilio,
}

impl Way {
    const ALL: [Self; 4] = [Self::Email, Self::SendGrid, Self::SendGridBatch, Self::Twilio];

    const fn name(self) -> &'static str {
        match self {
            Self::Email => "e-mail event, HMAC-SHA256",
            Self::SendGrid => "SendGrid, ECDSA P-256",
            Self::SendGridBatch => "SendGrid, ECDSA P-256, 1,000 events",
            Self::Twilio => "Twilio, HMAC-SHA1",
        }
    }

    const fn events(self) -> usize {
        match self {
            Self::SendGridBatch => BATCH,
            _ => 1,
        }
    }

    const fn pace(self) -> f64 {
        match self {
            Self::SendGridBatch => PACE_OF_BATCHES,
            _ => PACE,
        }
    }

    /// How many requests are under way when there are as many as can be.
    const fn connections(self) -> usize {
        match self {
            Self::SendGridBatch => CONNECTIONS_OF_BATCHES,
            _ => CONNECTIONS,
        }
    }

    /// An endpoint for it. Answers its path, and how to sign.
    async fn endpoint(self, server: &Server) -> anyhow::Result<(String, Signs)> {
        Ok(match self {
            Self::Email => {
                let made = server.endpoint("email", None).await?;
                (made.path, Signs::Email { secret: made.secret })
            }
            Self::SendGrid | Self::SendGridBatch => {
                let key = SendGridKey::default();
                let made = server.endpoint("sendgrid", Some(&key.public_key())).await?;
                let (pkcs8, events) = (STANDARD.encode(key.pkcs8()), self.events());
                (made.path, Signs::SendGrid { pkcs8, events })
            }
            Self::Twilio => {
                let made = server.endpoint("twilio", Some(TOKEN)).await?;
                let url = format!("http://localhost:{}{}", server.port, made.path);
                let token = made.secret;
                (made.path, Signs::Twilio { token, url })
            }
        })
    }
}

/// One way on one backend.
#[derive(Serialize)]
struct Figures {
    queue: Kind,
    way: Way,
    pace: f64,
    steady: load::Outcome,
    most: load::Outcome,
    /// Processor time of `relais web` for one request, while there are as many as can be.
    web_cpu_us: f64,
}

pub(crate) async fn measure(scale: &Scale, services: &Services) -> anyhow::Result<()> {
    let columns = [
        "queue, signed as",
        "asked/s",
        "p50 ms",
        "p99 ms",
        "most/s",
        "events/s",
        "p99 ms then",
        "web CPU µs",
    ];
    let mut report = Report::new("signatures", &columns);
    let mut figures = Vec::new();
    for queue in services.kinds() {
        for way in Way::ALL {
            eprintln!("signatures: {}, {}", queue.name(), way.name());
            let one = one(scale, services, queue, way).await?;
            report.row([
                format!("{}, {}", queue.name(), way.name()),
                format!("{:.0}", one.pace),
                ms(one.steady.answered_within.p50_us),
                ms(one.steady.answered_within.p99_us),
                thousands(one.most.per_second),
                thousands(one.most.per_second * way.events() as f64),
                ms(one.most.answered_within.p99_us),
                format!("{:.1}", one.web_cpu_us),
            ]);
            figures.push(one);
        }
    }
    report.note(format!(
        "At the steady pace for {} s ({} s with 1,000 events), then {} requests ({} with 1,000 events) as fast as {CONNECTIONS} \
         connections ({CONNECTIONS_OF_BATCHES}) are answered; a `relais worker` at work all the time. Wanted: p99 below 20 ms at the steady pace.",
        scale.steady_seconds,
        scale.steady_seconds * BATCHES_LONGER,
        scale.requests,
        most_requests(scale, Way::SendGridBatch),
    ));
    report.finish(scale, json!(figures))
}

/// There are few of them, so that they are watched for longer.
const BATCHES_LONGER: usize = 3;

fn most_requests(scale: &Scale, way: Way) -> usize {
    (scale.requests / way.events().min(500)).max(1)
}

async fn one(scale: &Scale, services: &Services, queue: Kind, way: Way) -> anyhow::Result<Figures> {
    if let (Kind::Redis, Some(redis)) = (queue, services.redis()) {
        redis.empty().await?;
    }
    let mut server = Server::start(queue, "info", services).await?;
    let (path, signs) = way.endpoint(&server).await?;
    server.work()?;
    let plan = |pace: Option<f64>, warm: usize, timed: usize| load::Plan {
        port: server.port,
        path: path.clone(),
        signs: signs.clone(),
        pace,
        connections: if pace.is_some() { CONNECTIONS } else { way.connections() },
        warm,
        timed,
    };
    let seconds = scale.steady_seconds * if way.events() > 1 { BATCHES_LONGER } else { 1 };
    let of_a_second = way.pace() as usize;
    let steady = plan(Some(way.pace()), of_a_second, of_a_second * seconds);
    let steady = ask(Role::Load, &steady).await?;
    let requests = most_requests(scale, way);
    let before = cpu_us(server.id());
    let most = ask(Role::Load, &plan(None, 0, requests)).await?;
    let used = cpu_us(server.id()) - before;
    server.stop(services).await?;
    Ok(Figures {
        queue,
        way,
        pace: way.pace(),
        steady,
        most,
        web_cpu_us: used as f64 / requests as f64,
    })
}
