//! How times are shown.

use chrono::{DateTime, SecondsFormat};
use queue::Millis;

/// A time in RFC 3339 UTC, to the millisecond.
pub(crate) fn rfc3339(at: Millis) -> String {
    DateTime::from_timestamp_millis(at)
        .map_or_else(|| at.to_string(), |at| at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        assert_eq!(rfc3339(1_767_323_045_006), "2026-01-02T03:04:05.006Z");
    }
}
