//! When people are left alone.
//!
//! Quiet hours are a span of the local clock, `21:00` to `08:00` in `Europe/Paris`: from its beginning on, up to but not
//! including its end, over midnight if it ends earlier than it begins. An instant is quiet if the clocks on the wall there
//! show a time of the span, and that is the whole rule, also in the nights when the clocks change: an hour that comes twice
//! is quiet both times, and hours that are left out end what they would have ended.

use chrono::{DateTime, NaiveDateTime, NaiveTime, Offset as _, TimeDelta, TimeZone as _, Timelike as _, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// How the times are written: `21:00`.
const TIME_FORM: &str = "%H:%M";

/// What is wrong with quiet hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuietError {
    /// A time is not one.
    #[error("a time of the day is written as 21:00")]
    Time,
    /// Both times are the same: none of the day, or all of it?
    #[error("quiet hours begin and end at different times")]
    Same,
    /// The time zone is not in the tz database.
    #[error("the time zone is not known; it is written as Europe/Paris")]
    Zone,
}

/// A span of the local clock in which nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct QuietHours {
    from: NaiveTime,
    to: NaiveTime,
    zone: Tz,
}

/// How quiet hours lie in JSON: `{"from":"21:00","to":"08:00","zone":"Europe/Paris"}`.
#[derive(Serialize, Deserialize)]
struct Written {
    from: String,
    to: String,
    zone: String,
}

impl QuietHours {
    /// Reads two times of the day (`21:00`) and the name of a time zone (`Europe/Paris`).
    ///
    /// # Errors
    /// [`QuietError`] says what is wrong.
    pub fn parse(from: &str, to: &str, zone: &str) -> Result<Self, QuietError> {
        let time = |text| NaiveTime::parse_from_str(text, TIME_FORM).map_err(|_| QuietError::Time);
        let (from, to) = (time(from)?, time(to)?);
        if from == to {
            return Err(QuietError::Same);
        }
        let zone = zone.parse().map_err(|_| QuietError::Zone)?;
        Ok(Self { from, to, zone })
    }

    /// Whose clock they are of.
    #[must_use]
    pub const fn zone(&self) -> Tz {
        self.zone
    }

    /// The same hours of another clock.
    #[must_use]
    pub const fn in_zone(self, zone: Tz) -> Self {
        Self { zone, ..self }
    }

    /// Whether `at` is in the quiet hours.
    #[must_use]
    pub fn cover(&self, at: DateTime<Utc>) -> bool {
        let local = at.with_timezone(&self.zone).time();
        if self.from < self.to {
            self.from <= local && local < self.to
        } else {
            self.from <= local || local < self.to
        }
    }

    /// The first instant from `now` on that is not in the quiet hours; `None` if that is now, and it may go.
    #[must_use]
    pub fn hold_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if !self.cover(now) {
            return None;
        }
        // Between two changes of the clocks the end is a subtraction away. A change on the way may end the quiet hours by
        // itself, or else moves their end.
        let mut at = now;
        loop {
            let end = at + self.left(at);
            match self.change(at, end) {
                None => return Some(end),
                Some(change) if !self.cover(change) => return Some(change),
                Some(change) => at = change,
            }
        }
    }

    /// How long the clock takes from what it shows at the quiet instant `at` to the end, if nobody changes it.
    fn left(&self, at: DateTime<Utc>) -> TimeDelta {
        let left = self.to.signed_duration_since(at.with_timezone(&self.zone).time());
        if left > TimeDelta::zero() {
            left
        } else {
            left + TimeDelta::days(1)
        }
    }

    /// The instant after `from`, and not after `to`, at which the clocks change, for two that are a day apart at most. In
    /// all of the tz database no two changes of a zone are closer than four days, so there is one or none.
    fn change(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (mut before, mut after) = (from.timestamp(), to.timestamp());
        let changed = self.offset(after);
        if self.offset(before) == changed {
            return None;
        }
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if self.offset(middle) == changed {
                after = middle;
            } else {
                before = middle;
            }
        }
        DateTime::from_timestamp(after, 0)
    }

    /// How far the local clock is ahead of UTC, in seconds, at a unix time.
    fn offset(&self, seconds: i64) -> i32 {
        let utc = DateTime::from_timestamp(seconds, 0).map_or(NaiveDateTime::default(), |at| at.naive_utc());
        self.zone.offset_from_utc_datetime(&utc).fix().local_minus_utc()
    }
}

