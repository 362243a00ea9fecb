//! Whether an account was used as much as its limits allow, and never more.

use std::time::Duration;

use serde::Serialize;

use super::Wrong;
use crate::limits::{Cap, Seen, Span};

/// At least this share of a rate is used while there is a backlog.
const SHARE_LEAST: f64 = 0.95;

/// No window has more than this share of a rate.
const SHARE_MOST: f64 = 1.05;

/// A changed rate holds within this time.
const CHANGES_WITHIN: Duration = Duration::from_secs(5);

/// Rates are per second, and so long is a window.
const WINDOW: Duration = Duration::from_secs(1);

/// A long window, in which the way from the queue to the provider counts for little.
const LONG_WINDOW: Duration = Duration::from_secs(10);

/// How finely windows are laid when one is looked for in which a rate holds.
const STEP: Duration = Duration::from_millis(50);

/// What was seen of limits.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Limits {
    /// The most calls that were allowed at once, and the most that there were.
    pub(crate) at_once: usize,
    pub(crate) most_at_once: usize,
    /// Of each kill: after so many milliseconds as many calls as allowed were under way again. None if that was not within
    /// a lease.
    pub(crate) full_again_ms: Vec<Option<u64>>,
    pub(crate) rates: Vec<OfRate>,
    /// How many of these broke what was promised.
    pub(crate) broken: u64,
}

/// What was seen of one rate.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct OfRate {
    pub(crate) per_second: u32,
    /// The most calls that began within one second, and how many may.
    pub(crate) most_in_a_second: usize,
    pub(crate) may_in_a_second: usize,
    /// The same for ten seconds.
    pub(crate) most_in_ten: usize,
    pub(crate) may_in_ten: usize,
    /// The share of the rate that was used.
    pub(crate) share: f64,
    /// How long after the command the rate held, in milliseconds; None if it never did.
    pub(crate) held_after_ms: Option<u64>,
}

pub(super) fn judge(seen: &Seen, wrong: &mut Wrong) -> Limits {
    let mut limits = Limits::default();
    of_cap(&seen.cap, &mut limits, wrong);
    for span in &seen.rates {
        let of = OfRate::of(span);
        for (is_broken, what) in of.broken(span) {
            limits.broken += u64::from(is_broken);
            if is_broken {
                wrong.say(|| format!("{what}: {of:?}"));
            }
        }
        limits.rates.push(of);
    }
    limits
}

fn of_cap(cap: &Cap, limits: &mut Limits, wrong: &mut Wrong) {
    limits.at_once = cap.at_once;
    limits.most_at_once = cap.high_water;
    if cap.high_water != cap.at_once {
        limits.broken += 1;
        wrong.say(|| format!("{} at once, where {} are allowed", cap.high_water, cap.at_once));
    }
    if cap.full_again.is_empty() {
        limits.broken += 1;
        wrong.say(|| "no worker was killed while there was a backlog".to_owned());
    }
    for took in &cap.full_again {
        let took = took.filter(|took| *took <= queue::LEASE);
        limits.full_again_ms.push(took.map(millis));
        if took.is_none() {
            limits.broken += 1;
            wrong.say(|| "a key was not used in full again within a lease of a crash".to_owned());
        }
    }
}

impl OfRate {
    fn of(span: &Span) -> Self {
        let rate = f64::from(span.per_second);
        let may = |window: Duration| (rate * window.as_secs_f64() * SHARE_MOST).floor() as usize;
        let held = held_after(span, may(WINDOW));
        let used: Vec<_> = span.starts.iter().copied().filter(|at| *at >= CHANGES_WITHIN).collect();
        let wanted = rate * span.lasts.saturating_sub(CHANGES_WITHIN).as_secs_f64();
        Self {
            per_second: span.per_second,
            most_in_a_second: most_within(&used, WINDOW),
            may_in_a_second: may(WINDOW),
            most_in_ten: most_within(&used, LONG_WINDOW),
            may_in_ten: may(LONG_WINDOW),
            share: used.len() as f64 / wanted,
            held_after_ms: held.map(millis),
        }
    }

