//! What holds a job back beside its time: the limit it counts under, and the job of its conversation that goes first.
//!
//! **Limits.** A job may name a *limit key*, for example the provider account it will use. Everything about a key holds
//! for all workers together, within one queue. A key's *concurrency* is how many of its jobs are under leases; it is read
//! from the leases, so it cannot leak. A key's *rate* is kept by the generic cell rate algorithm (GCRA): one instant per
//! key, the *theoretical arrival time*, says when the next start is allowed, so a key that is closed knows when it opens,
//! and until then nothing of it is claimed, looked at or put back. Starts are *reserved*: a claim takes jobs a little before
//! they may start, each with its own instant, for which the worker waits; so a rate is used in full although claims take
//! time, and come late; who misses its instant reserves another. A key can also be *cooled*: closed until an instant that a provider named. A key without a limit is
//! always open.
//!
//! **Order.** A job may name an *order key*, for example its conversation. Jobs of one tenant, queue and order key stand
//! in one *line* in the order of being added; the first of the line is its *head*, and only the head may start. It stays
//! the head while it runs, waits for its retry, is taken back from a crashed worker or is parked. Its end lets the next
//! one follow. What its death means is told by [`AfterDeath`]. A job that is added to start later joins its line when
//! its time has come.

use std::fmt;
use std::time::Duration;

use sha1::{Digest as _, Sha1};

use crate::clock::Millis;

/// The most bytes of a key.
pub const KEY_BYTES_MAX: usize = 100;

/// How many bytes of a key that is too long stay readable.
const KEY_BYTES_READABLE: usize = 80;

/// A name that jobs share. Shown to operators, so it must hold no personal data.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Box<str>);

impl Key {
    /// The key of that name. A name of more than [`KEY_BYTES_MAX`] bytes is cut and ends with its digest, so that two of
    /// them stay two; control characters become `_`. `None` if the name is empty.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        if name.is_empty() {
            return None;
        }
        let clean: String = name.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
        if clean.len() <= KEY_BYTES_MAX {
            return Some(Self(clean.into()));
        }
        let end = (0..=KEY_BYTES_READABLE).rev().find(|end| clean.is_char_boundary(*end));
        let digest = Sha1::digest(name.as_bytes());
        let digest = u64::from_be_bytes(digest[..8].try_into().expect("8 of 20 bytes"));
        Some(Self(format!("{}#{digest:016x}", &clean[..end.unwrap_or(0)]).into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What becomes of a line when its head dies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterDeath {
    /// The next one follows; the dead letter, if it is retried, goes to the end of the line.
    #[default]
    GoOn,
    /// The line waits until the dead letter is retried (it is still the head) or removed.
    Hold,
}

/// A job's place in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Which line of its tenant and queue.
    pub key: Key,
    /// What becomes of the line if this job dies as its head.
    pub after_death: AfterDeath,
}

/// What holds a job back beside its time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// The limit it counts under.
    pub limit: Option<Key>,
    /// Its line.
    pub order: Option<Order>,
}

impl Keys {
    /// Nothing holds it back.
    #[must_use]
    pub const fn is_free(&self) -> bool {
        self.limit.is_none() && self.order.is_none()
    }
}

/// How much of a key may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// Starts per time.
    pub rate: Option<Rate>,
    /// Jobs under leases at once; 0 lets none start.
    pub concurrency: Option<u32>,
}

/// At most `count` starts in every span of length `per`, evenly spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    per: Duration,
}

/// The longest span of a rate.
const RATE_SPAN_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A span lasts so much longer than was said, or a fiftieth if that is less, so that a start that is late is not within the span
/// of those that follow it.
const SLACK_US: i64 = 20_000;

/// A start is reserved at most so long before: time for its claim and for what goes before the call. Meanwhile the job has a
/// slot of its worker.
pub(crate) const AHEAD_US: i64 = 100_000;

/// A closed key opens so long before the next start that is not reserved: so late may a claim come, and lose nothing. The rest
/// of what may be reserved is what a key opens for at once.
pub(crate) const LEAD_US: i64 = 80_000;

/// Who comes so many milliseconds too late for the start that was reserved has missed it, and reserves another: so that however much
/// stands still at once, no second sees a twentieth more than its rate.
pub(crate) const LATE_MS: Millis = 15;

impl Rate {
    /// `None` if `count` is 0, or `per` is not between a millisecond and a day, or there would be more than one start per
    /// microsecond.
    #[must_use]
    pub fn new(count: u32, per: Duration) -> Option<Self> {
        let spans = Duration::from_millis(1)..=RATE_SPAN_MAX;
        (count > 0 && spans.contains(&per) && u128::from(count) <= per.as_micros()).then_some(Self { count, per })
    }

