//! `relais endpoint`.

use std::io::Read as _;

use anyhow::{Context as _, ensure};
use chrono::Utc;
use clap::Subcommand;
use domain::{EndpointId, TenantId};
use secrecy::SecretString;
use serde_json::json;

use super::answer::{Answer, table};
use super::tenant::unknown_tenant;
use crate::config::Settings;
use crate::connect;
use crate::time::rfc3339;

/// Whose webhooks are understood.
const PROVIDERS: [&str; 1] = ["email"];

#[derive(Subcommand)]
pub(super) enum Command {
    /// Create an address that a provider posts webhooks to. Its URL and secret are printed; the secret only now.
    ///
    /// Example: relais endpoint create --tenant 0195… --provider email
    Create {
        /// Whose messages it is about.
        #[arg(long, value_name = "ID")]
        tenant: TenantId,
        /// Who posts: email.
        #[arg(long, value_name = "NAME")]
        provider: String,
        /// What requests are signed with; `-` reads it from standard input. Without it, 32 random bytes in hex.
        #[arg(long, value_name = "TEXT")]
        secret: Option<String>,
    },
    /// List endpoints, without their secrets.
    List {
        /// Only this tenant's.
        #[arg(long, value_name = "ID")]
        tenant: Option<TenantId>,
    },
}

pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store(settings).await?;
    match command {
        Command::Create {
            tenant,
            provider,
            secret,
        } => {
            let known = PROVIDERS.join(", ");
            ensure!(
                PROVIDERS.contains(&provider.as_str()),
                "`{provider}` is not a provider; known are: {known}"
            );
            let secret = secret_of(secret)?;
            let made = store
                .create_endpoint(tenant, &provider, SecretString::from(secret.as_str()), Utc::now())
                .await;
            let endpoint = made.map_err(|error| unknown_tenant(error, tenant))?;
            let url = url(settings, &provider, endpoint.id);
            let words = format!(
                "Endpoint  {}\nURL       {url}\nSecret    {secret}   (shown only now)",
                endpoint.id
            );
            let json =
                json!({ "id": endpoint.id, "url": url, "secret": secret, "tenant": tenant, "provider": provider });
            Ok(Answer::new(json, words))
        }
        Command::List { tenant } => {
            let endpoints = match tenant {
                Some(tenant) => store.endpoints_of(tenant).await?,
                None => store.endpoints().await?,
            };
            let mut items = Vec::new();
            let mut rows = Vec::new();
            for endpoint in endpoints {
                let url = url(settings, &endpoint.provider, endpoint.id);
                items.push(json!({
                    "id": endpoint.id, "tenant": endpoint.tenant, "provider": endpoint.provider, "url": url,
                    "created_at": rfc3339(endpoint.created_at.timestamp_millis()),
                }));
                rows.push([
                    endpoint.id.to_string(),
                    endpoint.tenant.to_string(),
                    endpoint.provider,
                    url,
                ]);
            }
            let words = table(["ID", "TENANT", "PROVIDER", "URL"], &rows);
            Ok(Answer::new(json!({ "items": items, "next_cursor": null }), words))
        }
    }
}

fn secret_of(given: Option<String>) -> anyhow::Result<String> {
    let secret = match given.as_deref() {
        None => hex::encode(rand::random::<[u8; 32]>()),
        Some("-") => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .context("the secret cannot be read from standard input")?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
        Some(secret) => secret.to_owned(),
    };
    ensure!(!secret.is_empty(), "an empty secret would let anybody sign");
    Ok(secret)
}

/// Where a provider posts to.
pub(crate) fn url(settings: &Settings, provider: &str, id: EndpointId) -> String {
    format!(
        "{}/webhooks/{provider}/{id}",
        settings.public_url.as_str().trim_end_matches('/')
    )
}
