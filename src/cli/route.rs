//! `relais route`.

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use domain::{Channel, CredentialId, TenantId};
use providers::Provider;
use serde_json::json;
use store::{Credential, Store};

use super::answer::{Answer, table};
use crate::config::Settings;
use crate::connect;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Say by which accounts a channel's messages go: the first one, and the others in its place when it cannot.
    ///
    /// Example: relais route set --tenant 0195… --channel sms --to 0195…,0195…
    Set {
        /// Whose messages.
        #[arg(long, value_name = "ID")]
        tenant: TenantId,
        /// email, sms or whatsapp.
        #[arg(long)]
        channel: Channel,
        /// The credentials, in order, comma separated; without it, by none.
        #[arg(long, value_name = "ID,ID", value_delimiter = ',')]
        to: Vec<CredentialId>,
    },
    /// Show by which accounts a tenant's messages go.
    List {
        /// Whose messages.
        #[arg(long, value_name = "ID")]
        tenant: TenantId,
    },
}

pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store(settings).await?;
    match command {
        Command::Set { tenant, channel, to } => {
            let known = store.credentials(tenant).await?;
            for id in &to {
                check(&known, *id, channel)?;
            }
            store.set_route(tenant, channel, &to).await?;
            list(&store, tenant).await
        }
        Command::List { tenant } => list(&store, tenant).await,
    }
}

fn check(known: &[Credential], id: CredentialId, channel: Channel) -> anyhow::Result<()> {
    let credential = known.iter().find(|credential| credential.id == id);
    let credential =
        credential.with_context(|| format!("the tenant has no credential {id}; `relais credential list` shows all"))?;
    let is_carried = Provider::sending(&credential.provider).is_some_and(|provider| provider.carries(channel));
    ensure!(is_carried, "`{}` does not carry {channel}", credential.provider);
    Ok(())
}

async fn list(store: &Store, tenant: TenantId) -> anyhow::Result<Answer> {
    let (mut items, mut rows) = (Vec::new(), Vec::new());
    for channel in Channel::ALL {
        let route = store.route(tenant, *channel).await?;
        let to: Vec<_> = route.iter().map(|credential| credential.id).collect();
        items.push(json!({ "channel": channel, "to": to }));
        let names: Vec<_> = route.iter().map(|credential| credential.label.as_str()).collect();
        rows.push([channel.to_string(), names.join(", then ")]);
    }
    let words = table(["CHANNEL", "GOES BY"], &rows);
    Ok(Answer::new(json!({ "items": items, "next_cursor": null }), words))
}
