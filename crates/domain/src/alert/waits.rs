//! How long the jobs of a queue wait at least.
//!
//! Nothing is written down when a job becomes ready. Instead each look marks one that is ready, and the next ones ask
//! whether it still is: since when the oldest mark has lasted, a job has been waiting.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How many marks are remembered of a queue. When there are as many, no new one is: what they are of waits already.
pub const MARKS_MAX: usize = 40;

/// Jobs that were ready, and since when that is known, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Waits(Vec<(String, DateTime<Utc>)>);

impl Waits {
    /// The marks to ask about.
    pub fn marks(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(mark, _)| mark.as_str())
    }

    /// Takes in which of the marks are of jobs that are ready `still`, and a new mark. Answers for how long the one that has
    /// waited longest has been so at least.
    pub fn note(&mut self, still: &[String], fresh: Option<&str>, now: DateTime<Utc>) -> TimeDelta {
        self.0.retain(|(mark, _)| still.contains(mark));
        // Of somebody whose clock was ahead.
        self.0.iter_mut().for_each(|(_, since)| *since = (*since).min(now));
        if let Some(fresh) = fresh
            && self.0.len() < MARKS_MAX
            && self.marks().all(|mark| mark != fresh)
        {
            self.0.push((fresh.to_owned(), now));
        }
        self.longest(now)
    }

    /// For how long the one that has waited longest has been so at least.
    #[must_use]
    pub fn longest(&self, now: DateTime<Utc>) -> TimeDelta {
        self.0.first().map_or(TimeDelta::zero(), |(_, since)| now - *since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn still(marks: &[&str]) -> Vec<String> {
        marks.iter().map(|mark| (*mark).to_owned()).collect()
    }

    #[test]
    fn a_wait_is_as_long_as_the_oldest_mark_has_lasted() {
        let mut waits = Waits::default();
        let seconds = |wait: TimeDelta| wait.num_seconds();
        assert_eq!(seconds(waits.note(&[], None, at(0))), 0);
        assert_eq!(seconds(waits.note(&[], Some("a"), at(10))), 0);
        assert_eq!(seconds(waits.note(&still(&["a"]), Some("b"), at(25))), 15);
        assert_eq!(seconds(waits.note(&still(&["a", "b"]), Some("b"), at(40))), 30);
        // The queue moves: what it was that waited longest has been claimed.
        assert_eq!(seconds(waits.note(&still(&["b"]), Some("c"), at(50))), 25);
        assert_eq!(seconds(waits.note(&[], None, at(60))), 0);
    }

    #[test]
    fn no_more_marks_are_remembered_than_can_be_asked_about() {
        let mut waits = Waits::default();
        let mut all = Vec::new();
        for number in 0..2 * MARKS_MAX {
            all.push(number.to_string());
            waits.note(&all, Some(&number.to_string()), at(15));
        }
        assert_eq!(waits.marks().count(), MARKS_MAX);
        assert_eq!(waits.note(&all, None, at(45)).num_seconds(), 30);
    }
}
