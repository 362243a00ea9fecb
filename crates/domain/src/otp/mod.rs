//! One-time codes: six digits that prove that somebody reads what is sent to a number.
//!
//! A code is computed from a secret key and the id of its challenge ([`Code::derive`]) whenever it is needed: to send it,
//! to send it again, to check what came back. So it lies in no row, no payload and no log, and a second message says
//! the same as the first. The key must stay the same from the first message to the check: with keys that rotate, keep the
//! key's name with the challenge.
//!
//! With five tries ([`TRIES_MAX`]) somebody who guesses has a chance of 1 in 200,000 per challenge; [`limits`] keeps the
//! number of challenges low.

mod code;
mod find;
pub mod limits;

use chrono::{DateTime, TimeDelta, Utc};

pub use code::{Code, CodeError, CodeKey};
pub use limits::{Limit, TooMany};

use crate::ids::ChallengeId;

/// How long a code is good, from when its challenge was made; sending it again does not prolong it.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(5);

/// How many wrong codes a challenge stands.
pub const TRIES_MAX: u8 = 5;

/// What is known of a challenge. The store changes it under a lock, so that tries made at once are all counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// Its id, from which its code follows.
    pub id: ChallengeId,
    /// When it was made.
    pub issued_at: DateTime<Utc>,
    /// How many wrong codes were given.
    pub wrong_tries: u8,
    /// Whether the right one was given.
    pub used: bool,
}

/// What is said about a code that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one. From now on the challenge is used.
    Right,
    /// It is another.
    Wrong {
        /// How many more may be tried.
        tries_left: u8,
    },
    /// Too many were wrong. Nothing was compared.
    Locked,
    /// It comes too late. Nothing was compared.
    Expired,
    /// The right one was given before. Nothing was compared.
    Used,
}

/// Judges a code that was given for a challenge at `now`. The comparison takes the same time for every wrong code.
#[must_use]
pub fn judge(challenge: &Challenge, key: &CodeKey, given: &Code, now: DateTime<Utc>) -> Verdict {
    let tries_left = TRIES_MAX.saturating_sub(challenge.wrong_tries);
    if challenge.used {
        Verdict::Used
    } else if now.signed_duration_since(challenge.issued_at) >= LIFETIME {
        Verdict::Expired
    } else if tries_left == 0 {
        Verdict::Locked
    } else if *given == Code::derive(key, challenge.id) {
        Verdict::Right
    } else {
        Verdict::Wrong {
            tries_left: tries_left - 1,
        }
    }
}

impl Challenge {
    /// A challenge nobody has answered yet.
    #[must_use]
    pub const fn new(id: ChallengeId, issued_at: DateTime<Utc>) -> Self {
        Self {
            id,
            issued_at,
            wrong_tries: 0,
            used: false,
        }
    }

    /// The challenge once this was said about a code.
    #[must_use]
    pub const fn after(mut self, verdict: Verdict) -> Self {
        match verdict {
            Verdict::Right => self.used = true,
            Verdict::Wrong { .. } => self.wrong_tries = self.wrong_tries.saturating_add(1),
            Verdict::Locked | Verdict::Expired | Verdict::Used => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    const ID: ChallengeId = ChallengeId(Uuid::from_u128(7));

    fn key() -> CodeKey {
        CodeKey::new([1; 32])
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn wrong() -> Code {
        let right = Code::derive(&key(), ID);
        ["000000", "000001"]
            .iter()
            .map(|text| Code::read(text).unwrap())
            .find(|code| *code != right)
            .unwrap()
    }

    fn right() -> Code {
        Code::derive(&key(), ID)
    }

    const fn is_wrong(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Wrong { .. })
    }

    #[test]
    fn the_right_code_is_right_once() {
        let fresh = Challenge::new(ID, at(0));
        let verdict = judge(&fresh, &key(), &right(), at(10));
        assert_eq!(verdict, Verdict::Right);
        assert_eq!(judge(&fresh.after(verdict), &key(), &right(), at(11)), Verdict::Used);
        assert_eq!(judge(&fresh.after(verdict), &key(), &wrong(), at(11)), Verdict::Used);
    }

    #[test]
    fn five_wrong_codes_lock_and_then_the_right_one_does_not_help() {
        let mut challenge = Challenge::new(ID, at(0));
        for tries_left in [4, 3, 2, 1, 0] {
            let verdict = judge(&challenge, &key(), &wrong(), at(10));
            assert_eq!(verdict, Verdict::Wrong { tries_left });
            challenge = challenge.after(verdict);
        }
        for code in [wrong(), right()] {
            let verdict = judge(&challenge, &key(), &code, at(10));
            assert_eq!(verdict, Verdict::Locked);
            challenge = challenge.after(verdict);
        }
        assert_eq!(challenge.wrong_tries, TRIES_MAX);
    }

    #[test]
    fn the_fifth_try_may_be_the_right_one() {
        let challenge = Challenge {
            wrong_tries: 4,
            ..Challenge::new(ID, at(0))
        };
        assert_eq!(judge(&challenge, &key(), &right(), at(10)), Verdict::Right);
    }

    #[test]
    fn a_code_is_good_for_five_minutes_and_a_clock_that_is_behind_does_not_matter() {
        let check = |seconds, expected| {
            let challenge = Challenge::new(ID, at(0));
            assert_eq!(judge(&challenge, &key(), &right(), at(seconds)), expected, "{seconds}");
        };
        check(-2, Verdict::Right);
        check(299, Verdict::Right);
        check(300, Verdict::Expired);
        check(86_400, Verdict::Expired);
    }

    #[test]
    fn another_challenges_code_is_wrong() {
        let other = Challenge::new(ChallengeId(Uuid::from_u128(8)), at(0));
        assert_eq!(judge(&other, &key(), &right(), at(0)), Verdict::Wrong { tries_left: 4 });
    }

    proptest! {
        #[test]
        fn whatever_is_tried_a_challenge_is_right_at_most_once_and_compares_at_most_five_wrong_codes(
            tries in prop::collection::vec((any::<bool>(), 0_i64..600), 0..30)
        ) {
            let mut challenge = Challenge::new(ID, at(0));
            let mut said = Vec::new();
            for (correct, seconds) in tries {
                let given = if correct { right() } else { wrong() };
                let verdict = judge(&challenge, &key(), &given, at(seconds));
                prop_assert!(correct || verdict != Verdict::Right);
                let compared = verdict == Verdict::Right || is_wrong(&verdict);
                prop_assert!(seconds < 300 || !compared);
                challenge = challenge.after(verdict);
                said.push(verdict);
            }
            prop_assert!(said.iter().filter(|verdict| **verdict == Verdict::Right).count() <= 1);
            prop_assert!(said.iter().filter(|verdict| is_wrong(verdict)).count() <= usize::from(TRIES_MAX));
        }
    }
}
