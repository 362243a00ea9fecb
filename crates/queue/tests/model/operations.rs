//! What can happen.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use queue::clock::DAY_MS;
use queue::{Limit, Millis, Rate};

use crate::scripted::Answer;

/// How many keys there are: few, so that they meet again.
pub(crate) const KEYS: u8 = 12;
/// How many worker processes there are.
pub(crate) const WORKERS: usize = 3;

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// Adds jobs that start after `delay`; `twice` = the first answer got lost.
    Add {
        keys: Vec<u8>,
        delay: Millis,
        twice: bool,
    },
    /// A worker claims.
    Claim {
        worker: usize,
        lane: u8,
        want: usize,
    },
    /// A worker (dead ones too) hands in some of what it believes to hold.
    Settle {
        worker: usize,
        answers: Vec<(usize, Answer)>,
        twice: bool,
    },
    /// A worker renews all its claims.
    Renew {
        worker: usize,
    },
    /// A worker forgets what it holds; its ghost may still hand something in.
    Crash {
        worker: usize,
    },
    /// A worker of the past hands in one of its jobs.
    Haunt {
        pick: usize,
        answer: Answer,
    },
    Sweep {
        dice: f64,
    },
    Wait {
        by: Millis,
    },
    Rest {
        by: Millis,
        dice: f64,
    },
    Pause {
        paused: bool,
    },
    Cancel {
        key: u8,
    },
    /// What the one limit key allows.
    Limit {
        limit: Option<Limit>,
    },
    /// One that was claimed under the limit key comes too late for its start.
    Miss {
        pick: usize,
        /// How long another one is waited for.
        patience: Millis,
    },
    Unpark,
    RetryDead {
        key: u8,
    },
    DeleteDead {
        key: u8,
    },
    /// A dead letter comes from elsewhere.
    ImportDead {
        key: u8,
    },
    Purge,
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        2 => Just(Answer::Ok),
        12 => Just(Answer::Retry),
        1 => Just(Answer::RetryAfter),
        1 => Just(Answer::Snooze),
        1 => Just(Answer::Dead),
        1 => Just(Answer::UnknownKind),
        1 => Just(Answer::Leave),
    ]
}

fn limit() -> impl Strategy<Value = Option<Limit>> {
    let rate = |count| Rate::new(count, Duration::from_secs(1));
    prop_oneof![
        1 => Just(None),
        3 => (0u32..3).prop_map(|most| Some(Limit { rate: None, concurrency: Some(most) })),
        2 => (1u32..4).prop_map(move |count| Some(Limit { rate: rate(count), concurrency: None })),
        1 => Just(Some(Limit { rate: rate(50), concurrency: Some(2) })),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let delay = prop_oneof![6 => Just(0), 1 => Just(3000), 1 => Just(2 * DAY_MS)];
    let by = prop_oneof![8 => Just(1000), 8 => Just(10_000), 1 => Just(DAY_MS)];
    let worker = || 0..WORKERS;
    let key = || 0..KEYS;
    prop_oneof![
        6 => (vec(key(), 1..6), delay, any::<bool>())
            .prop_map(|(keys, delay, twice)| Operation::Add { keys, delay, twice }),
        12 => (worker(), 0u8..3, 1usize..7).prop_map(|(worker, lane, want)| Operation::Claim { worker, lane, want }),
        12 => (worker(), vec((0usize..8, answer()), 1..5), prop::bool::weighted(0.2))
            .prop_map(|(worker, answers, twice)| Operation::Settle { worker, answers, twice }),
        2 => worker().prop_map(|worker| Operation::Renew { worker }),
        2 => worker().prop_map(|worker| Operation::Crash { worker }),
        2 => (0usize..32, answer()).prop_map(|(pick, answer)| Operation::Haunt { pick, answer }),
        3 => (0.0..=1.0).prop_map(|dice| Operation::Sweep { dice }),
        4 => by.prop_map(|by| Operation::Wait { by }),
        // Long enough for everything that waits, or for every lease to end, and then swept.
        8 => (prop_oneof![2 => Just(10_000), 1 => Just(32_000)], 0.0..=1.0)
            .prop_map(|(by, dice)| Operation::Rest { by, dice }),
        1 => prop::bool::weighted(0.2).prop_map(|paused| Operation::Pause { paused }),
        1 => key().prop_map(|key| Operation::Cancel { key }),
        2 => limit().prop_map(|limit| Operation::Limit { limit }),
        1 => (0usize..32, 0i64..2000).prop_map(|(pick, patience)| Operation::Miss { pick, patience }),
        1 => Just(Operation::Unpark),
        1 => key().prop_map(|key| Operation::RetryDead { key }),
        1 => key().prop_map(|key| Operation::DeleteDead { key }),
        1 => key().prop_map(|key| Operation::ImportDead { key }),
        1 => Just(Operation::Purge),
    ]
}

pub(crate) fn sequence(length: usize) -> impl Strategy<Value = Vec<Operation>> {
    vec(operation(), length / 2..=length)
}
