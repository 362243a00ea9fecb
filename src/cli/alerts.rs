//! `relais alerts`.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use store::Alert;

use super::answer::{Answer, table};
use crate::alerts::words;
use crate::config::Settings;
use crate::connect;
use crate::time::rfc3339;

/// How many of those that fired last are shown.
const LATEST: u32 = 20;

pub(super) async fn run(settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store(settings).await?;
    let (firing, latest) = (store.alerts_firing().await?, store.alerts_latest(LATEST).await?);
    let looked_at = store.alert_memory().await?.looked_at;
    let recovered: Vec<_> = latest.iter().filter(|alert| alert.recovered_at.is_some()).collect();
    let json = json!({
        "items": firing.iter().map(shown).collect::<Vec<_>>(),
        "recovered": recovered.iter().map(|alert| shown(alert)).collect::<Vec<_>>(),
        "looked_at": (looked_at > DateTime::UNIX_EPOCH).then(|| rfc3339(looked_at.timestamp_millis())),
        "next_cursor": null,
    });
    let mut text = in_words(&firing, Utc::now());
    if !recovered.is_empty() {
        text += &format!("\nOver, of the last {LATEST}:\n{}", over(&recovered));
    }
    text += &match looked_at > DateTime::UNIX_EPOCH {
        true => format!("\nA clock looked last at {}.", words::time(looked_at)),
        false => "\nNo clock has looked yet; `relais clock` does.".to_owned(),
    };
    Ok(Answer::new(json, text))
}

fn shown(alert: &Alert) -> Value {
    let time = |at: DateTime<Utc>| rfc3339(at.timestamp_millis());
    json!({
        "id": alert.id, "rule": alert.rule, "subject": alert.subject, "value": alert.value, "since": time(alert.since),
        "fired_at": time(alert.fired_at), "recovered_at": alert.recovered_at.map(time), "untold": alert.untold,
        "summary": words::happened(alert.rule, &alert.subject, alert.value), "to_do": words::to_do(alert.rule),
    })
}

fn in_words(firing: &[Alert], now: DateTime<Utc>) -> String {
    let mut text = match firing {
        [] => "Nothing fires.\n".to_owned(),
        _ => String::new(),
    };
    for alert in firing {
        let (since, lasts) = (words::time(alert.since), words::span(now - alert.since));
        text += &format!(
            "{}  {}  since {since} ({lasts})\n  {}\n  {}\n",
            alert.rule,
            alert.subject,
            words::happened(alert.rule, &alert.subject, alert.value),
            words::to_do(alert.rule)
        );
        if alert.untold > 0 {
            text += &format!("  {} notices of it could not be delivered yet.\n", alert.untold);
        }
    }
    text
}

fn over(recovered: &[&Alert]) -> String {
    let row = |alert: &&Alert| {
        let until = alert.recovered_at.unwrap_or(alert.fired_at);
        [
            alert.rule.to_string(),
            alert.subject.clone(),
            words::time(alert.since),
            words::span(until - alert.since),
        ]
    };
    let rows: Vec<_> = recovered.iter().map(row).collect();
    table(["RULE", "SUBJECT", "SINCE", "LASTED"], &rows)
}
