//! When open work is due, by the clock on the wall of those who do it.
//!
//! Every open interaction is in exactly one of four places: overdue (its time has passed), today (before the local day
//! ends), upcoming (on a later day), none (nothing is planned). A local day ends when the next one begins there, which in
//! the nights when clocks change is 23 or 25 hours after it began, or at one o'clock where midnight is left out.

use chrono::{DateTime, Days, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

stored! {
    /// Where open work is, by the time of its next action.
    Due {
        /// Its time has passed.
        Overdue = "overdue",
        /// Later today.
        Today = "today",
        /// On a later day.
        Upcoming = "upcoming",
        /// Nothing is planned.
        None = "none",
    }
}

/// The longest stretch that was ever left out of a local clock is a day: Samoa's 30 December 2011.
const LEFT_OUT_MINUTES_MAX: i64 = 2 * 24 * 60;

/// The times of the next action that count, from one up to but not including another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueWindow {
    /// The first that counts; `None`: however long ago.
    pub from: Option<DateTime<Utc>>,
    /// The first that does not count any more; `None`: however far ahead.
    pub before: Option<DateTime<Utc>>,
}

impl Due {
    /// The times that put work there; `None` for work without one.
    #[must_use]
    pub fn window(self, now: DateTime<Utc>, zone: Tz) -> Option<DueWindow> {
        let window = |from, before| Some(DueWindow { from, before });
        match self {
            Self::Overdue => window(None, Some(now)),
            Self::Today => window(Some(now), Some(day_end(now, zone))),
            Self::Upcoming => window(Some(day_end(now, zone)), None),
            Self::None => None,
        }
    }
}

impl DueWindow {
    /// Whether a time is in it.
    #[must_use]
    pub fn covers(&self, at: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| from <= at) && self.before.is_none_or(|before| at < before)
    }
}

/// The first instant of the day after that of `now`, there.
fn day_end(now: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
    let tomorrow = now.with_timezone(&zone).date_naive().checked_add_days(Days::new(1));
    let midnight = tomorrow.unwrap_or_default().and_time(NaiveTime::MIN);
    let first = (0..=LEFT_OUT_MINUTES_MAX).find_map(|minutes| {
        zone.from_local_datetime(&(midnight + TimeDelta::minutes(minutes)))
            .earliest()
    });
    // There is one; were there none, a day has 24 hours.
    first.map_or(now + TimeDelta::days(1), |first| first.to_utc())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn check(zone: &str, now: &str, ends: &str) {
        let (now, ends): (DateTime<Utc>, DateTime<Utc>) = (now.parse().unwrap(), ends.parse().unwrap());
        assert_eq!(day_end(now, zone.parse().unwrap()), ends, "{zone} {now}");
    }

    #[test]
    fn a_day_ends_at_midnight_there() {
        check("UTC", "2026-01-15T00:00:00Z", "2026-01-16T00:00:00Z");
        check("UTC", "2026-01-15T23:59:59.999Z", "2026-01-16T00:00:00Z");
        check("Europe/Paris", "2026-01-15T22:59:59Z", "2026-01-15T23:00:00Z");
        check("Europe/Paris", "2026-01-15T23:00:00Z", "2026-01-16T23:00:00Z");
        check("America/New_York", "2026-01-16T04:59:00Z", "2026-01-16T05:00:00Z");
        check("Asia/Kathmandu", "2026-01-15T18:14:00Z", "2026-01-15T18:15:00Z");
    }

    #[test]
    fn the_days_on_which_clocks_change_are_as_long_as_they_are() {
        // Paris, 29 March 2026 has 23 hours, 25 October 25.
        check("Europe/Paris", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        check("Europe/Paris", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        // Cairo, 24 April 2026: the clocks go from midnight to one o'clock, at which the day begins.
        check("Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-23T22:00:00Z");
        check("Africa/Cairo", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z");
        // Havana, 1 November 2026: midnight comes twice; the day has begun at the first.
        check("America/Havana", "2026-10-31T12:00:00Z", "2026-11-01T04:00:00Z");
        check("America/Havana", "2026-11-01T04:30:00Z", "2026-11-02T05:00:00Z");
        // Samoa had no 30 December 2011.
        check("Pacific/Apia", "2011-12-30T09:00:00Z", "2011-12-30T10:00:00Z");
    }

    proptest! {
        #[test]
        fn every_time_is_in_exactly_one_window(
            zone in select(vec![
                "UTC", "Europe/Paris", "America/New_York", "America/St_Johns", "Africa/Cairo", "America/Havana",
                "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham", "America/Sao_Paulo",
            ]),
            now in 946_684_800_i64..2_145_916_800,
            away in -200_000_i64..200_000,
        ) {
            let zone: Tz = zone.parse().unwrap();
            let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
            let (now, next) = (at(now), at(now + away));
            let windows = [Due::Overdue, Due::Today, Due::Upcoming].map(|due| due.window(now, zone).unwrap());
            let [overdue, today, upcoming] = windows.map(|window| window.covers(next));
            prop_assert_eq!(u8::from(overdue) + u8::from(today) + u8::from(upcoming), 1);
            prop_assert_eq!(overdue, next < now);
            let day = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
            prop_assert_eq!(today, next >= now && day(next) == day(now));
        }
    }
}