    /// How many starts.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// In which time.
    #[must_use]
    pub const fn per(self) -> Duration {
        self.per
    }

    /// From one start to the next, in microseconds; rounded up. All starts of a span take a fiftieth longer than it, or
    /// 20 ms if that is less: what is late on its way is not one too many among those that follow it.
    #[must_use]
    pub fn interval_us(self) -> i64 {
        let per_us = i64::try_from(self.per.as_micros()).unwrap_or(i64::MAX);
        let (whole, count) = (per_us + SLACK_US.min(per_us / 50), i64::from(self.count));
        whole / count + i64::from(whole % count > 0)
    }
}

/// The rate of one key at work. `arrival_us` is the theoretical arrival time in microseconds; 0 for a key that was never
/// used. The Redis scripts compute the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    /// From one start to the next.
    pub interval_us: i64,
}

impl From<Rate> for Gcra {
    fn from(rate: Rate) -> Self {
        Self {
            interval_us: rate.interval_us(),
        }
    }
}

impl Gcra {
    /// How many may be claimed now.
    #[must_use]
    pub fn allows(self, arrival_us: i64, now: Millis) -> u64 {
        let now_us = now.saturating_mul(1000);
        let ahead = arrival_us.max(now_us) - now_us;
        if ahead > AHEAD_US {
            return 0;
        }
        ((AHEAD_US - ahead) / self.interval_us + 1).unsigned_abs()
    }

    /// When the next one that is claimed may start.
    #[must_use]
    pub fn starts_at(self, arrival_us: i64, now: Millis) -> Millis {
        ceil_ms(arrival_us).max(now)
    }

    /// The arrival time after `claimed` more were claimed.
    #[must_use]
    pub fn after(self, arrival_us: i64, claimed: u64, now: Millis) -> i64 {
        let claimed = i64::try_from(claimed).unwrap_or(i64::MAX);
        arrival_us
            .max(now.saturating_mul(1000))
            .saturating_add(self.interval_us.saturating_mul(claimed))
    }

    /// When what was missed may start instead, and the arrival time then; `None` if that is too late to be reserved now. It
    /// goes behind what was reserved after it; if nothing was, it moves, and counts once.
    #[must_use]
    pub fn again(self, arrival_us: i64, missed: Missed) -> (Millis, Option<i64>) {
        let Missed { starts_at, now, latest } = missed;
        let last_us = arrival_us - self.interval_us;
        let is_last = ceil_ms(last_us) <= starts_at;
        let arrival_us = if is_last { last_us } else { arrival_us };
        let instead = self.starts_at(arrival_us, now);
        (instead, (instead <= latest).then(|| self.after(arrival_us, 1, now)))
    }

    /// When a key that is closed opens: there is something to claim again.
    #[must_use]
    pub fn opens_at(self, arrival_us: i64) -> Millis {
        ceil_ms(arrival_us - LEAD_US)
    }

    /// The arrival time to go on with when the key gets this rate instead of another: what was reserved under a slower
    /// one holds it up no longer than what it could have reserved itself.
    #[must_use]
    pub fn instead(self, arrival_us: i64, now: Millis) -> i64 {
        arrival_us.min(now.saturating_mul(1000) + AHEAD_US + self.interval_us)
    }
}

/// A start that was reserved, and for which somebody came too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// When it should have been.
    pub starts_at: Millis,
    /// Another is reserved no sooner than that: now, or as soon as whoever asks can use it.
    pub now: Millis,
    /// And no later than that.
    pub latest: Millis,
}

impl Missed {
    /// The same, for a key that is cooled until then.
    #[must_use]
    pub fn cooled(self, until: Millis) -> Self {
        let now = self.now.max(until);
        Self { now, ..self }
    }
}

/// Whole milliseconds, rounded up.
const fn ceil_ms(us: i64) -> Millis {
    us.div_euclid(1000) + (us.rem_euclid(1000) > 0) as i64
}

