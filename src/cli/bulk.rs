//! `relais bulk`: what is being done, or was done, with many dead letters at once.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Subcommand;
use domain::{AuditAction, BulkAct, BulkActionId, BulkState};
use queue::{Backend, Client, Clock};
use serde_json::{Value, json};
use store::{BulkAction, FailedLetter, OpenLetters, Store};
use uuid::Uuid;

use super::answer::{Answer, table};
use super::audit::Log;
use super::{many, pages, who};
use crate::config::Settings;
use crate::connect;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List bulk actions, newest first.
    List {
        /// At most this many.
        #[arg(long, default_value_t = 50, value_parser = limit)]
        limit: u32,
        /// Go on where the list before ended (its `next_cursor`).
        #[arg(long)]
        cursor: Option<store::Cursor>,
    },
    /// Show a bulk action: how far it is, who asked, and every letter that failed.
    Show {
        /// The action's id.
        id: BulkActionId,
        /// At most this many failures.
        #[arg(long, default_value_t = 50, value_parser = limit)]
        limit: u32,
        /// Go on where the failures before ended (their `next_cursor`).
        #[arg(long)]
        cursor: Option<Uuid>,
    },
    /// Stop a bulk action for a while. What was retried already runs.
    Pause {
        /// The action's id.
        id: BulkActionId,
        /// Who asks; shown with the action.
        #[arg(long)]
        by: Option<String>,
    },
    /// Let a bulk action go on that was paused, or that nothing works on.
    Resume {
        /// The action's id.
        id: BulkActionId,
        /// Who asks; shown with the action.
        #[arg(long)]
        by: Option<String>,
    },
    /// End a bulk action. What was retried already runs; the rest stays as it is.
    Cancel {
        /// The action's id.
        id: BulkActionId,
        /// Who asks; shown with the action.
        #[arg(long)]
        by: Option<String>,
    },
}

pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store(settings).await?;
    match command {
        Command::List { limit, cursor } => list(&store, cursor, limit).await,
        Command::Show { id, limit, cursor } => {
            let backend = connect::queue(settings).await?;
            show(&store, &*backend, id, cursor, limit).await
        }
        Command::Pause { id, by } => {
            let by = noted(id, "pause", by, settings).await?;
            let steered = store.pause_bulk_action(id, &by, Utc::now()).await?;
            steered_to(&store, id, steered).await
        }
        Command::Resume { id, by } => {
            let by = noted(id, "resume", by, settings).await?;
            let queue = Client::new(connect::queue(settings).await?, settings.keyring.clone(), Clock::System);
            let steered = ::jobs::bulk::resume(&store, &queue, id, &by, Utc::now()).await?;
            steered_to(&store, id, steered).await
        }
        Command::Cancel { id, by } => {
            let by = noted(id, "cancel", by, settings).await?;
            let steered = store.cancel_bulk_action(id, &by, Utc::now()).await?;
            steered_to(&store, id, steered).await
        }
    }
}

/// Writes down that somebody steers an action; answers who.
async fn noted(id: BulkActionId, how: &str, by: Option<String>, settings: &Settings) -> anyhow::Result<String> {
    let by = by.unwrap_or_else(who::whoever);
    let log = Log::of(Some(by.clone()), settings).await?;
    let what = json!({ "steer": how });
    log.about_to(AuditAction::DeadLettersActedOn, Some(id.to_string()), Some(what))
        .await?;
    Ok(by)
}

/// The action as it is now; refused if it was not steered.
async fn steered_to(store: &Store, id: BulkActionId, steered: bool) -> anyhow::Result<Answer> {
    let action = many::find(store, id).await?;
    let mut text = words(&action);
    if !steered {
        text = format!("Nothing was changed.\n{text}");
    }
    Ok(Answer::new(to_json(&action), text).failed_if(!steered))
}

async fn list(store: &Store, cursor: Option<store::Cursor>, limit: u32) -> anyhow::Result<Answer> {
    let page = store.bulk_actions(cursor, limit).await?;
    let next = page.next.map(|cursor| cursor.to_string());
    let items: Vec<_> = page.items.iter().map(to_json).collect();
    let rows: Vec<_> = page.items.iter().map(row).collect();
    let headings = ["ID", "ACTION", "STATE", "MATCHED", "DONE", "FAILED", "BY", "SINCE"];
    let text = table(headings, &rows) + &pages::more(next.as_deref());
    Ok(Answer::new(json!({ "items": items, "next_cursor": next }), text))
}

