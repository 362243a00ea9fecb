//! Instants as senders write them: unix seconds or RFC 3339.

use chrono::{DateTime, Datelike as _, Utc};

use crate::refusal::Stale;

/// From 1970 on and with four digits: what every database and every reader of RFC 3339 takes. It also catches
/// milliseconds given for seconds, which would lie 50,000 years ahead.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=9999;

/// The smallest number that is taken for milliseconds: in seconds it would be the year 5138.
const MILLIS_FROM: i64 = 100_000_000_000;

/// Reads either form.
pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        from_unix_seconds(text.parse().ok()?)
    } else {
        let instant = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
        // A leap second at the end of a year belongs to the next one for everybody who does not know it.
        let year = DateTime::from_timestamp_millis(instant.timestamp_millis())?.year();
        YEARS.contains(&year).then_some(instant)
    }
}

/// The instant so many seconds after the beginning of 1970.
pub(crate) fn from_unix_seconds(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_secs(seconds).filter(|instant| YEARS.contains(&instant.year()))
}

/// Unix seconds written in plain digits, without sign, fraction or exponent.
pub(crate) fn from_digits(text: &[u8]) -> Option<DateTime<Utc>> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = digits.then(|| str::from_utf8(text).ok()).flatten()?;
    from_unix_seconds(text.parse().ok()?)
}

/// Seconds or milliseconds, told apart by size: no sender means a time before 1973 by the one or after 5138 by the
/// other.
pub(crate) fn from_unix_seconds_or_millis(number: i64) -> Option<DateTime<Utc>> {
    if number < MILLIS_FROM {
        from_unix_seconds(number)
    } else {
        DateTime::from_timestamp_millis(number).filter(|instant| YEARS.contains(&instant.year()))
    }
}

/// Whether `sent_at` is within `age_seconds_max` of now, before or after, the boundary included.
pub(crate) fn check_fresh(sent_at: DateTime<Utc>, now: DateTime<Utc>, age_seconds_max: i64) -> Result<(), Stale> {
    // Whole seconds, the fraction dropped: senders who write unix seconds dropped theirs too.
    let age_seconds = now.signed_duration_since(sent_at).num_seconds();
    if age_seconds.abs() > age_seconds_max {
        return Err(Stale {
            age_seconds,
            age_seconds_max,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_seconds_and_nothing_else_is() {
        assert_eq!(from_digits(b"1767323045"), from_unix_seconds(1_767_323_045));
        for odd in [
            "",
            "-1",
            "+1767323045",
            "1767323045.0",
            "1e9",
            " 1767323045",
            "2026-01-02T03:04:05Z",
        ] {
            assert_eq!(from_digits(odd.as_bytes()), None, "{odd}");
        }
    }

    #[test]
    fn milliseconds_are_told_by_their_size() {
        let seconds = from_unix_seconds_or_millis(1_767_323_045);
        assert_eq!(seconds, from_unix_seconds_or_millis(1_767_323_045_000));
        assert_eq!(seconds, from_unix_seconds(1_767_323_045));
        assert_eq!(from_unix_seconds_or_millis(i64::MAX), None);
    }

    #[test]
    fn the_boundary_is_fresh_and_a_second_beyond_is_not() {
        let now = DateTime::from_timestamp_secs(1_767_323_045).unwrap_or_default();
        for (age_seconds, expected) in [(300, true), (-300, true), (301, false), (-301, false)] {
            let sent_at = now - chrono::Duration::seconds(age_seconds);
            assert_eq!(check_fresh(sent_at, now, 300).is_ok(), expected, "{age_seconds}");
        }
    }

    #[test]
    fn both_forms_name_the_same_instant() {
        for text in [
            "1767323045",
            "2026-01-02T03:04:05Z",
            "2026-01-02T03:04:05.000Z",
            "2026-01-02T04:34:05+01:30",
        ] {
            assert_eq!(parse(text), from_unix_seconds(1_767_323_045), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        let odd = [
            "",
            " ",
            "-1",
            "+1767323045",
            "1767323045.5",
            "1e9",
            "1767323045000",
            "99999999999999999999",
            "soon",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "2026-13-02T03:04:05Z",
            "1969-12-31T23:59:59Z",
            "+10000-01-01T00:00:00Z",
            "9999-12-31T23:59:60Z",
        ];
        for text in odd {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(from_unix_seconds(-1), None);
        assert_eq!(from_unix_seconds(i64::MAX), None);
    }
}
