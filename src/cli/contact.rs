//! `relais contact`.

use std::io::Write as _;

use anyhow::{Context as _, ensure};
use chrono::Utc;
use clap::{Args, Subcommand};
use domain::{AuditAction, Author, ContactId, TenantId, Traces};
use jobs::EraseContact;
use jobs::person::export::Export;
use queue::{Client, Clock, Origin};
use serde_json::json;
use store::{NewAuditEntry, Store};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::answer::{Answer, escaped};
use super::who;
use crate::config::Settings;
use crate::connect;

/// So many pieces of a document wait at most to be printed.
const PIECES_AHEAD: usize = 32;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print all that a tenant has of somebody, as one JSON document. If it has no end, it could not be read to its end.
    ///
    /// Example: relais contact export 0195… 0196… --by ann > ana.json
    Export(Whose),
    /// Erase somebody: what is personal goes, from the queue as well, and what counts stays as nobody's. For good.
    ///
    /// Without --yes nothing is done, with exit status 1.
    ///
    /// Example: relais contact erase 0195… 0196… --yes --by ann
    Erase {
        #[command(flatten)]
        whose: Whose,
        /// Yes, erase them.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args)]
pub(super) struct Whose {
    /// Which tenant.
    #[arg(value_name = "TENANT")]
    tenant: TenantId,
    /// Which contact: the `contact_id` of messages, interactions and leads.
    #[arg(value_name = "ID")]
    contact: ContactId,
    /// Who asks; kept in the audit log.
    #[arg(long)]
    by: Option<String>,
}

pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store_of_jobs(settings).await?;
    match command {
        Command::Export(whose) => {
            let author = who::author(whose.by)?;
            export(&store, whose.tenant, whose.contact, &author, settings).await
        }
        Command::Erase { whose, yes } => {
            let author = who::author(whose.by)?;
            erase(&store, whose.tenant, whose.contact, &author, yes, settings).await
        }
    }
}

async fn export(
    store: &Store,
    tenant: TenantId,
    contact: ContactId,
    author: &Author,
    settings: &Settings,
) -> anyhow::Result<Answer> {
    let known = store.is_contact_known(tenant, contact).await?;
    let traces = store.traces(tenant, contact).await?.filter(|_| known);
    let traces: Traces = traces.with_context(|| format!("the tenant has no contact {contact}"))?;
    let backend = connect::queue(settings).await?;
    write_down(store, tenant, contact, author, AuditAction::ContactExported).await?;
    let export = Export {
        store,
        backend: &*backend,
        keyring: &settings.keyring,
        tenant,
        traces: &traces,
    };
    let (pieces, mut read) = mpsc::channel(PIECES_AHEAD);
    let write = async {
        let written = export.write(&pieces).await;
        drop(pieces);
        written
    };
    let print = async {
        while let Some(piece) = read.recv().await {
            write!(std::io::stdout(), "{}", escaped(&piece))?;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(write, print)?;
    Ok(Answer::printed())
}

async fn erase(
    store: &Store,
    tenant: TenantId,
    contact: ContactId,
    author: &Author,
    yes: bool,
    settings: &Settings,
) -> anyhow::Result<Answer> {
    ensure!(
        store.is_contact_known(tenant, contact).await?,
        "the tenant has no contact {contact}"
    );
    if !yes {
        let words = "Nothing was done. With --yes all that is personal of this contact goes for good.";
        return Ok(Answer::new(json!({ "contact": contact, "job": null }), words).failed_if(true));
    }
    let queue = Client::new(connect::queue(settings).await?, settings.keyring.clone(), Clock::System);
    write_down(store, tenant, contact, author, AuditAction::ContactErased).await?;
    let origin = Origin {
        tenant: tenant.0,
        correlation: Uuid::new_v4(),
    };
    let job = EraseContact {
        contact,
        asked_at: Utc::now(),
    };
    let job = queue.add(&job, origin).await?.job;
    let json = json!({ "contact": contact, "job": job.to_string() });
    Ok(Answer::new(json, format!("Job {job} erases them.")))
}

/// Before it is done, so that nothing is done that stands nowhere.
async fn write_down(
    store: &Store,
    tenant: TenantId,
    contact: ContactId,
    author: &Author,
    action: AuditAction,
) -> anyhow::Result<()> {
    let entry = NewAuditEntry::of(tenant, author, action, contact);
    let written = store.write_audit(&[entry], Utc::now()).await;
    written.context("nothing was done, because it could not be written into the audit log")
}
