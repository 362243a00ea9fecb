//! `relais key`.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use domain::{ApiKeyId, Role, TenantId};
use secrecy::ExposeSecret as _;
use serde_json::json;
use store::{ApiKey, Store};

use super::answer::{Answer, or_dash, table};
use super::tenant::unknown_tenant;
use crate::config::Settings;
use crate::connect;
use crate::time::rfc3339;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Create a key. It is shown once; only a hash of it is kept.
    ///
    /// Example: relais key create --tenant 0195… --role sales
    Create {
        /// Whose key it is.
        #[arg(long, value_name = "ID")]
        tenant: TenantId,
        /// What it allows: owner, admin, sales or member.
        #[arg(long, value_name = "ROLE", default_value = "admin")]
        role: Role,
    },
    /// List keys, the revoked ones too.
    List {
        /// Only this tenant's.
        #[arg(long, value_name = "ID")]
        tenant: Option<TenantId>,
    },
    /// Take a key out of use, at once and for good.
    Revoke {
        /// The key's id, as `relais key list` shows it.
        id: ApiKeyId,
    },
}

pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store(settings).await?;
    match command {
        Command::Create { tenant, role } => {
            let new = store.create_api_key(tenant, role, Utc::now()).await;
            let new = new.map_err(|error| unknown_tenant(error, tenant))?;
            let (id, clear) = (new.key.id, new.clear.expose_secret());
            let words = format!("Key      {id}   ({role})\nAPI key  {clear}   (shown only now)");
            Ok(Answer::new(
                json!({ "id": id, "api_key": clear, "tenant": tenant, "role": role }),
                words,
            ))
        }
        Command::List { tenant } => Ok(list(&keys(&store, tenant).await?)),
        Command::Revoke { id } => {
            let keys = keys(&store, None).await?;
            let key = keys
                .iter()
                .find(|key| key.id == id)
                .with_context(|| format!("there is no key {id}"))?;
            let revoked = store.revoke_api_key(key.tenant, id, Utc::now()).await?;
            let words = if revoked { "Revoked." } else { "It was revoked before." };
            Ok(Answer::new(json!({ "id": id, "revoked": revoked }), words))
        }
    }
}

async fn keys(store: &Store, tenant: Option<TenantId>) -> anyhow::Result<Vec<ApiKey>> {
    let tenants = match tenant {
        Some(tenant) => vec![tenant],
        None => store.tenants().await?.into_iter().map(|tenant| tenant.id).collect(),
    };
    let mut keys = Vec::new();
    for tenant in tenants {
        keys.extend(store.api_keys(tenant).await?);
    }
    Ok(keys)
}

fn list(keys: &[ApiKey]) -> Answer {
    let at = |at: DateTime<Utc>| rfc3339(at.timestamp_millis());
    let items: Vec<_> = keys
        .iter()
        .map(|key| {
            json!({
                "id": key.id, "tenant": key.tenant, "role": key.role, "created_at": at(key.created_at),
                "last_used_at": key.last_used_at.map(at), "revoked_at": key.revoked_at.map(at),
            })
        })
        .collect();
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            let [used, revoked] = [key.last_used_at, key.revoked_at].map(|moment| or_dash(moment.map(at)));
            [
                key.id.to_string(),
                key.tenant.to_string(),
                key.role.to_string(),
                used,
                revoked,
            ]
        })
        .collect();
    let words = table(["ID", "TENANT", "ROLE", "LAST USED", "REVOKED"], &rows);
    Answer::new(json!({ "items": items, "next_cursor": null }), words)
}
