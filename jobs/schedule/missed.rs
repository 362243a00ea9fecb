//! What becomes of ticks that nobody was there for.

use super::Tick;

/// A tick that is found within this many seconds is on time: a clock that was restarted or replaced misses nothing.
pub const ON_TIME_SECONDS: i64 = 60;

/// What to make up for after no clock ran. A queue that was away makes no tick missed: a running clock keeps what came
/// due until the queue takes it.
///
/// A schedule that has never ticked (it is new, or the installation is) begins with its latest tick, except under
/// [`Skip`](Self::Skip).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// Nothing: late is useless.
    Skip,
    /// The latest missed tick, unless a tick is due just now, which does the same.
    Once,
    /// Every missed tick, in order.
    All,
}

impl Missed {
    /// All rules.
    pub const RULES: [Self; 3] = [Self::Skip, Self::Once, Self::All];

    /// The name in commands' answers and log lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Once => "once",
            Self::All => "all",
        }
    }

    /// Which of the ticks that came since the clock last looked (`come`, oldest first) get their job, at `now`.
    #[must_use]
    pub fn choose(self, mut come: Vec<Tick>, now: Tick) -> Vec<Tick> {
        let late = come.partition_point(|tick| now - tick > ON_TIME_SECONDS);
        let left_out = match self {
            Self::Skip => late,
            Self::Once if late == come.len() => late.saturating_sub(1),
            Self::Once => late,
            Self::All => 0,
        };
        come.drain(..left_out);
        come
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    /// What [`Missed::RULES`] choose when hourly ticks came at these hours and it is `now`.
    fn check(hours: &[i64], now: i64, [skip, once, all]: [&[i64]; 3]) {
        let ticks = |hours: &[i64]| hours.iter().map(|hour| hour * HOUR).collect::<Vec<_>>();
        let chosen = Missed::RULES.map(|rule| rule.choose(ticks(hours), now));
        assert_eq!(chosen, [skip, once, all].map(ticks), "{hours:?} at {now}");
    }

    #[test]
    fn a_tick_that_is_due_now_is_chosen_by_every_rule() {
        check(&[7], 7 * HOUR, [&[7]; 3]);
        check(&[7], 7 * HOUR + ON_TIME_SECONDS, [&[7]; 3]);
        check(&[], 7 * HOUR, [&[]; 3]);
    }

    #[test]
    fn of_missed_ticks_none_the_latest_or_all_are_chosen() {
        check(&[7], 7 * HOUR + ON_TIME_SECONDS + 1, [&[], &[7], &[7]]);
        check(&[5, 6, 7], 7 * HOUR + HOUR / 2, [&[], &[7], &[5, 6, 7]]);
    }

    #[test]
    fn a_tick_that_is_due_now_makes_up_for_the_missed_ones() {
        check(&[5, 6, 7], 7 * HOUR + 1, [&[7], &[7], &[5, 6, 7]]);
    }

    #[test]
    fn once_drops_none_of_several_that_are_on_time() {
        let come = vec![0, 60];
        assert_eq!(Missed::Once.choose(come.clone(), 60), come);
    }
}
