//! Signing in: how long links and sessions are good, and how often links may be asked for.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};

use crate::otp::{Limit, TooMany};

/// How long a link lets its member in, from when it was asked for.
pub const LINK_LIFETIME: TimeDelta = TimeDelta::minutes(15);

/// How long an invitation can be accepted.
pub const INVITATION_LIFETIME: TimeDelta = TimeDelta::days(7);

/// How long a session's token is good; a new one takes its place before.
pub const SESSION_TOKEN_LIFETIME: TimeDelta = TimeDelta::hours(1);

/// How long a session lasts, however often its token changes.
pub const SESSION_LIFETIME: TimeDelta = TimeDelta::days(14);

/// How long the token before is good beside the present one, for requests that were under way.
pub const SESSION_OVERLAP: TimeDelta = TimeDelta::minutes(1);

/// How often a link is asked for, for one address.
pub const PER_ADDRESS: Limit = Limit {
    most: 5,
    window: TimeDelta::minutes(15),
};

/// How often links are asked for from one place on the network, which may be a house full of people.
pub const PER_PLACE: Limit = Limit {
    most: 30,
    window: TimeDelta::minutes(15),
};

/// Whether a link may be asked for at `now`, after those that were asked for lately.
///
/// # Errors
/// [`TooMany`] says when both limits allow it.
pub fn may_ask(for_address: &[DateTime<Utc>], from_place: &[DateTime<Utc>], now: DateTime<Utc>) -> Result<(), TooMany> {
    let checked = [PER_ADDRESS.check(for_address, now), PER_PLACE.check(from_place, now)];
    let last = checked
        .into_iter()
        .filter_map(Result::err)
        .max_by_key(|refusal| refusal.again_at);
    last.map_or(Ok(()), Err)
}

/// What counts as one place on the network: an address, or of IPv6 what a household is given.
#[must_use]
pub fn place(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Until when the token is good that is handed out at `now` for a session that began then; `None`: the session has lasted
/// as long as it may.
#[must_use]
pub fn token_expires_at(began_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let end = began_at + SESSION_LIFETIME;
    (now < end).then(|| end.min(now + SESSION_TOKEN_LIFETIME))
}

/// Whether a token of this generation is good for a session whose present one is of generation `present` since
/// `rotated_at`: the present one is, and for a moment the one before.
#[must_use]
pub fn is_generation_good(given: u64, present: u64, rotated_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    given == present || (given.checked_add(1) == Some(present) && now - rotated_at < SESSION_OVERLAP)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600 + seconds, 0).unwrap()
    }

    #[test]
    fn the_token_before_is_good_for_a_moment_and_older_ones_never() {
        for (given, after, expected) in [
            (5, 3600, true),
            (4, 59, true),
            (4, 60, false),
            (3, 0, false),
            (6, 0, false),
        ] {
            assert_eq!(
                is_generation_good(given, 5, at(0), at(after)),
                expected,
                "{given} after {after} s"
            );
        }
        assert!(!is_generation_good(u64::MAX, 0, at(0), at(0)));
    }

    #[test]
    fn tokens_last_an_hour_and_no_longer_than_their_session() {
        assert_eq!(token_expires_at(at(0), at(10)), Some(at(3610)));
        let end = at(0) + SESSION_LIFETIME;
        assert_eq!(token_expires_at(at(0), end - TimeDelta::minutes(1)), Some(end));
        assert_eq!(token_expires_at(at(0), end), None);
    }

    #[test]
    fn both_limits_have_to_allow_it_and_the_later_one_says_when() {
        let five: Vec<_> = (0..5).map(at).collect();
        let thirty: Vec<_> = (0..30).map(|n| at(n + 60)).collect();
        assert_eq!(may_ask(&five[1..], &thirty[1..], at(100)), Ok(()));
        let again_at = |for_address, from_place| may_ask(for_address, from_place, at(100)).unwrap_err().again_at;
        assert_eq!(again_at(&five, &[]), at(900));
        assert_eq!(again_at(&five, &thirty), at(960));
    }

    #[test]
    fn a_household_is_one_place() {
        for (address, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(place(address.parse().unwrap()), expected);
        }
    }
}
