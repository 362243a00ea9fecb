//! Telling people what is overdue: once for each time that was planned, and not in a flood.

use chrono::{DateTime, Utc};

stored! {
    /// Why nobody could be told that something is overdue.
    Warning {
        /// Its assignee says no channel, or no address for it.
        NoChannel = "no_channel",
        /// The tenant has no account, or no sender, for the assignee's channel.
        NoRoute = "no_route",
        /// The message did not arrive.
        NotDelivered = "not_delivered",
    }
}

/// How somebody is told of several interactions that became overdue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// One message for each.
    Each,
    /// One message for all of them.
    Digest,
}

/// Up to so many reminders come one by one, unless the tenant says another number.
pub const DIGEST_OVER_DEFAULT: u32 = 3;
/// What a tenant may say at most.
pub const DIGEST_OVER_MAX: u32 = 20;

impl Telling {
    /// How somebody is told of `count` at once, of a tenant who wants more than `digest_over` in one message.
    #[must_use]
    pub const fn of(count: u64, digest_over: u32) -> Self {
        if count > digest_over as u64 {
            Self::Digest
        } else {
            Self::Each
        }
    }
}

/// Whether somebody is told anew after the next action was planned for `after` instead of `before`: whenever the time is
/// another, and for no other reason.
#[must_use]
pub fn is_told_anew(before: Option<DateTime<Utc>>, after: Option<DateTime<Utc>>) -> bool {
    before != after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_words_are_what_they_always_were() {
        let words: Vec<_> = Warning::ALL.iter().map(|warning| warning.as_str()).collect();
        assert_eq!(words, ["no_channel", "no_route", "not_delivered"]);
    }

    #[test]
    fn more_than_the_tenant_says_come_in_one_message() {
        assert_eq!(Telling::of(1, 3), Telling::Each);
        assert_eq!(Telling::of(3, 3), Telling::Each);
        assert_eq!(Telling::of(4, 3), Telling::Digest);
        assert_eq!(Telling::of(1, 0), Telling::Digest);
    }

    #[test]
    fn only_another_time_tells_anew() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        assert!(!is_told_anew(at(1), at(1)));
        assert!(!is_told_anew(None, None));
        for (before, after) in [(at(1), at(2)), (at(2), at(1)), (None, at(1)), (at(1), None)] {
            assert!(is_told_anew(before, after));
        }
    }
}
