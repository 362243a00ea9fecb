//! `relais jobs`.

use ::jobs::sending::call_off;
use anyhow::Context as _;
use chrono::Utc;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use domain::{AuditAction, Status, TenantId};
use queue::backend::{Backend, Cancelled, Failure, Kept, State};
use queue::envelope::Envelope;
use queue::grouping::GroupId;
use queue::{Clock, JobId, Queue};
use seal::Keyring;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Answer, or_dash, table, tenant};
use super::audit::Log;
use super::pages::{self, Filter};
use super::{payload, queues};
use crate::config::Settings;
use crate::connect;
use crate::ops::why::{Facts, Why, explain};
use crate::time::rfc3339;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List jobs that have not ended and are not dead, oldest first.
    ///
    /// Example: relais jobs list --queue default --state scheduled
    List(List),
    /// Show all that is kept of a job, its payload and its failed attempts too.
    Show {
        /// The job's id.
        id: JobId,
        #[command(flatten)]
        how: Shown,
    },
    /// Cancel a job. One that waits never starts; one that runs is stopped within a few seconds.
    Cancel {
        /// The job's id.
        id: JobId,
        /// Who asks; kept in the audit log.
        #[arg(long)]
        by: Option<String>,
    },
    /// Say why a job is not running, or that it is. Exit status 1 if no such job is known.
    Why {
        /// The job's id.
        id: JobId,
    },
}

/// How a payload is shown.
#[derive(Args)]
#[group(skip)]
pub(super) struct Shown {
    /// Show addresses, texts and links in clear.
    #[arg(long)]
    pub(super) reveal: bool,
    /// Who asks; what was shown in clear is kept in the audit log.
    #[arg(long)]
    by: Option<String>,
}

#[derive(Args)]
pub(super) struct List {
    /// Only jobs of this queue.
    #[arg(long, value_parser = queues::names())]
    queue: Option<String>,
    /// Only jobs of this tenant.
    #[arg(long, value_name = "ID")]
    tenant: Option<Uuid>,
    /// Only jobs of this kind.
    #[arg(long)]
    kind: Option<String>,
    /// Only jobs in this state.
    #[arg(long, value_parser = PossibleValuesParser::new(["ready", "scheduled", "running", "parked", "behind"]))]
    state: Option<String>,
    /// At most this many.
    #[arg(long, default_value_t = 50, value_parser = pages::limit)]
    limit: usize,
    /// Go on where the list before ended (its `next_cursor`).
    #[arg(long)]
    cursor: Option<String>,
}

pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<Answer> {
    let backend = connect::queue(settings).await?;
    match command {
        Command::List(list) => {
            let filter = Filter {
                queue: list.queue.as_deref().and_then(Queue::named),
                tenant: list.tenant,
                kind: list.kind,
                state: list.state,
            };
            let page = pages::live(&*backend, &filter, list.limit, list.cursor).await?;
            let rows: Vec<_> = page.items.iter().map(row).collect();
            let words = table(["ID", "KIND", "QUEUE", "TENANT", "STATE", "ATTEMPTS", "UNTIL"], &rows);
            let items: Vec<_> = page.items.iter().map(to_json).collect();
            let more = pages::more(page.next_cursor.as_deref());
            Ok(Answer::new(
                json!({ "items": items, "next_cursor": page.next_cursor }),
                words + &more,
            ))
        }
        Command::Show { id, how } => {
            let kept = find(&*backend, id).await?;
            show_to(how, to_json(&kept), &kept, settings).await
        }
        Command::Cancel { id, by } => {
            let (outcome, message) = cancel(&*backend, id, by, settings).await?;
            let (name, words) = match outcome {
                Cancelled::Removed => ("removed", "Cancelled: it will never start."),
                Cancelled::Signalled => ("signalled", "It runs; its worker has been told to stop it."),
                Cancelled::Unknown => ("unknown", "No live job has that id."),
            };
            let of_message = message
                .map(|status| format!(" Its message is {status}."))
                .unwrap_or_default();
            let json = json!({ "id": id.to_string(), "outcome": name, "message_status": message.map(Status::as_str) });
            Ok(Answer::new(json, format!("{words}{of_message}")).failed_if(outcome == Cancelled::Unknown))
        }
        Command::Why { id } => why(&*backend, id, settings).await,
    }
}

/// Cancels a job, if it lives, once it is written down who asked. Answers what became of its message, too, if it sends one.
async fn cancel(
    backend: &dyn Backend,
    id: JobId,
    by: Option<String>,
    settings: &Settings,
) -> anyhow::Result<(Cancelled, Option<Status>)> {
    let log = Log::of(by, settings).await?;
    let kept = backend.find(id).await?;
    let Some(kept) = kept.filter(|kept| !matches!(kept.state, State::Dead { .. })) else {
        return Ok((Cancelled::Unknown, None));
    };
    let envelope = Envelope::decode(&kept.body);
    let kind = envelope.as_ref().map_or("", |envelope| envelope.kind);
    let what = json!({ "kind": kind, "tenant": tenant(kept.tenant) });
    log.about_to(AuditAction::JobCancelled, Some(id.to_string()), Some(what))
        .await?;
    // What cannot be opened here is cancelled all the same.
    let payload = envelope
        .as_ref()
        .and_then(|envelope| payload::clear(envelope, id, &settings.keyring).ok());
    let message = match payload {
        Some(payload) => call_off(log.store(), TenantId(kept.tenant), kind, &payload, Utc::now()).await?,
        None => None,
    };
    Ok((backend.cancel(id, Clock::System.now()).await?, message))
}

