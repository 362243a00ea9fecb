//! How long things are kept.

use chrono::{DateTime, Months, TimeDelta, Utc};

/// Messages that were sent, and all that was reported of them, are kept for so long.
pub const SENDS_KEPT: Months = Months::new(18);
/// A score of which nothing was heard for so long is put into the archive.
pub const SCORES_KEPT: Months = Months::new(24);
/// That a lead became hot is kept for so long, once it was handed on to be told.
pub const CROSSINGS_KEPT: TimeDelta = TimeDelta::days(90);

/// When something was that is kept no longer than now.
#[must_use]
pub fn before(kept: Months, now: DateTime<Utc>) -> DateTime<Utc> {
    // Nothing is older than the calendar.
    now.checked_sub_months(kept).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn eighteen_months_and_two_years_are_counted_by_the_calendar() {
        let now: DateTime<Utc> = "2026-08-31T10:00:00Z".parse().unwrap();
        assert_eq!(before(SENDS_KEPT, now).to_rfc3339(), "2025-02-28T10:00:00+00:00");
        assert_eq!(before(SCORES_KEPT, now).to_rfc3339(), "2024-08-31T10:00:00+00:00");
    }
}
