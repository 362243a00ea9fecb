//! A limit key as a claim finds it and leaves it.
//!
//! **Suspects first.** Whoever ends a run claims at once for its own lane, so that of a key that is always full another lane
//! would never see the room. A lane after the first that finds a key full therefore asks for the next room; the lanes before
//! it leave one then, for [`ASK_MS`] from when they see that there is one: it may be that nobody claims from the lane that
//! asked.

use std::collections::HashMap;
use std::time::Duration;

use super::ring::{Rings, lane};
use super::sqlite::statements::by_name;
use crate::backend::{ClaimRequest, Claimed};
use crate::clock::Millis;
use crate::flow::{Gcra, Key, Limit, LimitState, Missed, Rate};

/// A key that is full is looked at again after this long although nobody said that one of its jobs has ended: the one
/// who said so may not have seen that jobs wait, as those were being added at that moment.
const FULL_LOOK_MS: Millis = 1_000;

/// How long a room is left for the lane that asked for it.
pub(super) const ASK_MS: Millis = 10_000;

/// Asked for, and nobody has seen room since.
const ASKS_ENDLESSLY: Millis = Millis::MAX;

/// Closed because the room that there is was asked for by a later lane: the end of a job may open it.
const LEAVES_ROOM: Millis = -1;

/// The [`LimitRow`] of queue `$1` and key `$2`.
pub(super) const LIMIT: &str = "SELECT limit_key, concurrency, rate_count, rate_per_us, arrival_us, cool_until
    FROM queue_limits WHERE queue = $1 AND limit_key = $2";

/// What is kept about a limit key that has a limit or was cooled.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct LimitRow {
    pub(super) limit_key: String,
    concurrency: Option<i64>,
    pub(super) rate_count: Option<i64>,
    pub(super) rate_per_us: Option<i64>,
    pub(super) arrival_us: i64,
    cool_until: i64,
}

by_name!(LimitRow {
    limit_key,
    concurrency,
    rate_count,
    rate_per_us,
    arrival_us,
    cool_until
});

impl LimitRow {
    /// A key of which nothing is kept.
    pub(super) fn free(limit_key: String) -> Self {
        Self {
            limit_key,
            concurrency: None,
            rate_count: None,
            rate_per_us: None,
            arrival_us: 0,
            cool_until: 0,
        }
    }

    /// Whether it matters how many of its jobs run.
    pub(super) fn has_concurrency(&self) -> bool {
        self.concurrency.is_some()
    }

    fn limit(&self) -> Limit {
        let rate = || {
            let count = u32::try_from(self.rate_count?).ok()?;
            let per_us = u64::try_from(self.rate_per_us?).ok()?;
            Rate::new(count, Duration::from_micros(per_us))
        };
        Limit {
            rate: rate(),
            concurrency: self.concurrency.map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
        }
    }

    fn gcra(&self) -> Option<Gcra> {
        self.limit().rate.map(Gcra::from)
    }

    /// When what was missed may start instead, and where the rate goes on if it is reserved.
    pub(super) fn again(&self, missed: Missed) -> (Millis, Option<i64>) {
        let missed = missed.cooled(self.cool_until);
        self.gcra()
            .map_or((missed.now, None), |gcra| gcra.again(self.arrival_us, missed))
    }

    fn rate_opens_at(&self, arrival_us: i64, now: Millis) -> Option<Millis> {
        let gcra = self.gcra().filter(|gcra| gcra.allows(arrival_us, now) == 0)?;
        Some(gcra.opens_at(arrival_us))
    }

    fn cooled_until(&self, now: Millis) -> Option<Millis> {
        Some(self.cool_until).filter(|until| *until > now)
    }

    /// `None` if there is nothing to show: no limit, not cooled, not in use.
    pub(super) fn state(&self, running: i64, now: Millis) -> Option<LimitState> {
        let state = LimitState {
            key: Key::new(&self.limit_key)?,
            limit: self.limit(),
            running: u64::try_from(running).unwrap_or(0),
            rate_opens_at: self.rate_opens_at(self.arrival_us, now),
            cooled_until: self.cooled_until(now),
        };
        let shown = state.limit != Limit::default() || state.cooled_until.is_some() || state.running > 0;
        shown.then_some(state)
    }
}

/// A limit as its columns have it: concurrency, count of the rate, its span in microseconds.
pub(super) fn columns(limit: Limit) -> (Option<i64>, Option<i64>, Option<i64>) {
    let span = |rate: Rate| i64::try_from(rate.per().as_micros()).unwrap_or(i64::MAX);
    (
        limit.concurrency.map(i64::from),
        limit.rate.map(|rate| i64::from(rate.count())),
        limit.rate.map(span),
    )
}

/// The arrival time to go on with under a new limit.
pub(super) fn arrival_under(limit: Limit, arrival_us: i64, now: Millis) -> i64 {
    limit.rate.map_or(0, |rate| Gcra::from(rate).instead(arrival_us, now))
}

