//! API keys: what they are called, and how one takes the place of another.

use chrono::{DateTime, TimeDelta, Utc};

/// The longest name of a key, in characters.
pub const NAME_CHARACTERS_MAX: usize = 100;

/// How long a key that is rotated stays good when nothing is said.
pub const OVERLAP_USUAL: TimeDelta = TimeDelta::days(1);

/// How long it stays good at most.
pub const OVERLAP_MAX: TimeDelta = TimeDelta::days(30);

/// Why a key cannot be made like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyFault {
    /// The name is empty or too long.
    #[error("a key's name has 1 to {NAME_CHARACTERS_MAX} characters")]
    Name,
    /// The key before would stay good for too long, or had ended before now.
    #[error("the key before stays good for 0 to {} days", OVERLAP_MAX.num_days())]
    Overlap,
    /// The key would never be good.
    #[error("the end of a key is ahead")]
    Ended,
}

/// Until when two keys are good, one of which takes the place of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The key before.
    pub old_until: DateTime<Utc>,
    /// The new one; `None`: for ever.
    pub new_until: Option<DateTime<Utc>>,
}

/// Checks what a key is to be called.
///
/// # Errors
/// [`ApiKeyFault::Name`].
pub fn check_name(name: &str) -> Result<(), ApiKeyFault> {
    let characters = name.chars().count();
    if (1..=NAME_CHARACTERS_MAX).contains(&characters) {
        Ok(())
    } else {
        Err(ApiKeyFault::Name)
    }
}

/// Checks how long a key that is rotated is to stay good.
///
/// # Errors
/// [`ApiKeyFault::Overlap`].
pub fn check_overlap(overlap: TimeDelta) -> Result<(), ApiKeyFault> {
    if (TimeDelta::zero()..=OVERLAP_MAX).contains(&overlap) {
        Ok(())
    } else {
        Err(ApiKeyFault::Overlap)
    }
}

/// Checks until when a key is to be good that is made at `now`.
///
/// # Errors
/// [`ApiKeyFault::Ended`].
pub fn check_end(expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), ApiKeyFault> {
    if expires_at.is_none_or(|at| now < at) {
        Ok(())
    } else {
        Err(ApiKeyFault::Ended)
    }
}

/// A new key, made at `now`, takes the place of one of `created_at` that is good until `expires_at`: the new one is good for
/// as long as that one was meant to be, and that one for `overlap` yet, or as long as it would have been.
#[must_use]
pub fn rotate(
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    overlap: TimeDelta,
    now: DateTime<Utc>,
) -> Rotation {
    let end = now + overlap;
    Rotation {
        old_until: expires_at.map_or(end, |at| at.min(end)),
        new_until: expires_at.map(|at| now + (at - created_at)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn day(day: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600, 0).unwrap() + TimeDelta::days(day)
    }

    #[test]
    fn the_key_before_never_lasts_longer_than_it_would_have_and_the_new_one_as_long_as_it_was_meant_to() {
        for (expires_at, old_until, new_until) in [
            (None, day(12), None),
            (Some(day(90)), day(12), Some(day(100))),
            (Some(day(11)), day(11), Some(day(21))),
        ] {
            assert_eq!(
                rotate(day(0), expires_at, TimeDelta::days(2), day(10)),
                Rotation { old_until, new_until },
                "{expires_at:?}"
            );
        }
    }

    #[test]
    fn names_overlaps_and_ends_have_limits() {
        for (name, expected) in [
            ("", Err(ApiKeyFault::Name)),
            ("till", Ok(())),
            (&"é".repeat(NAME_CHARACTERS_MAX), Ok(())),
            (&"x".repeat(NAME_CHARACTERS_MAX + 1), Err(ApiKeyFault::Name)),
        ] {
            assert_eq!(check_name(name), expected, "{name}");
        }
        for (days, expected) in [
            (-1, Err(ApiKeyFault::Overlap)),
            (0, Ok(())),
            (30, Ok(())),
            (31, Err(ApiKeyFault::Overlap)),
        ] {
            assert_eq!(check_overlap(TimeDelta::days(days)), expected, "{days}");
        }
        assert_eq!(check_end(None, day(1)), Ok(()));
        assert_eq!(check_end(Some(day(2)), day(1)), Ok(()));
        assert_eq!(check_end(Some(day(1)), day(1)), Err(ApiKeyFault::Ended));
    }
}
