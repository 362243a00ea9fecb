//! `relais retention`.

use std::collections::BTreeMap;

use chrono::Utc;
use clap::Args;
use domain::AuditAction;
use jobs::ApplyRetention;
use jobs::apply_retention::due;
use queue::{Client, Clock, Origin};
use serde_json::json;
use uuid::Uuid;

use super::answer::{Answer, table};
use super::audit::Log;
use crate::config::Settings;
use crate::connect;

#[derive(Args)]
pub(super) struct Retention {
    /// Only say what would go.
    #[arg(long)]
    dry_run: bool,
    /// Let it go now, and not with the next tick of the clock.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Who asks; kept in the audit log.
    #[arg(long)]
    by: Option<String>,
}

pub(super) async fn run(asked: Retention, settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store(settings).await?;
    let now = Utc::now();
    let (mut items, mut rows, mut sums) = (Vec::new(), Vec::new(), BTreeMap::<_, i64>::new());
    for tenant in store.tenants().await? {
        let due = due(&store, tenant.id, now).await?;
        for (kind, count) in [
            ("messages", due.messages),
            ("scores", due.scores),
            ("crossings", due.crossings),
        ] {
            *sums.entry(kind).or_default() += count;
            items.push(json!({ "tenant": tenant.id, "kind": kind, "count": count }));
            rows.push([tenant.id.to_string(), kind.to_owned(), count.to_string()]);
        }
    }
    let words = table(["TENANT", "KIND", "OLD ENOUGH TO GO"], &rows);
    let mut json = json!({ "items": items, "next_cursor": null });
    if !asked.yes {
        let note = "\nNothing was done. The clock lets it go once a day; with --yes it begins now.";
        return Ok(Answer::new(json, words + note).failed_if(!asked.dry_run));
    }
    let log = Log::of(asked.by, settings).await?;
    log.about_to(AuditAction::RetentionBegun, None, Some(json!(sums)))
        .await?;
    let queue = Client::new(connect::queue(settings).await?, settings.keyring.clone(), Clock::System);
    let origin = Origin {
        tenant: Uuid::nil(),
        correlation: Uuid::new_v4(),
    };
    let job = ApplyRetention { tick: now.timestamp() };
    let added = queue.add(&job, origin).await?;
    json["job"] = json!(added.job.to_string());
    Ok(Answer::new(json, format!("{words}\nJob {} lets it go.", added.job)))
}