    /// Each promise, and whether it was broken.
    fn broken(&self, span: &Span) -> [(bool, &'static str); 4] {
        let within = u64::try_from(CHANGES_WITHIN.as_millis()).unwrap_or(u64::MAX);
        [
            (
                self.most_in_a_second > self.may_in_a_second || self.most_in_ten > self.may_in_ten,
                "more than the rate",
            ),
            (self.share < SHARE_LEAST, "less than the rate"),
            (
                self.held_after_ms.is_none_or(|took| took > within),
                "the change took too long",
            ),
            (!span.has_backlog, "too little was waiting to tell"),
        ]
    }
}

/// From when on a window had as many starts as it should, and none after it more than it may.
fn held_after(span: &Span, may: usize) -> Option<Duration> {
    let least = (f64::from(span.per_second) * SHARE_LEAST).floor() as usize;
    let last = span.lasts.checked_sub(WINDOW)?;
    let windows = (0..).map(|step| STEP * step).take_while(|from| *from <= last);
    let counts: Vec<_> = windows.map(|from| (from, count(&span.starts, from))).collect();
    let after_the_last_excess = counts
        .iter()
        .rposition(|(_, count)| *count > may)
        .map_or(0, |at| at + 1);
    let held = counts[after_the_last_excess..]
        .iter()
        .find(|(_, count)| *count >= least);
    held.map(|(from, _)| *from)
}

/// How many began in the second from here.
fn count(starts: &[Duration], from: Duration) -> usize {
    let before = |end: Duration| starts.partition_point(|at| *at < end);
    before(from + WINDOW) - before(from)
}

/// The most that began within a window, wherever it is laid. Its end does not belong to it.
fn most_within(starts: &[Duration], window: Duration) -> usize {
    let ends = starts
        .iter()
        .map(|from| starts.partition_point(|at| *at < *from + window));
    ends.enumerate()
        .map(|(first, end)| end - first)
        .max()
        .unwrap_or_default()
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty seconds of a rate, evenly used from here on.
    fn even(per_second: u32, from: Duration) -> Span {
        let interval = WINDOW / per_second;
        let starts = (0..per_second * 20).map(|number| interval * number);
        Span {
            per_second,
            starts: starts.filter(|at| *at >= from).collect(),
            lasts: Duration::from_secs(20),
            has_backlog: true,
        }
    }

    fn as_it_should_be() -> Seen {
        Seen {
            cap: Cap {
                at_once: 8,
                high_water: 8,
                full_again: vec![Some(Duration::from_secs(29))],
            },
            rates: vec![even(50, Duration::ZERO), even(100, Duration::from_millis(300))],
        }
    }

    /// Makes one thing wrong, and looks whether it is found.
    fn check(what: &str, spoil: impl Fn(&mut Seen)) {
        let mut seen = as_it_should_be();
        assert_eq!(judge(&seen, &mut Wrong::default()).broken, 0, "{what}, before");
        spoil(&mut seen);
        let limits = judge(&seen, &mut Wrong::default());
        assert!(limits.broken > 0, "{what}: {limits:?}");
    }

    #[test]
    fn whatever_breaks_a_limit_or_leaves_it_unused_is_found() {
        check("one too many", |seen| seen.cap.high_water = 9);
        check("never full", |seen| seen.cap.high_water = 7);
        check("no kill", |seen| seen.cap.full_again.clear());
        check("never full again", |seen| seen.cap.full_again.push(None));
        check("late", |seen| seen.cap.full_again.push(Some(Duration::from_secs(31))));
        check("a burst", |seen| {
            let at = seen.rates[0].starts[500];
            seen.rates[0].starts.splice(500..500, [at; 5]);
        });
        check("slower", |seen| seen.rates[0].per_second = 60);
        check("faster", |seen| seen.rates[0].per_second = 46);
        check("a hole", |seen| {
            seen.rates[0].starts.drain(300..360);
        });
        check("changed late", |seen| {
            seen.rates[1] = even(100, Duration::from_millis(5_500));
        });
        check("no backlog", |seen| seen.rates[1].has_backlog = false);
    }

    #[test]
    fn a_change_held_from_the_first_window_in_which_the_rate_is_used() {
        let limits = judge(&as_it_should_be(), &mut Wrong::default());
        assert_eq!(limits.rates[1].held_after_ms, Some(250), "{limits:?}");
    }
}
