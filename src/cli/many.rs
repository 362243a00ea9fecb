//! `relais dead retry` and `relais dead delete` of many dead letters: a preview, or a [bulk action](::jobs::bulk).

use std::time::Duration;

use ::jobs::bulk::{self, Asked, Preview, Selection};
use chrono::Utc;
use clap::Args;
use domain::bulk::{RATE_MAX, RATE_USUAL};
use domain::{AuditAction, BulkAct, BulkActionId};
use queue::{Client, Clock};
use serde_json::{Value, json};
use store::{BulkAction, Store};

use super::answer::{Answer, table};
use super::audit::Log;
use super::{bulk as shown, who};
use crate::config::Settings;
use crate::connect;

/// How often `--wait` looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How something is done with many dead letters.
#[derive(Args)]
#[group(skip)]
pub(super) struct How {
    /// Letters per second, as `200/s`; at most 1000.
    #[arg(long, value_parser = rate, default_value_t = RATE_USUAL, conflicts_with = "ids")]
    rate: u32,
    /// Only count the letters that match.
    #[arg(long, conflicts_with_all = ["yes", "ids"])]
    preview: bool,
    /// Yes, do it. Without it the letters are counted, and nothing is done.
    #[arg(long, conflicts_with = "ids")]
    yes: bool,
    /// Return when the action has ended; progress is printed on standard error. Exit status 1 if one failed.
    #[arg(long, requires = "yes")]
    wait: bool,
    /// Who asks; shown with the action, and kept in the audit log.
    #[arg(long)]
    pub(super) by: Option<String>,
}

/// Counts, or begins an action.
pub(super) async fn run(
    act: BulkAct,
    selection: Selection,
    canary: Option<u32>,
    how: How,
    settings: &Settings,
) -> anyhow::Result<Answer> {
    let backend = connect::queue(settings).await?;
    if !how.yes {
        let now = Clock::System.now();
        let counted = bulk::preview(&*backend, &selection.dead_before(now)).await?;
        return Ok(previewed(act, &counted, how.preview));
    }
    let store = connect::store(settings).await?;
    let queue = Client::new(backend, settings.keyring.clone(), Clock::System);
    let by = how.by.unwrap_or_else(who::whoever);
    // A text that is looked for may be somebody's address.
    let mut filter = selection.to_json();
    if let Some(text) = filter.get_mut("text") {
        *text = json!("<text>");
    }
    let what = json!({ "act": act, "canary": canary, "rate": how.rate, "filter": filter });
    let log = Log::of(Some(by.clone()), settings).await?;
    log.about_to(AuditAction::DeadLettersActedOn, None, Some(what)).await?;
    let asked = Asked {
        act,
        selection,
        canary,
        rate: how.rate,
        by,
    };
    let Some(action) = bulk::begin(&store, &queue, asked, Utc::now()).await? else {
        return Ok(Answer::new(
            json!({ "id": null, "matched": 0 }),
            "No dead letter matches.",
        ));
    };
    let action = if how.wait { wait(&store, action).await? } else { action };
    let failed = how.wait && !ended_well(&action);
    Ok(Answer::new(shown::to_json(&action), shown::words(&action)).failed_if(failed))
}

fn previewed(act: BulkAct, counted: &Preview, is_enough: bool) -> Answer {
    let groups: Vec<Value> = counted
        .groups
        .iter()
        .map(|group| {
            json!({
                "group": group.id.to_string(), "kind": group.kind, "reason": group.reason.name(), "error": group.error,
                "count": group.count,
            })
        })
        .collect();
    let rows: Vec<_> = counted
        .groups
        .iter()
        .map(|group| {
            let reason = group.reason.name().to_owned();
            [
                group.count.to_string(),
                group.id.to_string(),
                group.kind.clone(),
                reason,
                group.error.clone(),
            ]
        })
        .collect();
    let mut words = format!("{} dead letters match.\n", counted.matched);
    if !rows.is_empty() {
        words += &table(["COUNT", "GROUP", "KIND", "REASON", "ERROR"], &rows);
    }
    if !is_enough {
        words += &format!("\nNothing was done. --yes begins to {act} them.");
    }
    Answer::new(json!({ "matched": counted.matched, "groups": groups }), words).failed_if(!is_enough)
}

/// Looks until the action has ended. Whoever stops waiting does not stop the action.
async fn wait(store: &Store, begun: BulkAction) -> anyhow::Result<BulkAction> {
    let mut last = begun;
    while !last.state.is_ended() {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = find(store, last.id).await?;
        if shown::progress(&now) != shown::progress(&last) {
            eprintln!("{}", shown::progress(&now));
        }
        last = now;
    }
    Ok(last)
}

/// The action of that id.
pub(super) async fn find(store: &Store, id: BulkActionId) -> anyhow::Result<BulkAction> {
    let found = store.bulk_action(id).await?;
    found.ok_or_else(|| anyhow::anyhow!("there is no bulk action {id}"))
}

fn ended_well(action: &BulkAction) -> bool {
    action.state == domain::BulkState::Done && action.failed == 0
}

fn rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let rate = number.parse().ok().filter(|rate| (1..=RATE_MAX).contains(rate));
    rate.ok_or_else(|| format!("use a number of letters per second from 1 to {RATE_MAX}, for example 200/s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_letters_per_second() {
        assert_eq!((rate("200/s"), rate("7")), (Ok(200), Ok(7)));
        for wrong in ["0", "1001/s", "5/m", "-1", ""] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
