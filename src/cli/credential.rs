//! `relais credential`.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use chrono::Utc;
use clap::Subcommand;
use domain::{CredentialId, TenantId};
use providers::{Credentials, Provider};
use secrecy::SecretString;
use serde_json::json;
use store::{Credential, NewCredential, StoreError};

use super::answer::{Answer, table};
use super::tenant::unknown_tenant;
use super::who;
use crate::config::Settings;
use crate::connect;
use crate::time::rfc3339;

const LABEL_CHARACTERS_MAX: usize = 100;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Store what an account at a provider is used with: a JSON object, read from a file or from standard input.
    ///
    /// smtp: host, port, security (tls, starttls, none), username, password, dkim … · sendgrid: api_key, region · resend:
    /// api_key · twilio: account_sid, and api_key_sid with api_key_secret, or auth_token · green_api: id_instance,
    /// api_token_instance
    ///
    /// Example: relais credential add --tenant 0195… --provider twilio --file twilio.json
    Add {
        /// Whose account.
        #[arg(long, value_name = "ID")]
        tenant: TenantId,
        /// Where: smtp, sendgrid, resend, twilio or green_api.
        #[arg(long, value_name = "NAME")]
        provider: String,
        /// What the tenant calls it; the provider's name if not given.
        #[arg(long, value_name = "TEXT")]
        label: Option<String>,
        /// The file with the JSON object; standard input if not given.
        #[arg(long, value_name = "PATH")]
        file: Option<PathBuf>,
        /// Who asks; kept in the audit log.
        #[arg(long)]
        by: Option<String>,
    },
    /// List a tenant's credentials, as much of them as may be shown.
    List {
        /// Whose.
        #[arg(long, value_name = "ID")]
        tenant: TenantId,
    },
    /// Replace what an account is used with.
    ///
    /// Example: relais credential rotate 0195… --tenant 0195… --file twilio.json
    Rotate {
        /// The credential.
        #[arg(value_name = "ID")]
        id: CredentialId,
        /// Whose.
        #[arg(long, value_name = "ID")]
        tenant: TenantId,
        /// The file with the JSON object; standard input if not given.
        #[arg(long, value_name = "PATH")]
        file: Option<PathBuf>,
        /// Who asks; kept in the audit log.
        #[arg(long)]
        by: Option<String>,
    },
    /// Delete credentials, and take them out of every route.
    Remove {
        /// The credential.
        #[arg(value_name = "ID")]
        id: CredentialId,
        /// Whose.
        #[arg(long, value_name = "ID")]
        tenant: TenantId,
        /// Who asks; kept in the audit log.
        #[arg(long)]
        by: Option<String>,
    },
}

pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store(settings).await?;
    match command {
        Command::Add {
            tenant,
            provider,
            label,
            file,
            by,
        } => {
            let (clear, preview) = read(&provider, file)?;
            let label = label.unwrap_or_else(|| provider.clone());
            let characters = label.chars().count();
            ensure!(
                (1..=LABEL_CHARACTERS_MAX).contains(&characters),
                "a label has 1 to {LABEL_CHARACTERS_MAX} characters"
            );
            let made = store
                .create_credential(
                    tenant,
                    &NewCredential {
                        provider: &provider,
                        label: &label,
                        clear: &clear,
                        preview: &preview,
                    },
                    &who::author(by)?,
                    Utc::now(),
                )
                .await;
            let made = made.map_err(|error| match error {
                StoreError::Conflict(_) => {
                    anyhow::anyhow!("the tenant has a credential `{label}` already; give --label")
                }
                error => unknown_tenant(error, tenant),
            })?;
            let words = format!(
                "Credential  {}\nLabel       {}\nAccount     {}",
                made.id, made.label, made.preview
            );
            Ok(Answer::new(shown(&made), words))
        }
        Command::List { tenant } => {
            let credentials = store.credentials(tenant).await?;
            let items: Vec<_> = credentials.iter().map(shown).collect();
            let rows: Vec<_> = credentials.into_iter().map(row).collect();
            let words = table(["ID", "PROVIDER", "LABEL", "ACCOUNT"], &rows);
            Ok(Answer::new(json!({ "items": items, "next_cursor": null }), words))
        }
        Command::Rotate { id, tenant, file, by } => {
            let known = store.credentials(tenant).await?;
            let known = known.into_iter().find(|known| known.id == id);
            let known = known.with_context(|| unknown(id))?;
            let (clear, preview) = read(&known.provider, file)?;
            let is_there = store
                .rotate_credential(tenant, id, &clear, &preview, &who::author(by)?, Utc::now())
                .await?;
            ensure!(is_there, unknown(id));
            let words = format!("{id} is used with {preview} now, within ten seconds everywhere.");
            Ok(Answer::new(json!({ "id": id, "preview": preview }), words))
        }
        Command::Remove { id, tenant, by } => {
            ensure!(
                store
                    .delete_credential(tenant, id, &who::author(by)?, Utc::now())
                    .await?,
                unknown(id)
            );
            Ok(Answer::new(
                json!({ "id": id, "removed": true }),
                format!("{id} is gone."),
            ))
        }
    }
}

fn unknown(id: CredentialId) -> String {
    format!("the tenant has no credential {id}; `relais credential list` shows all")
}

/// The secret, and what may be shown of it. Nothing of it is repeated in an error.
fn read(name: &str, file: Option<PathBuf>) -> anyhow::Result<(SecretString, String)> {
    let known: Vec<_> = Provider::all_sending().map(Provider::as_str).collect();
    let known = known.join(", ");
    let provider =
        Provider::sending(name).with_context(|| format!("`{name}` is no provider that sends; known are: {known}"))?;
    let text = match file {
        Some(path) => std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?,
        None => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .context("the credentials cannot be read from standard input")?;
            text
        }
    };
    let credentials = Credentials::parse(provider, text.as_bytes())?;
    Ok((SecretString::from(text), credentials.preview()))
}

fn shown(credential: &Credential) -> serde_json::Value {
    json!({
        "id": credential.id, "provider": credential.provider, "label": credential.label, "preview": credential.preview,
        "created_at": rfc3339(credential.created_at.timestamp_millis()),
        "rotated_at": credential.rotated_at.map(|at| rfc3339(at.timestamp_millis())),
    })
}

fn row(credential: Credential) -> [String; 4] {
    [
        credential.id.to_string(),
        credential.provider,
        credential.label,
        credential.preview,
    ]
}
