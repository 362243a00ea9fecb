//! Times are stored as milliseconds since 1970, UTC: the same number on both databases.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use crate::StoreError;

/// How far another's clock may be ahead of ours.
const AHEAD_MAX: TimeDelta = TimeDelta::days(1);

/// Reads a stored time.
pub(crate) fn at(millis: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_millis(millis).ok_or(StoreError::Corrupt("a time out of range".into()))
}

/// Reads a stored time that may be absent.
pub(crate) fn at_opt(millis: Option<i64>) -> Result<Option<DateTime<Utc>>, StoreError> {
    millis.map(at).transpose()
}

/// When something happened that somebody tells us now: by their clock, unless that is more than [`AHEAD_MAX`] before ours. What
/// lies in a far future would be later than all that follows: a STOP that no START lifts.
pub(crate) fn happened(told: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    let happened = if told > now + AHEAD_MAX { now } else { told };
    stored(happened)
}

/// The time as it will be read back.
pub(crate) fn stored(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(3)
}