/// Why nothing more of a key may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    /// When to look again.
    pub(super) opens_at: Millis,
    /// It opens when one of its jobs ends, not by itself.
    pub(super) is_full: bool,
    /// What room there is is left to a later lane.
    leaves_room: bool,
}

impl Closed {
    /// Until when the lane of this claim asks for the next room; the first one never does.
    pub(super) fn asks_until(self, crashes: u8) -> Millis {
        match self {
            Self { is_full: true, .. } if crashes > 0 => ASKS_ENDLESSLY,
            Self { leaves_room: true, .. } => LEAVES_ROOM,
            _ => 0,
        }
    }
}

/// A limit key that a claim looks at, because it has ready jobs and may be open.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    /// What is kept about it, under our lock.
    pub(super) row: LimitRow,
    /// It was found among the keys that are not known to be closed.
    pub(super) marked: bool,
    /// Until when a later lane asks for the next room; in the past if none does.
    pub(super) asked_until: Millis,
    /// Its jobs under leases, before this claim.
    pub(super) running: i64,
    /// How many this claim takes.
    pub(super) taken: i64,
}

impl Turn {
    pub(super) fn new(row: LimitRow, marked: bool, asked_until: Millis) -> Self {
        Self {
            row,
            marked,
            asked_until,
            running: 0,
            taken: 0,
        }
    }

    /// How many may still be taken.
    pub(super) fn allows(&self, now: Millis) -> i64 {
        if self.closed(now).is_some() {
            return 0;
        }
        let rate = self.row.gcra().map_or(i64::MAX, |gcra| {
            i64::try_from(gcra.allows(self.arrival_us(now), now)).unwrap_or(i64::MAX)
        });
        rate.min(self.room() - self.left_to_later(now))
    }

    /// Takes one more; answers when it may start, 0 if there is no rate.
    fn take(&mut self, now: Millis) -> Millis {
        let starts_at = self.row.gcra().map(|gcra| gcra.starts_at(self.arrival_us(now), now));
        self.taken += 1;
        starts_at.unwrap_or(0)
    }

    /// Where the rate goes on after what was taken; `None` if nothing was, or there is no rate.
    pub(super) fn spent(&self, now: Millis) -> Option<i64> {
        let gcra = self.row.gcra().filter(|_| self.taken > 0)?;
        Some(gcra.after(self.row.arrival_us, self.taken.unsigned_abs(), now))
    }

    fn arrival_us(&self, now: Millis) -> i64 {
        self.spent(now).unwrap_or(self.row.arrival_us)
    }

    /// Whether, after what was taken, nothing more may start. What opens by itself is told first.
    pub(super) fn closed(&self, now: Millis) -> Option<Closed> {
        let rate = self.row.rate_opens_at(self.arrival_us(now), now);
        match rate.max(self.row.cooled_until(now)) {
            Some(opens_at) => Some(Closed {
                opens_at,
                is_full: false,
                leaves_room: false,
            }),
            None if self.room() == 0 => Some(Closed {
                opens_at: now + FULL_LOOK_MS,
                is_full: true,
                leaves_room: false,
            }),
            None => (self.room() == self.left_to_later(now)).then_some(Closed {
                opens_at: self.asked_until.min(now + ASK_MS),
                is_full: false,
                leaves_room: true,
            }),
        }
    }

    /// Whether there is room for a later lane, which it has to come for in [`ASK_MS`].
    pub(super) fn offers(&self, now: Millis) -> bool {
        self.left_to_later(now) > 0 && self.asked_until > now + ASK_MS
    }

    /// Of the room: what a later lane asked for.
    fn left_to_later(&self, now: Millis) -> i64 {
        let is_asked = self.row.has_concurrency() && self.asked_until > now;
        i64::from(is_asked).min(self.room())
    }

    fn room(&self) -> i64 {
        let most = self.row.concurrency.unwrap_or(i64::MAX);
        most.saturating_sub(self.running).saturating_sub(self.taken).max(0)
    }
}

/// Each key once, where it comes first: one may be both marked and known as closed.
pub(super) fn each_once(turns: impl Iterator<Item = Turn>) -> Vec<Turn> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut once: Vec<Turn> = Vec::new();
    for turn in turns {
        match places.get(&turn.row.limit_key) {
            Some(place) => once[*place].marked |= turn.marked,
            None => {
                places.insert(turn.row.limit_key.clone(), once.len());
                once.push(turn);
            }
        }
    }
    once
}

