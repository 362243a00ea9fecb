//! `relais audit`.

use std::io::Write as _;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use domain::{AuditAction, Author, TenantId};
use queue::Clock;
use serde_json::{Value, json};
use store::{AuditEntry, AuditFilter, Cursor, NewAuditEntry, Store};

use super::answer::{Answer, escaped, or_dash, table};
use super::{pages, who};
use crate::config::Settings;
use crate::connect;
use crate::time::{moment, rfc3339};

/// Entries that are read at once for an export.
const READ_AT_ONCE: u32 = 500;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List who did what, latest first: of a tenant, or of the installation itself.
    ///
    /// Example: relais audit list --tenant 0195… --action member_changed
    List {
        #[command(flatten)]
        which: Which,
        /// At most this many.
        #[arg(long, default_value_t = 50, value_parser = pages::limit)]
        limit: usize,
        /// Go on where the list before ended (its `next_cursor`).
        #[arg(long)]
        cursor: Option<Cursor>,
    },
    /// Print all of it, one JSON object a line, latest first.
    ///
    /// Example: relais audit export --tenant 0195… --since 90d > audit.jsonl
    Export {
        #[command(flatten)]
        which: Which,
    },
}

/// Which entries.
#[derive(Args)]
#[group(skip)]
pub(super) struct Which {
    /// Only this tenant's; the installation's own if not given.
    #[arg(long, value_name = "ID")]
    tenant: Option<TenantId>,
    /// Only this action.
    #[arg(long)]
    action: Option<AuditAction>,
    /// Only what was done then or later: a time such as `2026-01-31T12:00:00Z`, or so long ago: `90m`, `2h`, `7d`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<DateTime<Utc>>,
    /// Only what was done before: as `--since`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<DateTime<Utc>>,
}

impl Which {
    const fn filter(&self) -> AuditFilter {
        AuditFilter {
            action: self.action,
            since: self.since,
            until: self.until,
        }
    }
}

pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store(settings).await?;
    match command {
        Command::List { which, limit, cursor } => {
            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
            let page = store.audit_log(which.tenant, &which.filter(), cursor, limit).await?;
            let items: Vec<_> = page.items.iter().map(to_json).collect();
            let rows: Vec<_> = page.items.into_iter().map(row).collect();
            let next = page.next.map(|cursor| cursor.to_string());
            let words = table(["AT", "ACTOR", "ACTION", "TARGET", "FROM"], &rows) + &pages::more(next.as_deref());
            Ok(Answer::new(json!({ "items": items, "next_cursor": next }), words))
        }
        Command::Export { which } => export(&store, &which).await,
    }
}

/// Prints while it reads, because entries may be many.
async fn export(store: &Store, which: &Which) -> anyhow::Result<Answer> {
    let mut cursor = None;
    loop {
        let page = store
            .audit_log(which.tenant, &which.filter(), cursor, READ_AT_ONCE)
            .await?;
        for entry in &page.items {
            writeln!(std::io::stdout(), "{}", escaped(&to_json(entry).to_string()))?;
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(Answer::printed());
        }
    }
}

/// What somebody at the command line does with jobs and dead letters is written down through it.
pub(super) struct Log {
    store: Store,
    author: Author,
}

impl Log {
    /// The log, and who writes into it.
    pub(super) async fn of(by: Option<String>, settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self {
            store: connect::store(settings).await?,
            author: who::author(by)?,
        })
    }

    /// Where it is written.
    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    /// Writes down what they are about to do: before it is done, so that nothing is done that stands nowhere.
    pub(super) async fn about_to(
        &self,
        action: AuditAction,
        target: Option<String>,
        after: Option<Value>,
    ) -> anyhow::Result<()> {
        let entry = entry(self.author.clone(), action, target, after);
        let written = self.store.write_audit(&[entry], Utc::now()).await;
        written.context("nothing was done, because it could not be written into the audit log")
    }
}

/// Writes down what was done already, and says in its answer if that failed: jobs can be stopped also while the store is away.
pub(super) async fn note(answer: Answer, entry: NewAuditEntry, settings: &Settings) -> Answer {
    let written = async {
        let store = connect::store(settings).await?;
        anyhow::Ok(store.write_audit(&[entry], Utc::now()).await?)
    };
    let (logged, words) = match written.await {
        Ok(()) => (true, String::new()),
        Err(error) => (
            false,
            format!(" It is done, but does not stand in the audit log: {error:#}"),
        ),
    };
    answer.and("logged", logged.into(), &words)
}

/// An entry about the installation.
pub(super) const fn entry(
    author: Author,
    action: AuditAction,
    target: Option<String>,
    after: Option<Value>,
) -> NewAuditEntry {
    NewAuditEntry {
        tenant: None,
        author,
        action,
        target,
        before: None,
        after,
    }
}

fn to_json(entry: &AuditEntry) -> Value {
    json!({
        "id": entry.id, "tenant": entry.tenant, "at": rfc3339(entry.at.timestamp_millis()), "actor": entry.author.actor,
        "action": entry.action, "target": entry.target, "origin": entry.author.origin.as_str(), "before": entry.before,
        "after": entry.after,
    })
}

fn row(entry: AuditEntry) -> [String; 5] {
    [
        rfc3339(entry.at.timestamp_millis()),
        entry.author.actor.to_string(),
        entry.action.to_string(),
        or_dash(entry.target),
        entry.author.origin.as_str().to_owned(),
    ]
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    moment(text, Clock::System.now())
        .and_then(DateTime::from_timestamp_millis)
        .ok_or_else(|| "a time such as `2026-01-31T12:00:00Z`, `90m`, `2h` or `7d`".into())
}
