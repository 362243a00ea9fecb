//! Times as requests say them.

use std::fmt;

use chrono::{DateTime, Datelike as _, Utc};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What a time must be.
const EXPECTED: &str = "a time by RFC 3339 with its zone, of the years 1970 to 9999, e.g. 2026-01-31T09:00:00Z";

/// A time that somebody asked for, as it is stored and shown: in UTC, to the millisecond, of a year that RFC 3339 can write.
/// A leap second is the first one of the next minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Moment(DateTime<Utc>);

impl Moment {
    fn read(text: &str) -> Option<Self> {
        let told = DateTime::parse_from_rfc3339(text).ok()?;
        let at = DateTime::from_timestamp_millis(told.timestamp_millis())?;
        (1970..=9999).contains(&at.year()).then_some(Self(at))
    }
}

impl From<Moment> for DateTime<Utc> {
    fn from(moment: Moment) -> Self {
        moment.0
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Moment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Moment, E> {
                Moment::read(text).ok_or_else(|| E::invalid_value(Unexpected::Other("another text"), &self))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_taken_if_it_can_be_answered_as_it_will_be_read_back() {
        let check = |text: &str, expected: Option<&str>| {
            let read = Moment::read(text).map(|moment| serde_json::json!(moment));
            assert_eq!(read, expected.map(serde_json::Value::from), "{text}");
        };
        check("2026-01-31T09:00:00Z", Some("2026-01-31T09:00:00Z"));
        check("2026-01-31T09:00:00.1239+02:00", Some("2026-01-31T07:00:00.123Z"));
        check("2016-12-31T23:59:60Z", Some("2017-01-01T00:00:00Z"));
        check("1970-01-01T00:00:00Z", Some("1970-01-01T00:00:00Z"));
        check("9999-12-31T23:59:59.999Z", Some("9999-12-31T23:59:59.999Z"));
        for refused in [
            "",
            "tomorrow",
            "2026-01-31",
            "2026-01-31T09:00:00",
            "2026-02-30T09:00:00Z",
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:60Z",
            "9999-12-31T23:59:59-01:00",
            "+10000-01-01T00:00:00Z",
            "+262142-12-31T23:59:59Z",
            "-262143-01-01T00:00:00Z",
        ] {
            check(refused, None);
        }
    }
}
