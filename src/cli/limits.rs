//! `relais limits`: how much of a limit key may happen.

use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use domain::AuditAction;
use queue::{Clock, Key, Limit, LimitState, Queue, Rate};
use serde_json::{Value, json};

use super::answer::{Answer, or_dash, table};
use super::{audit, queues, who};
use crate::config::Settings;
use crate::connect;
use crate::time::rfc3339;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the limit keys that are limited, cooled or in use (the default).
    List,
    /// Set what a key allows, from now on and for all workers. What is not given is not limited.
    ///
    /// The key of what goes by an account at a provider is PROVIDER:ID, with the ID that `relais credential list` shows.
    ///
    /// Example: relais limits set twilio:0198c7d2-5a1e-7c33-9d52-6b1f0f6a2c11 --queue default --rate 100/s --concurrency 20
    Set(Set),
    /// Remove a key's limit, and with it what a provider asked for (`Retry-After`).
    Remove {
        /// The key, as the list shows it.
        key: String,
        /// In which queue: limits are of one queue.
        #[arg(long, value_parser = queues::names())]
        queue: String,
        /// Who asks; kept in the audit log.
        #[arg(long)]
        by: Option<String>,
    },
}

#[derive(Args)]
#[group(skip)]
pub(super) struct Set {
    /// The key that jobs name.
    key: String,
    /// In which queue: limits are of one queue.
    #[arg(long, value_parser = queues::names())]
    queue: String,
    /// At most so many starts in a time: `100/s`, `30/m`, `500/h`, `5/10s`.
    #[arg(long, value_parser = rate)]
    rate: Option<Rate>,
    /// At most so many at once; 0 lets none start.
    #[arg(long)]
    concurrency: Option<u32>,
    /// Who asks; kept in the audit log.
    #[arg(long)]
    by: Option<String>,
}

pub(super) async fn run(command: Option<Command>, settings: &Settings) -> anyhow::Result<Answer> {
    let backend = connect::queue(settings).await?;
    let now = Clock::System.now();
    let (queue, key, limit, by) = match command {
        None | Some(Command::List) => {
            let mut items = Vec::new();
            for queue in Queue::ALL {
                let limits = backend.limits(queue, now).await?;
                items.extend(limits.into_iter().map(|state| (queue, state)));
            }
            return Ok(show(&items));
        }
        Some(Command::Set(set)) => {
            let (rate, concurrency) = (set.rate, set.concurrency);
            anyhow::ensure!(
                rate.is_some() || concurrency.is_some(),
                "give --rate, --concurrency or both; `relais limits remove` removes a limit"
            );
            (set.queue, set.key, Some(Limit { rate, concurrency }), set.by)
        }
        Some(Command::Remove { queue, key, by }) => (queue, key, None, by),
    };
    let queue = Queue::named(&queue).context("there is no queue of that name")?;
    let key = Key::new(&key).context("a limit key has a name")?;
    let author = who::author(by)?;
    backend.set_limit(queue, &key, limit, now).await?;
    let words = match limit {
        Some(limit) => format!("{key} in {queue}: {}.", allowance(limit)),
        None => format!("{key} in {queue} is not limited."),
    };
    let json = to_json(queue, key.as_str(), limit.unwrap_or_default());
    let target = Some(format!("{queue} {key}"));
    let entry = audit::entry(author, AuditAction::LimitChanged, target, Some(json.clone()));
    Ok(audit::note(Answer::new(json, words), entry, settings).await)
}

/// Reads `100/s`.
fn rate(text: &str) -> Result<Rate, String> {
    let read = || {
        let (count, per) = text.split_once('/')?;
        let digits = per.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let number: u64 = if digits.is_empty() { 1 } else { digits.parse().ok()? };
        let unit = match &per[digits.len()..] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        Rate::new(count.parse().ok()?, Duration::from_millis(number.checked_mul(unit)?))
    };
    read().ok_or_else(|| "use NUMBER/TIME, for example 100/s, 30/m or 5/10s; at most a day".to_owned())
}

/// A limit as it is given.
fn allowance(limit: Limit) -> String {
    let rate = limit.rate.map(|rate| format!("{}/{}", rate.count(), span(rate.per())));
    let most = limit.concurrency.map(|most| format!("{most} at once"));
    let parts: Vec<_> = rate.into_iter().chain(most).collect();
    if parts.is_empty() {
        "-".to_owned()
    } else {
        parts.join(", ")
    }
}

fn span(per: Duration) -> String {
    match per.as_millis() {
        1000 => "s".to_owned(),
        60_000 => "m".to_owned(),
        3_600_000 => "h".to_owned(),
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

fn to_json(queue: Queue, key: &str, limit: Limit) -> Value {
    json!({
        "queue": queue.name(), "key": key,
        "rate": limit.rate.map(|rate| format!("{}/{}", rate.count(), span(rate.per()))),
        "concurrency": limit.concurrency,
    })
}

fn show(items: &[(Queue, LimitState)]) -> Answer {
    let rows: Vec<_> = items
        .iter()
        .map(|(queue, state)| {
            [
                queue.name().to_owned(),
                state.key.to_string(),
                allowance(state.limit),
                state.running.to_string(),
                or_dash(state.rate_opens_at.map(rfc3339)),
                or_dash(state.cooled_until.map(rfc3339)),
            ]
        })
        .collect();
    let json: Vec<_> = items
        .iter()
        .map(|(queue, state)| {
            let mut json = to_json(*queue, state.key.as_str(), state.limit);
            json["running"] = state.running.into();
            json["rate_opens_at"] = state.rate_opens_at.map(rfc3339).into();
            json["cooled_until"] = state.cooled_until.map(rfc3339).into();
            json
        })
        .collect();
    let words = table(["QUEUE", "KEY", "ALLOWS", "RUNNING", "OPENS AT", "COOLED UNTIL"], &rows);
    Answer::new(json!({ "items": json }), words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_it_is_shown() {
        for text in ["100/s", "30/m", "500/h", "5/10s", "3/250ms"] {
            let limit = Limit {
                rate: rate(text).ok(),
                concurrency: Some(4),
            };
            assert_eq!(allowance(limit), format!("{text}, 4 at once"));
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "100",
            "0/s",
            "1/d",
            "1/",
            "/s",
            "-1/s",
            "1/0s",
            "2/1000000h",
            "9/18446744073709551615h",
        ] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
