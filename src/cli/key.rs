//! `relais key`.

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use clap::Subcommand;
use domain::{ApiKeyId, Role, TenantId, api_key};
use secrecy::ExposeSecret as _;
use serde_json::json;
use store::{ApiKey, ApiKeyRequest, Store};

use super::answer::{Answer, or_dash, table};
use super::tenant::unknown_tenant;
use super::who;
use crate::config::Settings;
use crate::connect;
use crate::time::rfc3339;

/// Keys that are read at once.
const READ_AT_ONCE: u32 = 500;

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
        /// What the tenant calls it.
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// For how many days it is good; for ever if not given.
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=3650))]
        days: Option<u16>,
        /// Who asks; kept in the audit log.
        #[arg(long)]
        by: Option<String>,
    },
    /// Make a key in the place of another, which stays good for a while, so that whoever uses it can change over.
    ///
    /// Example: relais key rotate 0195… --overlap 24
    Rotate {
        /// The key's id, as `relais key list` shows it.
        id: ApiKeyId,
        /// For how many hours the key before stays good, 720 at most.
        #[arg(long, value_name = "HOURS", default_value_t = 24)]
        overlap: u16,
        /// Who asks; kept in the audit log.
        #[arg(long)]
        by: Option<String>,
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
        /// Who asks; kept in the audit log.
        #[arg(long)]
        by: Option<String>,
    },
}

pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store(settings).await?;
    match command {
        Command::Create {
            tenant,
            role,
            name,
            days,
            by,
        } => {
            let now = Utc::now();
            if let Some(name) = &name {
                api_key::check_name(name)?;
            }
            let request = ApiKeyRequest {
                role,
                name,
                expires_at: days.map(|days| now + TimeDelta::days(days.into())),
            };
            let new = store.create_api_key(tenant, request, &who::author(by)?, now).await;
            let new = new.map_err(|error| unknown_tenant(error, tenant))?;
            let (id, clear) = (new.key.id, new.clear.expose_secret());
            let words = format!("Key      {id}   ({role})\nAPI key  {clear}   (shown only now)");
            Ok(Answer::new(
                json!({ "id": id, "api_key": clear, "tenant": tenant, "role": role }),
                words,
            ))
        }
        Command::List { tenant } => Ok(list(&keys(&store, tenant).await?)),
        Command::Rotate { id, overlap, by } => {
            let key = find(&store, id).await?;
            let overlap = TimeDelta::hours(overlap.into());
            api_key::check_overlap(overlap)?;
            let new = store
                .rotate_api_key(key.tenant, id, overlap, &who::author(by)?, Utc::now())
                .await?;
            let new = new.with_context(|| format!("the key {id} has expired, was revoked, or was rotated already"))?;
            let (new_id, clear) = (new.key.id, new.clear.expose_secret());
            let words = format!(
                "Key      {new_id}   ({})\nAPI key  {clear}   (shown only now)",
                new.key.role
            );
            let json = json!({
                "id": new_id, "api_key": clear, "tenant": key.tenant, "role": new.key.role, "replaces": id,
            });
            Ok(Answer::new(json, words))
        }
        Command::Revoke { id, by } => {
            let key = find(&store, id).await?;
            let revoked = store
                .revoke_api_key(key.tenant, id, &who::author(by)?, Utc::now())
                .await?;
            let words = if revoked { "Revoked." } else { "It was revoked before." };
            Ok(Answer::new(json!({ "id": id, "revoked": revoked }), words))
        }
    }
}

async fn find(store: &Store, id: ApiKeyId) -> anyhow::Result<ApiKey> {
    let key = store.any_api_key(id).await?;
    key.with_context(|| format!("there is no key {id}"))
}

async fn keys(store: &Store, tenant: Option<TenantId>) -> anyhow::Result<Vec<ApiKey>> {
    let tenants = match tenant {
        Some(tenant) => vec![tenant],
        None => store.tenants().await?.into_iter().map(|tenant| tenant.id).collect(),
    };
    let mut keys = Vec::new();
    for tenant in tenants {
        let mut cursor = None;
        loop {
            let page = store.api_keys(tenant, cursor, READ_AT_ONCE).await?;
            keys.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(keys)
}

fn list(keys: &[ApiKey]) -> Answer {
    let at = |at: DateTime<Utc>| rfc3339(at.timestamp_millis());
    let items: Vec<_> = keys
        .iter()
        .map(|key| {
            json!({
                "id": key.id, "tenant": key.tenant, "role": key.role, "name": key.name, "replaces": key.replaces,
                "created_at": at(key.created_at), "last_used_at": key.last_used_at.map(at),
                "expires_at": key.expires_at.map(at), "revoked_at": key.revoked_at.map(at),
            })
        })
        .collect();
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            let moments = [key.last_used_at, key.expires_at, key.revoked_at];
            let [used, expires, revoked] = moments.map(|moment| or_dash(moment.map(at)));
            [
                key.id.to_string(),
                key.tenant.to_string(),
                key.role.to_string(),
                or_dash(key.name.clone()),
                used,
                expires,
                revoked,
            ]
        })
        .collect();
    let words = table(
        ["ID", "TENANT", "ROLE", "NAME", "LAST USED", "EXPIRES", "REVOKED"],
        &rows,
    );
    Answer::new(json!({ "items": items, "next_cursor": null }), words)
}
