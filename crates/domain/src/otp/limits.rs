//! How often codes are sent.
//!
//! A code costs money, wakes somebody up, and is one more to guess. So there is a limit for the number it goes to, which
//! protects the one who has it, and one for the caller who asks, which protects the tenant's purse from a stolen key.

use chrono::{DateTime, TimeDelta, Utc};

/// At most so many in any span of time this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How many.
    pub most: usize,
    /// In how long a time.
    pub window: TimeDelta,
}

/// For one phone number or address, whoever asks.
pub const PER_NUMBER: Limit = Limit {
    most: 5,
    window: TimeDelta::minutes(10),
};

/// For one caller, whomever it asks for.
pub const PER_CALLER: Limit = Limit {
    most: 1000,
    window: TimeDelta::hours(1),
};

/// Too many were sent lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many codes were sent; the next one may be sent at {again_at}")]
pub struct TooMany {
    /// When the next one may be sent, if none is sent until then.
    pub again_at: DateTime<Utc>,
}

impl Limit {
    /// Whether one more may be sent at `now`, after those sent at the times in `earlier`, in any order.
    ///
    /// # Errors
    /// [`TooMany`] says when it may.
    pub fn check(self, earlier: &[DateTime<Utc>], now: DateTime<Utc>) -> Result<(), TooMany> {
        let mut counted: Vec<_> = earlier
            .iter()
            .map(|sent| *sent + self.window)
            .filter(|forgotten_at| *forgotten_at > now)
            .collect();
        counted.sort_unstable();
        // Of the counted ones, so many must be forgotten first that one less than the limit is left.
        match (counted.len() + 1).checked_sub(self.most) {
            None | Some(0) => Ok(()),
            Some(to_forget) => Err(TooMany {
                again_at: counted.get(to_forget - 1).copied().unwrap_or(DateTime::<Utc>::MAX_UTC),
            }),
        }
    }
}

/// Whether a code may be sent at `now`, after those that were sent to the same number and those that the same caller
/// asked for.
///
/// # Errors
/// [`TooMany`] says when both limits allow it.
pub fn may_send(to_number: &[DateTime<Utc>], by_caller: &[DateTime<Utc>], now: DateTime<Utc>) -> Result<(), TooMany> {
    let checked = [PER_NUMBER.check(to_number, now), PER_CALLER.check(by_caller, now)];
    let last = checked
        .iter()
        .filter_map(|check| check.err())
        .max_by_key(|refusal| refusal.again_at);
    last.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn times(seconds: &[i64]) -> Vec<DateTime<Utc>> {
        seconds.iter().copied().map(at).collect()
    }

    #[test]
    fn a_number_gets_five_codes_in_ten_minutes() {
        let check = |earlier: &[i64], now, expected: Option<i64>| {
            let refusal = may_send(&times(earlier), &[], at(now)).err();
            assert_eq!(refusal.map(|refusal| refusal.again_at), expected.map(at), "{earlier:?}");
        };
        check(&[], 0, None);
        check(&[0, 10, 20, 30], 40, None);
        check(&[0, 10, 20, 30, 40], 50, Some(600));
        check(&[40, 20, 0, 30, 10], 599, Some(600));
        check(&[0, 10, 20, 30, 40], 600, None);
        check(&[0, 10, 20, 30, 40, 50, 60], 70, Some(620));
        check(&[-9000, -8000, -7000, -6000, -5000, -4000], 0, None);
        // A clock that was ahead.
        check(&[0, 0, 0, 0, 100], 50, Some(600));
    }

    #[test]
    fn a_caller_gets_a_thousand_in_an_hour_and_waits_for_the_later_of_both_limits() {
        let many = times(&vec![0; 1000]);
        assert_eq!(may_send(&[], &many[1..], at(10)), Ok(()));
        assert_eq!(may_send(&[], &many, at(10)), Err(TooMany { again_at: at(3600) }));
        assert_eq!(may_send(&many[..5], &many, at(10)), Err(TooMany { again_at: at(3600) }));
        assert_eq!(may_send(&many[..5], &[], at(10)), Err(TooMany { again_at: at(600) }));
    }

    #[test]
    fn a_limit_of_none_allows_none() {
        let none = Limit {
            most: 0,
            window: TimeDelta::minutes(1),
        };
        assert!(none.check(&[], at(0)).is_err());
    }

    proptest! {
        #[test]
        fn whoever_keeps_to_it_never_sends_more_than_so_many_in_any_window(
            most in 1_usize..6, window in 1_i64..50, steps in prop::collection::vec(0_i64..20, 1..80)
        ) {
            let limit = Limit { most, window: TimeDelta::seconds(window) };
            let mut sent: Vec<DateTime<Utc>> = Vec::new();
            let mut now = 0;
            for step in steps {
                now += step;
                match limit.check(&sent, at(now)) {
                    Ok(()) => sent.push(at(now)),
                    Err(TooMany { again_at }) => {
                        prop_assert!(again_at > at(now));
                        prop_assert_eq!(limit.check(&sent, again_at), Ok(()));
                        prop_assert!(limit.check(&sent, again_at - TimeDelta::seconds(1)).is_err());
                    }
                }
            }
            for run in sent.windows(most + 1) {
                prop_assert!(run[most] - run[0] >= limit.window);
            }
        }
    }
}
