//! How times are shown and read.

use chrono::{DateTime, SecondsFormat};
use queue::Millis;

/// A time in RFC 3339 UTC, to the millisecond.
pub(crate) fn rfc3339(at: Millis) -> String {
    DateTime::from_timestamp_millis(at)
        .map_or_else(|| at.to_string(), |at| at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Reads a time in RFC 3339, or how long before `now` it was: a whole number and `s`, `m`, `h` or `d`.
pub(crate) fn moment(text: &str, now: Millis) -> Option<Millis> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp_millis());
    }
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    now.checked_sub(number.parse::<Millis>().ok()?.checked_mul(unit_ms)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_out_or_was_some_time_ago() {
        assert_eq!(moment("2026-01-02T03:04:05.006Z", 0), Some(1_767_323_045_006));
        assert_eq!(moment("2026-01-02T04:04:05.006+01:00", 0), Some(1_767_323_045_006));
        assert_eq!(moment("90m", 5_400_001), Some(1));
        assert_eq!(moment("2d", 172_800_000), Some(0));
        for text in [
            "",
            "5",
            "h",
            "-5m",
            "5 m",
            "1w",
            "yesterday",
            "99999999999999999999h",
            "9999999999999999d",
        ] {
            assert_eq!(moment(text, 0), None, "{text}");
        }
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(rfc3339(1_767_323_045_006), "2026-01-02T03:04:05.006Z");
    }
}
