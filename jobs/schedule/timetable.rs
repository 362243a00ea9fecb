//! When a schedule ticks.

use anyhow::Context as _;
use chrono::DateTime;
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::Tick;

/// The instants that a cron expression names on the wall clock of a time zone.
///
/// The expression has five fields: minute, hour, day of the month, month, day of the week. If both days are
/// restricted, either is enough, as ever with cron.
///
/// **When the wall clock is set forward or back**, what happens depends on whether the expression names one time of the
/// day (one minute of one hour, such as `30 2 * * *`) or several (`30 2,14 * * *`, `*/10 * * * *`, `0 * * * *`):
///
/// | | one time of the day | several |
/// |---|---|---|
/// | an hour that does not exist | ticks at the first instant after it | does not tick in it |
/// | an hour that exists twice | ticks in the first one | ticks in both |
///
/// So what is daily happens once each day, and what is hourly once each hour that passes.
#[derive(Clone, Debug)]
pub struct Timetable {
    cron: Cron,
    time_zone: Tz,
}

impl Timetable {
    /// Reads an expression.
    ///
    /// # Errors
    /// When it cannot be read, or names no instant at all (the 30th of February).
    pub fn read(cron: &str, time_zone: Tz) -> anyhow::Result<Self> {
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let parsed = parser.parse(cron);
        let timetable = Self {
            cron: parsed.with_context(|| format!("`{cron}` is no cron expression"))?,
            time_zone,
        };
        timetable
            .next_after(0)
            .with_context(|| format!("`{cron}` names no instant"))?;
        Ok(timetable)
    }

    /// The first tick after `at`, in unix seconds. There is one for as long as calendars reach.
    #[must_use]
    pub fn next_after(&self, at: Tick) -> Option<Tick> {
        let at = DateTime::from_timestamp(at, 0)?.with_timezone(&self.time_zone);
        let next = self.cron.find_next_occurrence(&at, false).ok()?;
        // Whoever asks for tick after tick must get ahead, come what may.
        (next > at).then(|| next.timestamp())
    }

