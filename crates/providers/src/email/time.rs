//! Instants as senders write them: unix seconds or RFC 3339.

use chrono::{DateTime, Datelike as _, Utc};

/// From 1970 on and with four digits: what every database and every reader of RFC 3339 takes. It also catches
/// milliseconds given for seconds, which would lie 50,000 years ahead.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=9999;

/// Reads either form.
pub(super) fn parse(text: &str) -> Option<DateTime<Utc>> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        from_unix_seconds(text.parse().ok()?)
    } else {
        let instant = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
        YEARS.contains(&instant.year()).then_some(instant)
    }
}

/// The instant so many seconds after the beginning of 1970.
pub(super) fn from_unix_seconds(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_secs(seconds).filter(|instant| YEARS.contains(&instant.year()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ];
        for text in odd {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(from_unix_seconds(-1), None);
        assert_eq!(from_unix_seconds(i64::MAX), None);
    }
}