impl TryFrom<Written> for QuietHours {
    type Error = QuietError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        Self::parse(&written.from, &written.to, &written.zone)
    }
}

impl From<QuietHours> for Written {
    fn from(hours: QuietHours) -> Self {
        let time = |time: NaiveTime| format!("{:02}:{:02}", time.hour(), time.minute());
        Self {
            from: time(hours.from),
            to: time(hours.to),
            zone: hours.zone.name().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

    fn hours(from: &str, to: &str, zone: &str) -> QuietHours {
        QuietHours::parse(from, to, zone).unwrap()
    }

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// `expected` is the instant from which on it may go, or nothing if it may go now.
    fn check(hours: QuietHours, now: &str, expected: Option<&str>) {
        assert_eq!(hours.hold_until(utc(now)), expected.map(utc), "{now} {hours:?}");
    }

    #[test]
    fn hours_within_a_day_end_that_day() {
        let lunch = hours("12:00", "14:00", "Europe/Paris");
        check(lunch, "2026-01-15T10:59:59.999Z", None);
        check(lunch, "2026-01-15T11:00:00Z", Some("2026-01-15T13:00:00Z"));
        check(lunch, "2026-01-15T12:59:59.999Z", Some("2026-01-15T13:00:00Z"));
        check(lunch, "2026-01-15T13:00:00Z", None);
    }

    #[test]
    fn hours_over_midnight_end_the_next_morning() {
        let night = hours("21:00", "08:00", "America/New_York");
        check(night, "2026-01-16T01:59:59Z", None);
        check(night, "2026-01-16T02:00:00Z", Some("2026-01-16T13:00:00Z"));
        check(night, "2026-01-16T12:59:59.5Z", Some("2026-01-16T13:00:00Z"));
        check(night, "2026-01-16T13:00:00Z", None);
        let from_midnight = hours("00:00", "06:00", "Asia/Kolkata");
        check(from_midnight, "2026-01-15T18:30:00Z", Some("2026-01-16T00:30:00Z"));
        let until_midnight = hours("20:00", "00:00", "Asia/Kolkata");
        check(until_midnight, "2026-01-15T18:29:00Z", Some("2026-01-15T18:30:00Z"));
        check(until_midnight, "2026-01-15T18:30:00Z", None);
    }

    /// Paris, 29 March 2026: at 02:00 (01:00 UTC) the clocks go to 03:00.
    #[test]
    fn a_night_that_is_an_hour_shorter_ends_an_hour_earlier() {
        let zone = "Europe/Paris";
        check(
            hours("22:00", "08:00", zone),
            "2026-03-28T21:30:00Z",
            Some("2026-03-29T06:00:00Z"),
        );
        check(
            hours("22:00", "03:00", zone),
            "2026-03-28T21:30:00Z",
            Some("2026-03-29T01:00:00Z"),
        );
        // 02:30 does not come: what it would have ended is over when it is left out.
        check(
            hours("22:00", "02:30", zone),
            "2026-03-28T21:30:00Z",
            Some("2026-03-29T01:00:00Z"),
        );
        check(hours("22:00", "02:30", zone), "2026-03-29T01:00:00Z", None);
        // Nor does what would have begun at 02:15 and ended at 02:45.
        check(hours("02:15", "02:45", zone), "2026-03-29T00:59:59Z", None);
        check(hours("02:15", "02:45", zone), "2026-03-29T01:00:00Z", None);
        check(
            hours("02:30", "04:00", zone),
            "2026-03-29T01:00:00Z",
            Some("2026-03-29T02:00:00Z"),
        );
    }

    /// Paris, 25 October 2026: at 03:00 (01:00 UTC) the clocks go back to 02:00.
    #[test]
    fn a_night_that_is_an_hour_longer_ends_an_hour_later() {
        let zone = "Europe/Paris";
        check(
            hours("22:00", "08:00", zone),
            "2026-10-24T20:30:00Z",
            Some("2026-10-25T07:00:00Z"),
        );
        // 02:30 comes twice; between the first and 03:00 it is over, from 02:00 to the second it is quiet again.
        let early = hours("22:00", "02:30", zone);
        check(early, "2026-10-25T00:15:00Z", Some("2026-10-25T00:30:00Z"));
        check(early, "2026-10-25T00:45:00Z", None);
        check(early, "2026-10-25T01:15:00Z", Some("2026-10-25T01:30:00Z"));
        // What began at 02:30 is over when the clocks go back to 02:00, and begins again.
        let late = hours("02:30", "05:00", zone);
        check(late, "2026-10-25T00:45:00Z", Some("2026-10-25T01:00:00Z"));
        check(late, "2026-10-25T01:30:00Z", Some("2026-10-25T04:00:00Z"));
    }

    #[test]
    fn half_hours_and_whole_days_are_left_out_in_some_places_too() {
        // Lord Howe Island, 4 October 2026: 02:00 to 02:30 (15:30 UTC the day before).
        check(
            hours("22:00", "02:15", "Australia/Lord_Howe"),
            "2026-10-03T14:00:00Z",
            Some("2026-10-03T15:30:00Z"),
        );
        // Samoa had no 30 December 2011: midnight (10:00 UTC) was that of the 31st.
        check(
            hours("22:00", "06:00", "Pacific/Apia"),
            "2011-12-30T09:00:00Z",
            Some("2011-12-30T16:00:00Z"),
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |from, to, zone, expected| assert_eq!(QuietHours::parse(from, to, zone), Err(expected));
        check("25:00", "08:00", "UTC", QuietError::Time);
        check("21:00", "8 am", "UTC", QuietError::Time);
        check("21:00", "24:00", "UTC", QuietError::Time);
        check("", "08:00", "UTC", QuietError::Time);
        check("08:00", "08:00", "UTC", QuietError::Same);
        check("21:00", "08:00", "Paris", QuietError::Zone);
        check("21:00", "08:00", "+02:00", QuietError::Zone);
    }

    #[test]
    fn in_json_it_is_written_as_it_is_read_and_checked() {
        let json = r#"{"from":"21:00","to":"08:05","zone":"Europe/Paris"}"#;
        let parsed: QuietHours = serde_json::from_str(json).unwrap();
        assert_eq!(parsed, hours("21:00", "08:05", "Europe/Paris"));
        assert_eq!(serde_json::to_string(&parsed).unwrap(), json);
        assert!(serde_json::from_str::<QuietHours>(&json.replace("08:05", "21:00")).is_err());
    }

    proptest! {
        #[test]
        fn it_is_held_exactly_until_the_hours_end(
            from in 0_u32..1440, length in 1_u32..1440,
            zone in select(vec![
                "UTC", "Europe/Paris", "Europe/London", "Europe/Dublin", "America/New_York", "America/St_Johns", "America/Nuuk",
                "America/Sao_Paulo", "Africa/Casablanca", "Africa/Cairo", "Asia/Kathmandu", "Asia/Gaza", "Australia/Lord_Howe",
                "Antarctica/Troll", "Pacific/Apia", "Pacific/Chatham", "America/Havana",
            ]),
            // 2000 to 2037, of which half the cases lie within two days of a change in Paris or New York.
            seconds in prop_oneof![
                946_684_800_i64..2_145_916_800,
                (select(vec![1_774_746_000_i64, 1_792_890_000, 1_772_953_200, 1_793_512_800]), -172_800_i64..172_800)
                    .prop_map(|(change, away)| change + away),
            ],
            nanos in select(vec![0_u32, 1, 999_999_999]),
        ) {
            let clock = |minutes: u32| format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60);
            let hours = hours(&clock(from), &clock(from + length), zone);
            let now = DateTime::from_timestamp(seconds, nanos).unwrap();
            let until = hours.hold_until(now);
            prop_assert_eq!(until.is_some(), hours.cover(now));
            if let Some(until) = until {
                prop_assert!(now < until && until - now < TimeDelta::hours(50));
                prop_assert!(!hours.cover(until));
                prop_assert!(hours.cover(until - TimeDelta::nanoseconds(1)));
                let minutes = (until - now).num_minutes();
                for minute in 0..=minutes {
                    prop_assert!(hours.cover(now + TimeDelta::minutes(minute)) || minute == minutes && now + TimeDelta::minutes(minute) == until);
                }
            }
        }
    }
}
