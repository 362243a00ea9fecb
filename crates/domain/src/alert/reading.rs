//! What was found at a look, and whether it is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{CircuitState, CredentialId, EndpointId};

/// From which figure on something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// For how long a ready job may wait, by queue. A queue that is not named may wait for ever.
    pub oldest_ready: BTreeMap<String, Duration>,
    /// How many dead letters more within [`WINDOW`](super::WINDOW) are too many for a queue; 0: never.
    pub dead_letters: u64,
    /// How many signatures that are not good are too many for an endpoint within as long; 0: never.
    pub signature_failures: u64,
}

/// What was found about one queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueReading {
    /// Its name.
    pub queue: String,
    /// Jobs that may start or were begun.
    pub work: u64,
    /// Dead letters.
    pub dead: u64,
    /// Somebody stopped it on purpose.
    pub is_paused: bool,
    /// How many workers serve it.
    pub workers: usize,
    /// Which of the marks that are remembered are ready still.
    pub still: Vec<String>,
    /// A new mark.
    pub fresh: Option<String>,
}

/// What was found. What could not be looked at is `None`: then nothing changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    /// About every queue.
    pub queues: Option<Vec<QueueReading>>,
    /// How many signatures were not good within [`WINDOW`](super::WINDOW), by endpoint.
    pub signature_failures: Option<Vec<(EndpointId, u64)>>,
    /// How accounts fare that failed lately, and how many calls failed in a row.
    pub circuits: Option<Vec<(CredentialId, CircuitState, u64)>>,
}

/// Whether something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Wrong,
    /// It is not so well that what was wrong would be over: between the two, a figure may go to and fro.
    Unsure,
    /// It is not.
    Well,
}

/// What a rule is about, and the figure that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// A queue's name, an endpoint's or an account's id.
    pub subject: String,
    /// Jobs; seconds; letters; signatures; calls.
    pub value: u64,
    /// What that means.
    pub verdict: Verdict,
}

impl Reading {
    pub(super) fn no_worker(found: &QueueReading) -> Self {
        let is_wrong = found.work > 0 && found.workers == 0 && !found.is_paused;
        Self::new(found.queue.clone(), found.work, is_wrong)
    }

    pub(super) fn oldest_ready(found: &QueueReading, waited_seconds: u64, most: Option<&Duration>) -> Self {
        let is_wrong = most.is_some_and(|most| waited_seconds >= most.as_secs()) && !found.is_paused;
        Self::new(found.queue.clone(), waited_seconds, is_wrong)
    }

    pub(super) fn circuit(account: CredentialId, state: CircuitState, failures: u64) -> Self {
        Self::new(account.to_string(), failures, state != CircuitState::Closed)
    }

    /// Wrong from `most` on, well again below half of it.
    pub(super) fn counted(subject: String, value: u64, most: u64) -> Self {
        let verdict = if most > 0 && value >= most {
            Verdict::Wrong
        } else if most > 0 && value * 2 >= most {
            Verdict::Unsure
        } else {
            Verdict::Well
        };
        Self {
            subject,
            value,
            verdict,
        }
    }

    /// Of what is remembered and was not found.
    pub(super) fn gone(subject: String) -> Self {
        Self::new(subject, 0, false)
    }

    fn new(subject: String, value: u64, is_wrong: bool) -> Self {
        let verdict = if is_wrong { Verdict::Wrong } else { Verdict::Well };
        Self {
            subject,
            value,
            verdict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(work: u64, workers: usize, is_paused: bool) -> QueueReading {
        QueueReading {
            queue: "default".into(),
            work,
            workers,
            is_paused,
            ..QueueReading::default()
        }
    }

    #[test]
    fn work_that_nobody_serves_is_wrong_unless_somebody_stopped_it() {
        let check = |work, workers, is_paused, expected| {
            assert_eq!(Reading::no_worker(&queue(work, workers, is_paused)).verdict, expected);
        };
        check(1, 0, false, Verdict::Wrong);
        check(1, 1, false, Verdict::Well);
        check(0, 0, false, Verdict::Well);
        check(9, 0, true, Verdict::Well);
    }

    #[test]
    fn a_wait_is_wrong_from_the_queues_own_limit_on() {
        let most = Duration::from_secs(300);
        let verdict = |waited, most, is_paused| Reading::oldest_ready(&queue(1, 1, is_paused), waited, most).verdict;
        assert_eq!(verdict(299, Some(&most), false), Verdict::Well);
        assert_eq!(verdict(300, Some(&most), false), Verdict::Wrong);
        assert_eq!(verdict(300, Some(&most), true), Verdict::Well);
        assert_eq!(verdict(999_999, None, false), Verdict::Well);
    }

    #[test]
    fn a_count_is_wrong_from_its_limit_on_and_well_again_below_half_of_it() {
        let check = |value, most, expected| {
            assert_eq!(
                Reading::counted(String::new(), value, most).verdict,
                expected,
                "{value} of {most}"
            );
        };
        check(10, 10, Verdict::Wrong);
        check(9, 10, Verdict::Unsure);
        check(5, 10, Verdict::Unsure);
        check(4, 10, Verdict::Well);
        check(1, 1, Verdict::Wrong);
        check(0, 1, Verdict::Well);
        check(u64::MAX / 2, 0, Verdict::Well);
    }
}