    /// The ticks after `after` and not after `until`, oldest first.
    pub fn between(&self, after: Tick, until: Tick) -> impl Iterator<Item = Tick> {
        // Only ever looked for forwards, so that all clocks see the same ones.
        std::iter::successors(self.next_after(after), |tick| self.next_after(*tick))
            .take_while(move |tick| *tick <= until)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chrono::{DateTime, SecondsFormat};
    use chrono_tz::Tz::{Africa__Cairo, Australia__Lord_Howe, Europe__Paris, UTC};

    use super::*;

    const DAY: i64 = 24 * 60 * 60;

    fn at(text: &str) -> Tick {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp()
    }

    /// The ticks of one UTC day, as `HH:MM` in UTC.
    fn check(cron: &str, time_zone: Tz, day: &str, expected: &[&str]) {
        let midnight = at(&format!("{day}T00:00:00Z"));
        let timetable = Timetable::read(cron, time_zone).unwrap();
        let ticks: Vec<_> = timetable
            .between(midnight - 1, midnight + DAY - 1)
            .map(|tick| {
                let text = DateTime::from_timestamp(tick, 0)
                    .unwrap()
                    .to_rfc3339_opts(SecondsFormat::Secs, true);
                assert!(text.ends_with(":00Z"), "{text}");
                text[11..16].to_owned()
            })
            .collect();
        assert_eq!(ticks, expected, "`{cron}` in {time_zone} on {day}");
    }

    /// Every hour of a day from the given one on.
    const HOURS: [&str; 24] = [
        "00:00", "01:00", "02:00", "03:00", "04:00", "05:00", "06:00", "07:00", "08:00", "09:00", "10:00", "11:00",
        "12:00", "13:00", "14:00", "15:00", "16:00", "17:00", "18:00", "19:00", "20:00", "21:00", "22:00", "23:00",
    ];

    #[test]
    fn an_expression_is_about_the_wall_clock_of_its_time_zone() {
        check("30 9 * * *", UTC, "2026-01-05", &["09:30"]);
        check("30 9 * * *", Europe__Paris, "2026-01-05", &["08:30"]);
        check("30 9 * * *", Europe__Paris, "2026-07-06", &["07:30"]);
        check(
            "0 */6 * * MON",
            UTC,
            "2026-01-05",
            &["00:00", "06:00", "12:00", "18:00"],
        );
        check("0 */6 * * MON", UTC, "2026-01-06", &[]);
    }

    /// In Paris there is no 02:30 on 2026-03-29: after 01:59 comes 03:00, which is 01:00 UTC.
    #[test]
    fn an_hour_that_does_not_exist_delays_what_is_daily_and_leaves_out_the_rest() {
        check("30 2 * * *", Europe__Paris, "2026-03-28", &["01:30"]);
        check("30 2 * * *", Europe__Paris, "2026-03-29", &["01:00"]);
        check("30 2 * * *", Europe__Paris, "2026-03-30", &["00:30"]);
        check("0 1 * * *", Europe__Paris, "2026-03-29", &["00:00", "23:00"]);
        check("0 3 * * *", Europe__Paris, "2026-03-29", &["01:00"]);
        check("30 2,14 * * *", Europe__Paris, "2026-03-29", &["12:30"]);
        check("*/20 2 * * *", Europe__Paris, "2026-03-29", &[]);
        check("0 * * * *", Europe__Paris, "2026-03-29", &HOURS);
    }

    /// In Paris 02:30 comes twice on 2026-10-25: at 00:30 and at 01:30 UTC.
    #[test]
    fn an_hour_that_exists_twice_counts_once_for_what_is_daily_and_twice_for_the_rest() {
        check("30 2 * * *", Europe__Paris, "2026-10-24", &["00:30"]);
        check("30 2 * * *", Europe__Paris, "2026-10-25", &["00:30"]);
        check("30 2 * * *", Europe__Paris, "2026-10-26", &["01:30"]);
        check(
            "30 2,14 * * *",
            Europe__Paris,
            "2026-10-25",
            &["00:30", "01:30", "13:30"],
        );
        check("0 * * * *", Europe__Paris, "2026-10-25", &HOURS);
    }

    /// Clocks change at midnight, and by half an hour, elsewhere.
    #[test]
    fn other_places_change_their_clocks_in_other_ways() {
        check("0 0 * * *", Africa__Cairo, "2026-04-23", &["22:00"]);
        check("0 0 * * *", Africa__Cairo, "2026-04-24", &["21:00"]);
        check("15 2 * * *", Australia__Lord_Howe, "2026-10-03", &["15:30"]);
    }

    /// Whenever a clock looks, it sees the ticks that every other one sees.
    #[test]
    fn where_a_search_begins_makes_no_difference_to_what_it_finds() {
        for day in ["2026-03-28T22:00:00Z", "2026-10-24T22:00:00Z"] {
            let (from, until) = (at(day), at(day) + DAY / 2);
            for cron in ["30 2 * * *", "*/7 * * * *", "30 2,3 * * *", "0 * * * *", "0 3 * * *"] {
                let timetable = Timetable::read(cron, Europe__Paris).unwrap();
                let ticks: Vec<_> = timetable.between(from, until).collect();
                for looked in (from..until).step_by(30) {
                    let next = ticks.iter().copied().find(|tick| *tick > looked);
                    let found = timetable.next_after(looked).filter(|tick| *tick <= until);
                    assert_eq!(found, next, "`{cron}` looked for at {looked}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_expression_or_names_no_instant_is_refused() {
        for wrong in ["", "hourly", "60 * * * *", "* * * *", "0 0 12 * * *", "0 0 30 2 *"] {
            assert!(Timetable::read(wrong, UTC).is_err(), "`{wrong}`");
        }
    }
}
