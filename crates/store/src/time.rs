//! Times are stored as milliseconds since 1970, UTC: the same number on both databases.

use chrono::{DateTime, SubsecRound as _, Utc};

use crate::StoreError;

/// Reads a stored time.
pub(crate) fn at(millis: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_millis(millis).ok_or(StoreError::Corrupt("a time out of range".into()))
}

/// Reads a stored time that may be absent.
pub(crate) fn at_opt(millis: Option<i64>) -> Result<Option<DateTime<Utc>>, StoreError> {
    millis.map(at).transpose()
}

/// The time as it will be read back.
pub(crate) fn stored(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(3)
}
