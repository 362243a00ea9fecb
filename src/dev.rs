//! `relais` or `relais dev`: everything in one process, on an SQLite file below `./.relais/`, ready to try.
//!
//! The demo tenant's API key and the secret of its endpoint are shown once by the store, so they are kept beside the
//! database, in a file that only its owner may read. A second start finds them, and all data, again.

mod outside;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use chrono::Utc;
use domain::{Author, EndpointId, Role};
use queue::{Client, Clock};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use store::Store;
use tokio::net::TcpListener;

use crate::config::Settings;
use crate::config::home::Home;
use crate::intake::endpoints::Endpoints;
use crate::intake::failures;
use crate::ops::metrics::Figures;
use crate::worker::Crew;
use crate::{clock, connect, signals, web};

const TENANT: &str = "demo";
const PROVIDER: &str = "email";
const CREDENTIALS_FILE: &str = "demo.json";

/// What the demo tenant signs and asks with.
#[derive(Serialize, Deserialize)]
struct Demo {
    tenant: domain::TenantId,
    api_key: String,
    endpoint: EndpointId,
    secret: String,
    /// What it is known by at the providers; none of a demo that was made before there were any.
    #[serde(default)]
    accounts: Option<outside::Accounts>,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When the port is taken or the directory cannot be written.
#[tokio::main]
pub async fn run(settings: &Settings, home: &Home) -> anyhow::Result<()> {
    let figures = Figures::install()?;
    let address = (settings.host, settings.port);
    let taken = || {
        format!(
            "cannot listen on port {}; another one: `PORT=8081 relais`",
            settings.port
        )
    };
    let listener = TcpListener::bind(address).await.with_context(taken)?;
    let store = connect::store(settings).await?;
    store::migrate(store.db())
        .await
        .context("the database could not be brought up to date")?;
    let queue = Client::new(connect::queue(settings).await?, settings.keyring.clone(), Clock::System);
    let demo = demo(&store, home).await?;
    let accounts = demo
        .accounts
        .as_ref()
        .context("the demo has no accounts at providers")?;
    let simulator = outside::start(settings, &demo, accounts).await?;
    outside::furnish(&store, demo.tenant, accounts, &simulator).await?;
    let settings = &Settings {
        stand_ins: outside::stand_ins(&simulator)?,
        ..settings.clone()
    };

    let crew = Crew::start(
        settings,
        jobs::registry(),
        jobs::Ctx {
            store: store.clone(),
            queue: queue.clone(),
            outside: connect::outside(settings)?,
        },
    )?;
    let ticking = tokio::spawn({
        let (store, queue, alerts) = (store.clone(), queue.clone(), settings.alerts.clone());
        async move { tokio::join!(clock::tick(&queue), clock::watch(&store, &queue, &alerts)) }
    });
    let endpoints = Arc::new(Endpoints::new(store.clone(), &settings.public_url));
    let counting = tokio::spawn(failures::hand_over(Arc::clone(&endpoints)));
    let app = web::router(&store, &queue, endpoints, figures, crew.vitals(), settings.proxy_hops);
    let base = settings.public_url.as_str().trim_end_matches('/');
    let sending = outside::lines(base, &demo.api_key, &simulator);
    home.keep_url(&settings.public_url)
        .context("./.relais cannot be written")?;
    println!("{}", greeting(settings, &demo, &sending, rand::random()));
    let answering = tokio::spawn(
        axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
            .with_graceful_shutdown(signals::end())
            .into_future(),
    );
    signals::end().await;
    ticking.abort();
    counting.abort();
    // Keep-alive connections may stay open as long as they like: what matters is that jobs are put back.
    answering.abort();
    crew.end(settings.shutdown_grace).await;
    Ok(())
}

/// The demo tenant's credentials, made anew when they are missing or not valid any more.
async fn demo(store: &Store, home: &Home) -> anyhow::Result<Demo> {
    let file = home.directory().join(CREDENTIALS_FILE);
    if let Some(demo) = fs::read(&file)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Demo>(&bytes).ok())
    {
        let key = store
            .find_api_key(&SecretString::from(demo.api_key.as_str()), Utc::now())
            .await?;
        if key.is_some() && demo.accounts.is_some() && store.endpoint(demo.endpoint).await?.is_some() {
            return Ok(demo);
        }
    }
    let demo = make_demo(store).await?;
    write_private(&file, &serde_json::to_vec_pretty(&demo)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(demo)
}

async fn make_demo(store: &Store) -> anyhow::Result<Demo> {
    let now = Utc::now();
    let tenant = match store.tenant_by_name(TENANT).await? {
        Some(tenant) => tenant,
        None => store.create_tenant(TENANT, now).await?,
    };
    let api_key = store
        .create_api_key(tenant.id, Role::Owner, &Author::system(), now)
        .await?;
    let secret = hex::encode(rand::random::<[u8; 32]>());
    let endpoint = store
        .create_endpoint(tenant.id, PROVIDER, SecretString::from(secret.as_str()), now)
        .await?;
    Ok(Demo {
        tenant: tenant.id,
        api_key: api_key.clear.expose_secret().to_owned(),
        endpoint: endpoint.id,
        secret,
        accounts: Some(outside::Accounts::make(store, tenant.id).await?),
    })
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}

/// What a newcomer reads first. `run` makes this start's events differ from those of the start before.
fn greeting(settings: &Settings, demo: &Demo, sending: &str, run: u16) -> String {
    let base = settings.public_url.as_str().trim_end_matches('/');
    let endpoint = format!("{base}/webhooks/{PROVIDER}/{}", demo.endpoint);
    let mut text = format!(
        "\nrelais is running. Everything is kept in ./.relais, and nothing leaves this machine.\n\n  \
         url        {base}\n  tenant     {TENANT} ({tenant})\n  api key    {key}\n  endpoint   {endpoint}\n  \
         secret     {secret}\n\nPaste these into another terminal, line by line.\n",
        tenant = demo.tenant,
        key = demo.api_key,
        secret = demo.secret,
    );
    text.push_str(sending);
    text.push_str("\nOr tell it what happened to a mail, as a provider would.\n");
    let leads = format!(
        "curl -sS '{base}/v1/leads/hot?min_score=0' -H 'Authorization: Bearer {}' -w '\\n'",
        demo.api_key
    );
    let steps = [
        (
            "Ana opens a mail: 202. Paste it twice: the second answer says \"duplicate\":true.",
            "opened",
            1,
        ),
        ("She follows a link in it.", "clicked", 1),
        ("It bounces after all.", "bounced", 1),
        ("And so does another one.", "bounced", 2),
    ];
    for (number, (what, event, message)) in steps.into_iter().enumerate() {
        let body = format!(
            r#"{{"provider":"demo","external_id":"mail-{run:04x}-{message}","event":"{event}","event_id":"{run:04x}-{number}","person_id":"ana","recipient":"ana.old@example.com"}}"#
        );
        text.push_str(&format!("\n# {what}\n{}\n", signed(&endpoint, &demo.secret, &body)));
        if number == 0 {
            text.push_str("\n# Her score: +3 for the open, +8 for the click, -10 for each bounce, never below 0.\n");
            text.push_str(&format!("{leads}\n"));
        }
    }
    let program = std::env::args().next().unwrap_or_else(|| "relais".to_owned());
    text.push_str(&format!("\n# What waits, what runs, what died:\n{program} queues\n"));
    text.push_str("\nCtrl-C ends it; the next start finds everything again.\n");
    text
}

/// A shell line that signs and posts a body.
fn signed(url: &str, secret: &str, body: &str) -> String {
    format!(
        "T=$(date +%s); B='{body}'; S=$(printf '%s' \"$T.$B\" | openssl dgst -sha256 -hmac '{secret}' | sed 's/.* //'); \
         curl -sS '{url}' -H 'Content-Type: application/json' -H \"X-Timestamp: $T\" -H \"X-Signature: $S\" -d \"$B\" -w '\\n'"
    )
}