async fn show(
    store: &Store,
    backend: &dyn Backend,
    id: BulkActionId,
    cursor: Option<Uuid>,
    limit: u32,
) -> anyhow::Result<Answer> {
    let action = many::find(store, id).await?;
    let open = store.open_letters(id).await?;
    let failures = store.failed_letters(id, cursor, limit).await?;
    let is_full = failures.len() >= limit as usize;
    let next = failures.last().filter(|_| is_full).map(|last| last.job.to_string());
    let job = match action.state.is_live() {
        true => Some(::jobs::bulk::job_of(&action)),
        false => None,
    };
    let kept = match job {
        Some(job) => backend.find(job).await?,
        None => None,
    };
    let mut json = to_json(&action);
    json["open"] = json!({ "ready": open.ready, "waiting": open.waiting });
    json["job"] = match (job, &kept) {
        (Some(job), Some(kept)) => json!({ "id": job.to_string(), "state": kept.state.name() }),
        _ => Value::Null,
    };
    json["failures"] = failures.iter().map(failure).collect();
    json["next_cursor"] = json!(next);
    let stands_still = job.is_some()
        && kept
            .as_ref()
            .is_none_or(|kept| matches!(kept.state, queue::backend::State::Dead { .. }));
    let mut text = words(&action) + &details(&action, open);
    if stands_still {
        text += &format!("Nothing works on it: `relais bulk resume {id}`\n");
    } else if let Some((job, kept)) = job.zip(kept) {
        text += &format!("{:12}{job} is {}; `relais jobs why {job}`\n", "job", kept.state.name());
    }
    let rows: Vec<_> = failures
        .iter()
        .map(|failed| [failed.job.to_string(), rfc3339(failed.at), failed.reason.clone()])
        .collect();
    if !rows.is_empty() {
        text += &format!("\nFailed\n{}", table(["JOB", "AT", "WHY"], &rows));
        text += &pages::more(next.as_deref());
    }
    Ok(Answer::new(json, text))
}

/// An action as programs see it.
pub(super) fn to_json(action: &BulkAction) -> Value {
    json!({
        "id": action.id.to_string(),
        "action": action.act.as_str(),
        "filter": filter(action),
        "canary": action.canary,
        "canary_passed_at": action.canary_passed_at.map(rfc3339),
        "rate": action.rate,
        "state": action.state.as_str(),
        "matched": action.matched,
        "done": action.done,
        "ended": action.ended,
        "failed": action.failed,
        "asked_by": action.asked_by,
        "changed_by": action.changed_by,
        "created_at": rfc3339(action.created_at),
        "updated_at": rfc3339(action.updated_at),
    })
}

/// The filter, with times as they are shown everywhere.
fn filter(action: &BulkAction) -> Value {
    let mut filter: Value = serde_json::from_str(&action.filter).unwrap_or_default();
    for name in ["since", "before"] {
        if let Some(at) = filter[name].as_i64() {
            filter[name] = crate::time::rfc3339(at).into();
        }
    }
    filter
}

/// One line: how far it is.
pub(super) fn progress(action: &BulkAction) -> String {
    let BulkAction {
        done, matched, failed, ..
    } = action;
    let ended = match action.act {
        BulkAct::Retry => format!(", {} ended well", action.ended),
        BulkAct::Delete => String::new(),
    };
    format!("{}: {done} of {matched}{ended}, {failed} failed", action.state)
}

/// An action in a few lines.
pub(super) fn words(action: &BulkAction) -> String {
    let hint = match action.state {
        BulkState::Paused => format!("`relais bulk resume {}` lets it go on.\n", action.id),
        state if state.is_live() => format!("`relais bulk show {}` shows how it goes.\n", action.id),
        BulkState::Stopped => "One of the first letters failed, so the others were left alone.\n".to_owned(),
        _ => String::new(),
    };
    format!(
        "{} {}, asked for by {} at {}\n{}\n{hint}",
        action.act,
        action.id,
        action.asked_by,
        rfc3339(action.created_at),
        progress(action)
    )
}

fn details(action: &BulkAction, open: OpenLetters) -> String {
    let mut text = format!(
        "{:12}{}\n{:12}{} letters per second\n",
        "filter",
        filter(action),
        "rate",
        action.rate
    );
    if let Some(canary) = action.canary {
        let passed = action
            .canary_passed_at
            .map(|at| format!("ended well at {}", rfc3339(at)));
        text += &format!(
            "{:12}{canary}, {}\n",
            "canary",
            passed.unwrap_or_else(|| "not passed".to_owned())
        );
    }
    if open.ready + open.waiting > 0 {
        let since = match action.state.is_live() {
            true => String::new(),
            false => format!(" at {}, and nobody has looked since", rfc3339(action.updated_at)),
        };
        text += &format!(
            "{:12}{} ready or running, {} waiting{since}\n",
            "retried", open.ready, open.waiting
        );
    }
    if let Some(by) = &action.changed_by {
        text += &format!("{:12}{by}\n", "changed by");
    }
    text
}

fn failure(failed: &FailedLetter) -> Value {
    json!({ "job": failed.job.to_string(), "reason": failed.reason, "at": rfc3339(failed.at) })
}

fn row(action: &BulkAction) -> [String; 8] {
    [
        action.id.to_string(),
        action.act.to_string(),
        action.state.to_string(),
        action.matched.to_string(),
        action.done.to_string(),
        action.failed.to_string(),
        action.asked_by.clone(),
        rfc3339(action.created_at),
    ]
}

fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn limit(text: &str) -> Result<u32, String> {
    pages::limit(text).and_then(|limit| u32::try_from(limit).map_err(|_| "a smaller number".to_owned()))
}
