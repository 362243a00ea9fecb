//! What a clock owes for one schedule: the ticks that have come and are not added yet. Pure: it is told the time.

use std::collections::VecDeque;
use std::time::Duration;

use jobs::schedule::{Missed, Tick, Timetable};
use queue::Millis;
use queue::clock::millis;

use super::LOOK_BACK_SECONDS;

/// The longest that a clock sleeps before it looks at the wall clock again, which may have been set, or have gone on while
/// the machine slept. Within [`ON_TIME_SECONDS`](jobs::schedule::ON_TIME_SECONDS), so that a clock that runs is on time.
pub const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The most ticks of a schedule that are owed at once; of more, the latest.
pub const OWED_MAX: usize = 500;

/// What a look found beside what is owed now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Ticks that were missed and are not made up for, by the schedule's rule.
    pub by_rule: usize,
    /// Ticks that should have been added and never will be: too many at once ([`OWED_MAX`]), or not added for so long that
    /// the queue may have forgotten that another clock added them.
    pub lost: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Agenda {
    timetable: Timetable,
    missed: Missed,
    /// Every tick up to here has been thought of.
    looked_until: Tick,
    /// Oldest first.
    owed: VecDeque<Tick>,
}

impl Agenda {
    /// Nothing owed yet, and every tick up to `looked_until` thought of.
    #[must_use]
    pub fn new(timetable: Timetable, missed: Missed, looked_until: Tick) -> Self {
        Self {
            timetable,
            missed,
            looked_until,
            owed: VecDeque::new(),
        }
    }

    /// Takes in what has come by `now`.
    pub fn look(&mut self, now: Tick) -> Left {
        let oldest = now - LOOK_BACK_SECONDS;
        // A clock that was set back does not wait until its old time has come again.
        let after = self.looked_until.min(now).max(oldest);
        let come: Vec<_> = self.timetable.between(after, now).collect();
        let came = come.len();
        let chosen = self.missed.choose(come, now);
        let by_rule = came - chosen.len();
        self.looked_until = now;

        let too_old = self.owed.partition_point(|tick| *tick <= oldest);
        self.owed.extend(chosen);
        let lost = too_old.max(self.owed.len().saturating_sub(OWED_MAX));
        self.owed.drain(..lost);
        Left { by_rule, lost }
    }

    /// The tick to add first.
    #[must_use]
    pub fn first(&self) -> Option<Tick> {
        self.owed.front().copied()
    }

    /// The first one is added.
    pub fn added(&mut self) {
        self.owed.pop_front();
    }

