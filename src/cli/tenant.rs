//! `relais tenant`.

use anyhow::ensure;
use chrono::Utc;
use clap::Subcommand;
use domain::{Role, TenantId};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::answer::{Answer, table};
use crate::config::Settings;
use crate::connect;
use crate::time::rfc3339;

const NAME_CHARACTERS_MAX: usize = 200;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Create a tenant, and a first API key with the role `owner`, which is shown once.
    ///
    /// Example: relais tenant create "Acme Ltd"
    Create {
        /// Its name, which no other tenant has.
        name: String,
    },
    /// List all tenants.
    List,
}

pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store(settings).await?;
    match command {
        Command::Create { name } => {
            let name = name.trim();
            ensure!(!name.is_empty(), "a tenant needs a name");
            ensure!(
                name.chars().count() <= NAME_CHARACTERS_MAX,
                "a name has at most {NAME_CHARACTERS_MAX} characters"
            );
            let tenant = store.create_tenant(name, Utc::now()).await?;
            let key = store.create_api_key(tenant.id, Role::Owner, Utc::now()).await?;
            let (id, key) = (tenant.id, key.clear.expose_secret());
            let words = format!("Tenant   {id}\nAPI key  {key}   (shown only now)");
            Ok(Answer::new(
                json!({ "id": id, "name": tenant.name, "api_key": key }),
                words,
            ))
        }
        Command::List => {
            let tenants = store.tenants().await?;
            let created = |tenant: &store::Tenant| rfc3339(tenant.created_at.timestamp_millis());
            let items: Vec<_> = tenants
                .iter()
                .map(|tenant| json!({ "id": tenant.id, "name": tenant.name, "created_at": created(tenant) }))
                .collect();
            let rows: Vec<_> = tenants
                .iter()
                .map(|tenant| [tenant.id.to_string(), tenant.name.clone(), created(tenant)])
                .collect();
            Ok(Answer::new(
                json!({ "items": items, "next_cursor": null }),
                table(["ID", "NAME", "CREATED"], &rows),
            ))
        }
    }
}

/// Says which row was missing, where it can only have been the tenant's.
pub(super) fn unknown_tenant(error: store::StoreError, tenant: TenantId) -> anyhow::Error {
    match error {
        store::StoreError::Missing => anyhow::anyhow!("there is no tenant {tenant}; `relais tenant list` shows all"),
        other => other.into(),
    }
}
