//! What operators set and see of limit keys and gates.

use std::collections::BTreeSet;
use std::time::Duration;

use super::RedisQueue;
use super::link::misunderstood;
use super::script::{GATES, LIMITS_OF, RESERVE_AGAIN, SET_LIMIT};
use super::stored::time;
use crate::backend::{BATCH_MAX, QueueError};
use crate::clock::Millis;
use crate::flow::{Gcra, Key, Limit, LimitState, Missed, Rate};
use crate::job::Queue;

/// What Redis knows of a key: its limit, its arrival time, until when it is cooled, and how many of its jobs run.
type Row = (String, String, Vec<u8>, u64);

impl RedisQueue {
    /// Sets or removes what a key allows.
    pub(super) async fn set_limit_in(
        &self,
        queue: Queue,
        key: &Key,
        limit: Option<Limit>,
        now: Millis,
    ) -> Result<(), QueueError> {
        let mut command = SET_LIMIT.on(self.tag(queue));
        command.arg(key.as_str()).arg(now);
        command
            .arg(limit.map_or_else(String::new, write))
            .arg(u8::from(limit.is_none()));
        self.link.run(&SET_LIMIT, &command).await
    }

    /// Reserves another start of a key for one that was missed.
    pub(super) async fn reserve_again_in(&self, queue: Queue, key: &Key, missed: Missed) -> Result<Millis, QueueError> {
        let mut command = RESERVE_AGAIN.on(self.tag(queue));
        let Missed { starts_at, now, latest } = missed;
        command.arg(key.as_str()).arg(starts_at).arg(now).arg(latest);
        self.link.run(&RESERVE_AGAIN, &command).await
    }

    /// All keys that are limited, cooled or in use, by name.
    pub(super) async fn limits_in(&self, queue: Queue, now: Millis) -> Result<Vec<LimitState>, QueueError> {
        let mut names = self.names(queue, "HSCAN", "limits").await?;
        names.extend(self.names(queue, "ZSCAN", "cooled").await?);
        names.extend(self.names(queue, "SSCAN", "used").await?);
        let names: Vec<String> = names.into_iter().collect();
        let mut states = Vec::new();
        for names in names.chunks(BATCH_MAX) {
            let mut command = LIMITS_OF.on(self.tag(queue));
            let rows: Vec<Row> = self.link.run(&LIMITS_OF, command.arg(names)).await?;
            for (name, row) in names.iter().zip(rows) {
                let state = read(name, row, now).ok_or_else(misunderstood)?;
                let is_set = state.limit != Limit::default();
                if is_set || state.cooled_until.is_some() || state.running > 0 {
                    states.push(state);
                }
            }
        }
        Ok(states)
    }

    /// Gates with the number of jobs behind them, by name.
    pub(super) async fn gates_in(&self, queue: Queue) -> Result<Vec<(String, u64)>, QueueError> {
        let names: Vec<String> = self.names(queue, "SSCAN", "gates").await?.into_iter().collect();
        let mut gates = Vec::new();
        for names in names.chunks(BATCH_MAX) {
            let mut command = GATES.on(self.tag(queue));
            let parked: Vec<u64> = self.link.run(&GATES, command.arg(names)).await?;
            gates.extend(names.iter().cloned().zip(parked).filter(|(_, parked)| *parked > 0));
        }
        Ok(gates)
    }

    /// The members or fields of a set, sorted set or hash, read in bounded steps.
    async fn names(&self, queue: Queue, scan: &str, key: &str) -> Result<BTreeSet<String>, QueueError> {
        let (mut names, mut cursor) = (BTreeSet::new(), "0".to_owned());
        loop {
            let mut command = redis::cmd(scan);
            command.arg(format!("{}:{key}", self.tag(queue))).arg(&cursor);
            command.arg("COUNT").arg(BATCH_MAX);
            let (next, found): (String, Vec<String>) = self.link.query(&command).await?;
            // A hash shows each field with its value, a sorted set each member with its score.
            let each = if scan == "SSCAN" { 1 } else { 2 };
            names.extend(found.into_iter().step_by(each));
            if next == "0" {
                return Ok(names);
            }
            cursor = next;
        }
    }
}

/// What the scripts need of a limit (interval of its rate, concurrency), and what tells the rate as it was
/// set: count and span in nanoseconds. `-` stands for what is not limited; all of nothing is no limit.
fn write(limit: Limit) -> String {
    if limit == Limit::default() {
        return String::new();
    }
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let gcra = limit.rate.map(Gcra::from);
    let span = limit.rate.and_then(|rate| i64::try_from(rate.per().as_nanos()).ok());
    [
        number(gcra.map(|gcra| gcra.interval_us)),
        number(limit.concurrency.map(i64::from)),
        number(limit.rate.map(|rate| i64::from(rate.count()))),
        number(span),
    ]
    .join(" ")
}

/// Reads what [`write`] wrote.
fn read_limit(text: &str) -> Option<Limit> {
    if text.is_empty() {
        return Some(Limit::default());
    }
    let parts: Vec<&str> = text.split(' ').collect();
    let [_, concurrency, count, span] = parts[..] else {
        return None;
    };
    let rate = if count == "-" {
        None
    } else {
        Some(Rate::new(
            count.parse().ok()?,
            Duration::from_nanos(span.parse().ok()?),
        )?)
    };
    let concurrency = if concurrency == "-" {
        None
    } else {
        Some(concurrency.parse().ok()?)
    };
    Some(Limit { rate, concurrency })
}

fn read(name: &str, (limit, arrival, cooled, running): Row, now: Millis) -> Option<LimitState> {
    let limit = read_limit(&limit)?;
    let arrival_us = if arrival.is_empty() { 0 } else { arrival.parse().ok()? };
    let closed = |gcra: &Gcra| gcra.allows(arrival_us, now) == 0;
    Some(LimitState {
        key: Key::new(name)?,
        limit,
        running,
        rate_opens_at: limit
            .rate
            .map(Gcra::from)
            .filter(closed)
            .map(|gcra| gcra.opens_at(arrival_us)),
        cooled_until: time(&cooled).filter(|until| *until > now),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_limit_reads_back_as_it_was_set(
            rate in prop::option::of((1u32..1000, 1_000_000u64..86_400_000_000_000)), concurrency: Option<u32>
        ) {
            let rate = rate.and_then(|(count, span)| Rate::new(count, Duration::from_nanos(span)));
            let limit = Limit { rate, concurrency };
            prop_assert_eq!(read_limit(&write(limit)), Some(limit));
        }

        #[test]
        fn any_text_is_read_as_a_limit_or_refused_without_a_panic(text: String) {
            let _ = read_limit(&text);
        }
    }
}