    /// How long to sleep at `now`, when nothing is owed: until the next tick, but never so long that a change of the wall
    /// clock goes unnoticed.
    #[must_use]
    pub fn wait(&self, now: Millis) -> Duration {
        let next = self.timetable.next_after(self.looked_until);
        let left = next.map_or(Millis::MAX, |tick| tick * 1000 - now);
        Duration::from_millis(left.clamp(1, millis(LOOK_AGAIN)).unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jobs::schedule::Tz;

    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    /// A Monday, 00:00 UTC.
    const START: Tick = 1_767_571_200;

    /// An agenda that has thought of everything up to [`START`], the tick of which is added.
    fn agenda(cron: &str, missed: Missed) -> Agenda {
        Agenda::new(Timetable::read(cron, Tz::UTC).unwrap(), missed, START)
    }

    fn owed(agenda: &Agenda) -> Vec<i64> {
        agenda.owed.iter().map(|tick| tick - START).collect()
    }

    fn left(by_rule: usize, lost: usize) -> Left {
        Left { by_rule, lost }
    }

    #[test]
    fn a_tick_is_owed_once_from_its_instant_on_and_until_it_is_added() {
        for missed in Missed::RULES {
            let mut agenda = agenda("0 * * * *", missed);
            agenda.look(START + HOUR - 1);
            assert_eq!(agenda.first(), None);
            for now in [HOUR, HOUR, HOUR + 1] {
                agenda.look(START + now);
                assert_eq!(owed(&agenda), [HOUR]);
            }
            agenda.added();
            agenda.look(START + HOUR + 2);
            assert_eq!(agenda.first(), None);
        }
    }

    #[test]
    fn a_clock_that_stood_still_goes_by_the_rule() {
        let check = |missed, expected: &[i64], by_rule| {
            let mut agenda = agenda("0 * * * *", missed);
            assert_eq!(agenda.look(START + 3 * HOUR + HOUR / 2), left(by_rule, 0));
            assert_eq!(owed(&agenda), expected, "{missed:?}");
        };
        check(Missed::Skip, &[], 3);
        check(Missed::Once, &[3 * HOUR], 2);
        check(Missed::All, &[HOUR, 2 * HOUR, 3 * HOUR], 0);
    }

    /// The queue is away for hours while the clock runs.
    #[test]
    fn what_came_due_while_the_clock_ran_is_kept_whatever_the_rule() {
        for missed in Missed::RULES {
            let mut agenda = agenda("0 * * * *", missed);
            for minute in 0..=3 * 60 {
                assert_eq!(agenda.look(START + minute * MINUTE), left(0, 0));
            }
            assert_eq!(owed(&agenda), [HOUR, 2 * HOUR, 3 * HOUR], "{missed:?}");
        }
    }

    #[test]
    fn what_the_queue_may_have_forgotten_is_not_added_any_more() {
        let mut agenda = agenda("0 12 * * *", Missed::All);
        agenda.look(START + DAY);
        assert_eq!(owed(&agenda), [DAY / 2]);
        let until = START + DAY / 2 + LOOK_BACK_SECONDS;
        assert_eq!(agenda.look(until - 1), left(0, 0));
        assert_eq!(agenda.first(), Some(START + DAY / 2));
        assert_eq!(agenda.look(until), left(0, 1));
        assert_eq!(agenda.first(), Some(START + DAY / 2 + DAY));
    }

    #[test]
    fn a_clock_that_slept_for_longer_than_it_may_look_back_begins_there() {
        let mut agenda = agenda("0 0 * * *", Missed::All);
        agenda.look(START + 30 * DAY + 1);
        let days: Vec<_> = owed(&agenda).into_iter().map(|seconds| seconds / DAY).collect();
        assert_eq!(days, [25, 26, 27, 28, 29, 30]);
    }

    #[test]
    fn of_too_many_the_latest_are_owed() {
        let mut agenda = agenda("* * * * *", Missed::All);
        let minutes = i64::try_from(OWED_MAX).unwrap() + 7;
        assert_eq!(agenda.look(START + minutes * MINUTE), left(0, 7));
        assert_eq!((agenda.owed.len(), owed(&agenda)[0]), (OWED_MAX, 8 * MINUTE));
    }

    #[test]
    fn a_clock_set_back_ticks_again_from_there() {
        let mut agenda = agenda("0 * * * *", Missed::Once);
        agenda.look(START + 5 * DAY);
        agenda.owed.clear();
        agenda.look(START + HOUR / 2);
        assert_eq!(agenda.first(), None);
        agenda.look(START + HOUR);
        assert_eq!(owed(&agenda), [HOUR]);
    }

    #[test]
    fn it_sleeps_until_the_next_tick_but_never_for_long() {
        let mut agenda = agenda("0 * * * *", Missed::Once);
        let now = START + HOUR - 10;
        agenda.look(now);
        assert_eq!(agenda.wait(now * 1000), Duration::from_secs(10));
        assert_eq!(agenda.wait(now * 1000 + 9_999), Duration::from_millis(1));
        assert_eq!(agenda.wait((now - MINUTE) * 1000), LOOK_AGAIN);
        assert_eq!(
            agenda.wait((now + MINUTE) * 1000),
            Duration::from_millis(1),
            "never busy"
        );
        agenda.look(START + HOUR);
        assert_eq!(agenda.wait((START + HOUR) * 1000), LOOK_AGAIN);
    }
}