/// The job or dead letter of that id.
pub(super) async fn find(backend: &dyn Backend, id: JobId) -> anyhow::Result<Kept> {
    let kept = backend.find(id).await?;
    kept.with_context(|| format!("there is no job {id}; if there was one, it has ended (`relais jobs why {id}`)"))
}

async fn why(backend: &dyn Backend, id: JobId, settings: &Settings) -> anyhow::Result<Answer> {
    let mut facts = Facts::gather(backend, id, Clock::System.now()).await?;
    match connect::store(settings).await {
        Ok(store) => facts.ask(&store, &settings.keyring).await,
        Err(error) => tracing::warn!(%error, "The store cannot be reached; what the queue knows is told."),
    }
    let why = explain(&facts);
    let unknown = why == Why::Unknown;
    Ok(Answer::new(why.to_json(&id.to_string()), why.words()).failed_if(unknown))
}

/// Shows a job to somebody; in clear only once it is written down that they saw it.
pub(super) async fn show_to(how: Shown, json: Value, kept: &Kept, settings: &Settings) -> anyhow::Result<Answer> {
    if how.reveal {
        let log = Log::of(how.by, settings).await?;
        log.about_to(AuditAction::PayloadShown, Some(kept.id.to_string()), None)
            .await?;
    }
    Ok(show(json, kept, &settings.keyring, how.reveal))
}

/// A job with its payload and its failed attempts.
pub(super) fn show(mut json: Value, kept: &Kept, keyring: &Keyring, reveal: bool) -> Answer {
    let payload = payload::open(kept, keyring, reveal);
    let errors: Vec<_> = kept.errors.iter().map(attempt).collect();
    let mut words = String::new();
    for (name, value) in json.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        words += &format!("{name:12}{value}\n");
    }
    words += &format!(
        "\nPayload{}\n",
        if reveal { "" } else { " (masked; --reveal shows it)" }
    );
    words += &serde_json::to_string_pretty(&payload).unwrap_or_default();
    words += "\n\nFailed attempts\n";
    let rows: Vec<_> = kept
        .errors
        .iter()
        .map(|failure| [failure.attempt.to_string(), rfc3339(failure.at), failure.error.clone()])
        .collect();
    words += &if rows.is_empty() {
        "none\n".to_owned()
    } else {
        table(["ATTEMPT", "AT", "ERROR"], &rows)
    };
    kept.errors.iter().for_each(|failure| words += &call(failure));
    json["payload"] = payload;
    json["errors"] = errors.into();
    Answer::new(json, words)
}

/// A failed attempt as programs see it, with the call that went wrong if it made one.
fn attempt(failure: &Failure) -> Value {
    let mut json = json!({ "attempt": failure.attempt, "at": rfc3339(failure.at), "error": failure.error });
    if let Some(excerpt) = &failure.excerpt {
        json["request"] = excerpt.request.clone().into();
        json["response"] = excerpt.response.clone().into();
    }
    json
}

/// The call of an attempt that made one.
fn call(failure: &Failure) -> String {
    let Some(excerpt) = &failure.excerpt else {
        return String::new();
    };
    let request = excerpt.request.as_deref().unwrap_or("(not told)");
    let response = excerpt.response.as_deref().unwrap_or("(no answer)");
    let response = response.replace('\n', "\n    ");
    format!(
        "\nAttempt {} asked\n    {request}\nand was answered\n    {response}\n",
        failure.attempt
    )
}

/// A job as programs see it.
pub(super) fn to_json(kept: &Kept) -> Value {
    let envelope = Envelope::decode(&kept.body);
    let mut json = json!({
        "id": kept.id.to_string(),
        "kind": envelope.map(|envelope| envelope.kind),
        "queue": kept.queue.name(),
        "tenant": tenant(kept.tenant),
        "state": kept.state.name(),
        "attempts": kept.attempts,
        "crashes": kept.crashes,
        "created_at": envelope.map(|envelope| rfc3339(envelope.created_at)),
        "expires_at": envelope.and_then(|envelope| envelope.expires_at).map(rfc3339),
        "correlation": envelope.map(|envelope| envelope.correlation.to_string()),
        "limit_key": kept.keys.limit.as_ref().map(queue::Key::as_str),
        "order_key": kept.keys.order.as_ref().map(|order| order.key.as_str()),
    });
    match &kept.state {
        State::Ready => {}
        State::Scheduled { run_at } => json["run_at"] = rfc3339(*run_at).into(),
        State::Running { session, until, .. } => {
            json["session"] = session.to_string().into();
            json["lease_until"] = rfc3339(*until).into();
        }
        State::Parked { gate } => json["gate"] = gate.as_str().into(),
        State::Behind { head } => json["behind"] = head.to_string().into(),
        State::Dead { reason, died_at } => {
            json["reason"] = reason.name().into();
            json["died_at"] = rfc3339(*died_at).into();
            json["group"] = GroupId::of_letter(kept).map(|group| group.to_string()).into();
        }
    }
    json
}

fn row(kept: &Kept) -> [String; 7] {
    let until = match &kept.state {
        State::Scheduled { run_at } => Some(rfc3339(*run_at)),
        State::Running { until, .. } => Some(rfc3339(*until)),
        State::Parked { gate } => Some(gate.clone()),
        State::Behind { head } => Some(format!("after {head}")),
        State::Ready | State::Dead { .. } => None,
    };
    [
        kept.id.to_string(),
        pages::kind(kept),
        kept.queue.name().to_owned(),
        or_dash(tenant(kept.tenant)),
        kept.state.name().to_owned(),
        kept.attempts.to_string(),
        or_dash(until),
    ]
}
