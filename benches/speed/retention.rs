//! Does intake notice that two hundred thousand of a million messages are let go because of their age?
//!
//! Webhooks come in at a steady pace, a `relais worker` does what they ask for. Rounds of the same length are timed
//! before the purge, while it goes on, and after it, in one run on one machine.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use crate::child::{Role, ask};
use crate::figures::median;
use crate::load;
use crate::place::Kind;
use crate::report::Report;
use crate::scale::Scale;
use crate::server::{Endpoint, Server};
use crate::services::Services;
use crate::table::ms;
use crate::webhooks::Signs;

const CONNECTIONS: usize = 64;
/// Requests a second.
const PACE: f64 = 200.0;
/// One of so many messages is old enough to go.
const OLD_ONE_IN: usize = 5;
/// Timed rounds before the purge and after it.
const CALM_ROUNDS: usize = 2;
/// More than any purge should take.
const ROUNDS_MAX: usize = 100;

pub(crate) async fn measure(scale: &Scale, services: &Services) -> anyhow::Result<()> {
    let columns = [
        "queue",
        "store",
        "calm p50 ms",
        "p99",
        "while old messages go p50",
        "p99",
        "ratio of p99",
        "went",
        "in s",
    ];
    let mut report = Report::new("retention", &columns);
    let mut figures = Vec::new();
    for queue in services.kinds() {
        eprintln!("retention: {}", queue.name());
        let mut server = Server::start(queue, "warn", services).await?;
        let old = scale.sends / OLD_ONE_IN;
        fill(&server, scale.sends, old)
            .await
            .context("the store cannot be filled")?;
        let endpoint = server.endpoint("email", None).await?;
        server.work()?;
        let mut calm = Vec::new();
        for _ in 0..CALM_ROUNDS {
            calm.push(round(scale, &server, &endpoint).await?);
        }
        let began = std::time::Instant::now();
        server.operate(&["retention", "--yes"]).await?;
        let mut beside = Vec::new();
        let mut left = old as u64;
        while left > 0 {
            anyhow::ensure!(beside.len() < ROUNDS_MAX, "{left} old messages are left");
            beside.push(round(scale, &server, &endpoint).await?);
            left = due(&server.operate(&["retention", "--dry-run"]).await?);
        }
        let seconds = began.elapsed().as_secs_f64();
        for _ in 0..CALM_ROUNDS {
            calm.push(round(scale, &server, &endpoint).await?);
        }
        let of = |rounds: &[load::Outcome], figure: fn(&load::Outcome) -> u64| {
            median(rounds.iter().map(|round| figure(round) as f64))
        };
        let p50 = |round: &load::Outcome| round.answered_within.p50_us;
        let p99 = |round: &load::Outcome| round.answered_within.p99_us;
        report.row([
            queue.name().to_owned(),
            server.store_kind().name().to_owned(),
            ms(of(&calm, p50) as u64),
            ms(of(&calm, p99) as u64),
            ms(of(&beside, p50) as u64),
            ms(of(&beside, p99) as u64),
            format!("{:.2}", of(&beside, p99) / of(&calm, p99)),
            old.to_string(),
            format!("{seconds:.0}"),
        ]);
        let each = |rounds: &[load::Outcome]| rounds.iter().map(|round| ms(p99(round))).collect::<Vec<_>>().join(" ");
        report.note(format!(
            "p99 round by round, {}: calm {}; beside {}.",
            queue.name(),
            each(&calm),
            each(&beside)
        ));
        figures.push(json!({ "queue": queue, "calm": calm, "beside": beside, "seconds": seconds }));
        server.stop(services).await?;
    }
    report.note(format!(
        "{} messages with an event each, a {OLD_ONE_IN}th of them older than eighteen months; {PACE} signed webhooks a \
         second in rounds of {} s. Medians of rounds. Wanted: a ratio of at most 1.2.",
        scale.sends, scale.steady_seconds
    ));
    report.finish(scale, json!(figures))
}

async fn round(scale: &Scale, server: &Server, endpoint: &Endpoint) -> anyhow::Result<load::Outcome> {
    let plan = load::Plan {
        port: server.port,
        path: endpoint.path.clone(),
        signs: Signs::Email {
            secret: endpoint.secret.clone(),
        },
        pace: Some(PACE),
        connections: CONNECTIONS,
        warm: PACE as usize,
        timed: PACE as usize * scale.steady_seconds,
    };
    ask(Role::Load, &plan).await
}

/// How many messages are old enough to go.
fn due(dry_run: &Value) -> u64 {
    let items = dry_run["items"].as_array().into_iter().flatten();
    items
        .filter(|item| item["kind"] == "messages")
        .filter_map(|item| item["count"].as_u64())
        .sum()
}

/// Puts messages into the store, the first `old` of them of three years ago, each with an event, among ten thousand
/// contacts.
async fn fill(server: &Server, messages: usize, old: usize) -> anyhow::Result<()> {
    let now = chrono::Utc::now().timestamp_millis();
    let (then, tenant) = (now - 3 * 365 * 86_400_000, server.tenant());
    let age = format!("CASE WHEN n <= {old} THEN {then} ELSE {now} - 86400000 END + n");
    let columns = "tenant_id, id, channel, provider, external_id, contact_id, status, created_at";
    let of_events = "id, tenant_id, message_id, kind, occurred_at, recorded_at";
    let of_contacts = "tenant_id, id, kind, external_id, created_at";
    match server.store_kind() {
        Kind::Postgres => {
            let mut database = PgConnection::connect(server.store_url()).await?;
            let statements = format!(
                "INSERT INTO contacts ({of_contacts})
                     SELECT '{tenant}', md5('c' || n)::uuid, 'person', 'bench ' || n, {now} FROM generate_series(0, 9999) n;
                 INSERT INTO messages ({columns})
                     SELECT '{tenant}', md5('m' || n)::uuid, 'email', 'sendgrid', 'bench ' || n,
                            md5('c' || n % 10000)::uuid, 'sent', {age}
                     FROM generate_series(1, {messages}) n;
                 INSERT INTO message_events ({of_events})
                     SELECT md5('e' || n)::uuid, '{tenant}', md5('m' || n)::uuid, 'sent', {age}, {age}
                     FROM generate_series(1, {messages}) n;
                 ANALYZE"
            );
            sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut database).await?;
        }
        Kind::Sqlite | Kind::Redis => {
            let mut database = SqliteConnection::connect(server.store_url()).await?;
            let tenant = format!("x'{}'", tenant.replace('-', ""));
            let id = |letter: &str, number: &str| format!("CAST(printf('{letter}%015d', {number}) AS BLOB)");
            let numbers = |first: usize, last: usize| {
                format!(
                    "WITH RECURSIVE numbers (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})"
                )
            };
            let (contact, of_message, message, event) =
                (id("c", "n"), id("c", "n % 10000"), id("m", "n"), id("e", "n"));
            let (few, all) = (numbers(0, 9999), numbers(1, messages));
            let statements = format!(
                "INSERT INTO contacts ({of_contacts}) {few}
                     SELECT {tenant}, {contact}, 'person', 'bench ' || n, {now} FROM numbers;
                 INSERT INTO messages ({columns}) {all}
                     SELECT {tenant}, {message}, 'email', 'sendgrid', 'bench ' || n, {of_message}, 'sent', {age} FROM numbers;
                 INSERT INTO message_events ({of_events}) {all}
                     SELECT {event}, {tenant}, {message}, 'sent', {age}, {age} FROM numbers"
            );
            sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut database).await?;
        }
    }
    Ok(())
}
