//! What the store knows of a dead letter: who changed its payload and how, and which calls to providers it made.

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat, Utc};
use domain::{MessageId, PersonalText, TenantId};
use queue::JobId;
use queue::backend::Kept;
use queue::envelope::Envelope;
use serde_json::{Value, json};
use store::{Attempt, DeadLetterEdit, Store};
use uuid::Uuid;

use super::answer::{Answer, or_dash, table};
use super::payload::{self, Change};
use crate::config::Settings;
use crate::connect;

/// Under this name the changes of an edit are kept until it is known that they were made; from then on they are kept bare.
const MEANT: &str = "meant";

/// An edit that is written down as meant, and about to be made.
pub(super) struct Meant {
    store: Store,
    id: Uuid,
    changes: Value,
}

impl Meant {
    /// Writes down what is about to be changed.
    pub(super) async fn keep(
        changes: &[Change],
        tenant: TenantId,
        letter: JobId,
        by: String,
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        let changes: Value = changes.iter().map(Change::to_json).collect();
        let edit = DeadLetterEdit {
            by,
            at: Utc::now(),
            changes: PersonalText::new(json!({ MEANT: changes }).to_string()),
        };
        let store = connect::store(settings).await?;
        let kept = store.record_dead_letter_edit(tenant, letter.0, &edit).await;
        let id = kept.context("the change could not be written down, so nothing was changed")?;
        Ok(Self { store, id, changes })
    }

    /// Writes down whether it was made: what was not, was no edit. If that cannot be written, it stays as meant.
    pub(super) async fn settle(self, was_made: bool) {
        let settled = if was_made {
            let changes = PersonalText::new(self.changes.to_string());
            self.store.settle_edit(self.id, &changes).await
        } else {
            self.store.forget_edit(self.id).await
        };
        if let Err(error) = settled {
            tracing::warn!(%error, was_made, "What became of an edit could not be written down; it is shown as cut short.");
        }
    }
}

/// Adds it to what is shown of a dead letter. While the store is away, the letter is shown without it.
pub(super) async fn with(shown: Answer, kept: &Kept, reveal: bool, settings: &Settings) -> Answer {
    match read(kept, settings).await {
        Ok((calls, edits)) => with_edits(with_calls(shown, &calls), &edits, reveal),
        Err(error) => {
            let words = format!("\nCalls to providers and edits cannot be read now: {error:#}\n");
            shown.and("calls", Value::Null, "").and("edits", Value::Null, &words)
        }
    }
}

async fn read(kept: &Kept, settings: &Settings) -> anyhow::Result<(Vec<Attempt>, Vec<DeadLetterEdit>)> {
    let store = connect::store(settings).await?;
    let calls = match message(kept, settings) {
        Some(message) => calls(&store, kept, message).await?,
        None => Vec::new(),
    };
    Ok((calls, store.dead_letter_edits(kept.id.0).await?))
}

async fn calls(store: &Store, kept: &Kept, message: MessageId) -> anyhow::Result<Vec<Attempt>> {
    Ok(store.attempts(TenantId(kept.tenant), message).await?)
}

/// The message that the job sends, if it sends one.
fn message(kept: &Kept, settings: &Settings) -> Option<MessageId> {
    let clear = payload::clear(&Envelope::decode(&kept.body)?, kept.id, &settings.keyring).ok()?;
    let payload: Value = serde_json::from_slice(&clear).ok()?;
    payload.pointer("/message/id")?.as_str()?.parse().ok()
}

fn with_calls(shown: Answer, calls: &[Attempt]) -> Answer {
    let json = calls.iter().map(|call| {
        json!({
            "number": call.number, "provider": call.provider, "credential": call.credential, "state": call.state,
            "code": call.code, "external_id": call.external_id, "started_at": time(call.started_at),
            "ended_at": call.ended_at.map(time),
        })
    });
    let rows: Vec<_> = calls
        .iter()
        .map(|call| {
            [
                call.number.to_string(),
                call.provider.clone(),
                call.state.to_string(),
                or_dash(call.code.clone()),
                time(call.started_at),
                or_dash(call.ended_at.map(time)),
            ]
        })
        .collect();
    let words = match rows.is_empty() {
        true => String::new(),
        false => format!(
            "\nCalls to providers\n{}",
            table(["CALL", "PROVIDER", "RESULT", "CODE", "FROM", "TO"], &rows)
        ),
    };
    shown.and("calls", json.collect(), &words)
}

fn with_edits(shown: Answer, edits: &[DeadLetterEdit], reveal: bool) -> Answer {
    let mut words = String::new();
    let mut json = Vec::new();
    for edit in edits {
        let (changes, is_certain) = changes(edit, reveal);
        let doubt = if is_certain {
            ""
        } else {
            ", or not: the edit was cut short"
        };
        words += &format!("\nEdited by {} at {}{doubt}\n", edit.by, time(edit.at));
        words.extend(changes.iter().map(Change::words));
        let changes: Value = changes.iter().map(Change::to_json).collect();
        json.push(json!({ "by": edit.by, "at": time(edit.at), "changes": changes, "certain": is_certain }));
    }
    shown.and("edits", json.into(), &words)
}

/// What an edit changed, and whether it is certain that it was made.
fn changes(edit: &DeadLetterEdit, reveal: bool) -> (Vec<Change>, bool) {
    let kept: Value = serde_json::from_str(edit.changes.expose()).unwrap_or_default();
    let meant = kept.get(MEANT);
    let changes = meant.unwrap_or(&kept).as_array().into_iter().flatten();
    let changes = changes
        .filter_map(Change::read)
        .map(|change| if reveal { change } else { change.masked() });
    (changes.collect(), meant.is_none())
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