/// A limit key as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitState {
    /// The key.
    pub key: Key,
    /// What was set; empty if nothing was, and the key is only cooled or in use.
    pub limit: Limit,
    /// Its jobs under leases.
    pub running: u64,
    /// Nothing of it is claimed until then, because every start is reserved that may be.
    pub rate_opens_at: Option<Millis>,
    /// Cooled until then.
    pub cooled_until: Option<Millis>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_that_is_too_long_stays_itself_and_one_of_its_kind() {
        let long = |end: &str| Key::new(&format!("{}{end}", "é".repeat(80))).expect("not empty");
        assert!(long("a").as_str().len() <= KEY_BYTES_MAX);
        assert_eq!(long("a"), long("a"));
        assert_ne!(long("a"), long("b"));
        assert_eq!(Key::new(""), None);
        assert_eq!(Key::new("a\nb").expect("not empty").as_str(), "a_b");
    }

    /// Claims whenever the key opens, each time as many as allowed, noticing `late` too late; when those start.
    fn starts(rate: Rate, late: impl Fn(usize) -> i64, span_ms: i64) -> Vec<i64> {
        let gcra = Gcra::from(rate);
        let (mut arrival, mut now, mut starts) = (0, 1_000_000, Vec::new());
        let end = now + span_ms;
        while now < end {
            for _ in 0..gcra.allows(arrival, now) {
                starts.push(gcra.starts_at(arrival, now));
                arrival = gcra.after(arrival, 1, now);
            }
            now = gcra.opens_at(arrival).max(now + 1) + late(starts.len());
        }
        starts.retain(|start| *start < end);
        starts
    }

    /// The most starts within any span of so many milliseconds.
    fn most_within(starts: &[i64], span_ms: i64) -> usize {
        let mut first = 0;
        let within = starts.iter().enumerate().map(|(last, start)| {
            while starts[first] + span_ms <= *start {
                first += 1;
            }
            last - first + 1
        });
        within.max().unwrap_or_default()
    }

    proptest! {
        #[test]
        fn who_does_not_miss_a_start_may_come_late(count in 1u32..5000, late in 0i64..200) {
            let rate = Rate::new(count, Duration::from_secs(1)).expect("a rate");
            let starts = starts(rate, |n| if n % 3 == 0 { late } else { 0 }, 4_000);
            // The first as late as it may be, the others in time.
            let within = most_within(&starts, 1_000 + LATE_MS);
            prop_assert!(within <= (count + count / 20) as usize, "{within} of {count}");
        }

        #[test]
        fn a_start_that_was_missed_keeps_its_distance(
            count in 1u32..1000, reserved in 1u64..20, missed in 0u64..20, late in 16i64..3_000
        ) {
            let gcra = Gcra::from(Rate::new(count, Duration::from_secs(1)).expect("a rate"));
            let (began, missed) = (1_000_000, missed % reserved);
            let starts_at = gcra.starts_at(gcra.after(0, missed, began), began);
            let (last, arrival) = (gcra.after(0, reserved - 1, began), gcra.after(0, reserved, began));
            let now = starts_at + late;
            let (instead, after) = gcra.again(arrival, Missed { starts_at, now, latest: Millis::MAX });
            prop_assert!(instead >= now);
            let others = if missed + 1 == reserved { last - gcra.interval_us } else { last };
            prop_assert!(instead * 1000 >= others + gcra.interval_us, "too close to those before");
            let after = after.expect("it is never too late");
            prop_assert!(after >= instead * 1000 - 999 + gcra.interval_us, "too close to those that follow");
            let too_late = Missed { starts_at, now, latest: instead - 1 };
            prop_assert_eq!(gcra.again(arrival, too_late), (instead, None));
        }

        #[test]
        fn no_span_sees_more_than_the_rate(
            count in 1u32..5000, per_ms in 100u64..5000, late in 0i64..200
        ) {
            let rate = Rate::new(count, Duration::from_millis(per_ms)).expect("a rate");
            let per = i64::try_from(per_ms).expect("small");
            let starts = starts(rate, |n| if n % 3 == 0 { late } else { 0 }, per * 4);
            let within = most_within(&starts, per);
            prop_assert!(within <= count as usize, "{within} of {count} in {per_ms} ms");
        }

        #[test]
        fn a_claim_that_comes_late_costs_no_start(count in 1u32..1000, late in 0i64..40) {
            let rate = Rate::new(count, Duration::from_secs(1)).expect("a rate");
            let starts = starts(rate, |_| late, 10_000);
            let all = usize::try_from(10_000_000 / rate.interval_us()).expect("small");
            prop_assert!(starts.len() >= all, "{} of {count} a second", starts.len());
            prop_assert!(starts.is_sorted());
        }

        #[test]
        fn a_closed_key_is_open_when_it_says(count in 1u32..5000, arrival in 0i64..10_000_000, now in 0i64..10_000) {
            let gcra = Gcra::from(Rate::new(count, Duration::from_secs(1)).expect("a rate"));
            if gcra.allows(arrival, now) == 0 {
                let opens = gcra.opens_at(arrival);
                prop_assert!(opens > now);
                prop_assert!(gcra.allows(arrival, opens) > 0);
            }
        }
    }
}