/// Which keys were served, and which of their tenants; and when each job may start.
pub(super) fn note_taken(turns: &mut [Turn], jobs: &mut [Claimed], rings: &Rings, request: &ClaimRequest) {
    let mut by_key: HashMap<&str, Vec<&mut Claimed>> = HashMap::new();
    let keys: Vec<_> = jobs.iter().map(|job| job.keys.limit.clone()).collect();
    for (key, job) in keys.iter().zip(jobs) {
        if let Some(key) = key {
            by_key.entry(key.as_str()).or_default().push(job);
        }
    }
    let lane = lane(request.queue, request.lane);
    for turn in turns {
        let Some(jobs) = by_key.get_mut(turn.row.limit_key.as_str()) else {
            continue;
        };
        rings.serve(lane, &turn.row.limit_key, jobs.iter().map(|job| job.tenant));
        jobs.iter_mut().for_each(|job| job.starts_at = turn.take(request.now));
    }
}

/// The key after which the next claim's look begins: the last one that this claim came to. One that was open and got
/// nothing because the claim was full by then comes first.
pub(super) fn last_marked(turns: &[Turn], is_full: bool, now: Millis) -> Option<&str> {
    let came_to = |turn: &&Turn| turn.taken > 0 || !is_full || turn.closed(now).is_some();
    let marked = turns.iter().filter(|turn| turn.marked);
    marked
        .take_while(came_to)
        .last()
        .map(|turn| turn.row.limit_key.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_000_000;

    fn turn(concurrency: Option<i64>, a_second: Option<i64>) -> Turn {
        let row = LimitRow {
            concurrency,
            rate_count: a_second,
            rate_per_us: a_second.map(|_| 1_000_000),
            ..LimitRow::free("key".to_owned())
        };
        Turn::new(row, true, 0)
    }

    #[test]
    fn a_key_allows_what_both_its_limits_do() {
        assert_eq!(turn(None, None).allows(NOW), i64::MAX);
        assert_eq!(turn(Some(3), None).allows(NOW), 3);
        assert_eq!(turn(Some(3), Some(10)).allows(NOW), 1);
        assert_eq!(turn(Some(2), Some(100)).allows(NOW), 2);
        let busy = Turn {
            running: 5,
            ..turn(Some(3), None)
        };
        assert_eq!(busy.allows(NOW), 0);
    }

    #[test]
    fn what_opens_by_itself_is_told_before_what_does_not() {
        let mut both = turn(Some(1), Some(10));
        both.taken = 1;
        assert!(!both.closed(NOW).expect("its rate is used up").is_full);
        let mut full = turn(Some(1), Some(100));
        full.taken = 1;
        assert!(full.closed(NOW).expect("no room").is_full);
        assert_eq!(turn(Some(2), Some(100)).closed(NOW), None);
        let mut cooled = turn(None, None);
        cooled.row.cool_until = NOW + 1;
        let until = |opens_at| {
            Some(Closed {
                opens_at,
                is_full: false,
                leaves_room: false,
            })
        };
        assert_eq!((cooled.closed(NOW), cooled.closed(NOW + 1)), (until(NOW + 1), None));
    }

    #[test]
    fn one_room_is_left_to_a_later_lane_that_asks_and_no_longer_than_it_may_come() {
        let mut asked = turn(Some(3), None);
        asked.asked_until = ASKS_ENDLESSLY;
        assert_eq!((asked.allows(NOW), asked.offers(NOW)), (2, true));
        asked.taken = 2;
        let left = Closed {
            opens_at: NOW + ASK_MS,
            is_full: false,
            leaves_room: true,
        };
        assert_eq!(asked.closed(NOW), Some(left));
        asked.asked_until = NOW + ASK_MS;
        assert_eq!((asked.offers(NOW), asked.closed(NOW)), (false, Some(left)));
        assert_eq!(asked.closed(NOW + ASK_MS), None, "nobody came");
        asked.taken = 3;
        assert!(asked.closed(NOW).expect("no room").is_full);
        asked.asked_until = ASKS_ENDLESSLY;
        assert!(!asked.offers(NOW), "there is none");
        let unlimited = Turn {
            asked_until: ASKS_ENDLESSLY,
            ..turn(None, None)
        };
        assert_eq!(unlimited.allows(NOW), i64::MAX);
    }

    #[test]
    fn a_key_that_is_marked_and_known_as_closed_is_looked_at_once() {
        let due = Turn {
            marked: false,
            ..turn(Some(1), None)
        };
        let once = each_once([due, turn(Some(1), None)].into_iter());
        assert!(once.len() == 1 && once[0].marked, "{once:?}");
    }

    #[test]
    fn the_next_look_begins_with_a_key_that_a_full_claim_did_not_come_to() {
        let mut turns = [turn(None, None), turn(Some(0), None), turn(None, None)];
        for (turn, name) in turns.iter_mut().zip(["a", "b", "c"]) {
            turn.row.limit_key = name.to_owned();
        }
        turns[0].taken = 5;
        assert_eq!(last_marked(&turns, true, NOW), Some("b"));
        assert_eq!(last_marked(&turns, false, NOW), Some("c"));
    }
}
