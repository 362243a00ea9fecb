//! Bulk actions on dead letters: what one does next.
//!
//! ```text
//!            ┌──────────────── resumed ────────────────┐
//!            ▼                                         │
//! asked ─▶ running ─ k were retried ─▶ watching_canary │     running, watching_canary, watching
//!            ▲  │                        │    │        │         │                    │
//!            │  │      all have ended ───┘    └─ one died again   └─ paused ─▶ PAUSED  └─ cancelled ─▶ CANCELLED
//!            └──┼──────── well                └─▶ STOPPED
//!               └─ none is left to act on ─▶ watching ─ all have ended ─▶ DONE
//! ```

stored! {
    /// What is done with each letter.
    BulkAct {
        /// It runs again, with all its attempts.
        Retry = "retry",
        /// It is removed for good.
        Delete = "delete",
    }
}

stored! {
    /// How far a bulk action is.
    BulkState {
        /// Letters are being acted on.
        Running = "running",
        /// The first ones were retried, and it waits for what becomes of them.
        WatchingCanary = "watching_canary",
        /// All were retried, and it waits for the last ones to end.
        Watching = "watching",
        /// Somebody stopped it for a while.
        Paused = "paused",
        /// Somebody ended it.
        Cancelled = "cancelled",
        /// One of the first ones failed.
        Stopped = "stopped",
        /// Nothing is left to do.
        Done = "done",
    }
}

impl BulkState {
    /// Nothing of it happens any more.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Cancelled | Self::Stopped | Self::Done)
    }

    /// It goes on by itself.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Running | Self::WatchingCanary | Self::Watching)
    }
}

/// The most letters that are acted on at once.
pub const LETTERS_AT_ONCE: u32 = 100;

/// So many retried letters may be ready or running at a time: whatever is new never waits behind more of them.
pub const READY_MAX: u64 = 1000;

/// Letters acted on in a second, if nobody says otherwise.
pub const RATE_USUAL: u32 = 500;

/// Letters acted on in a second at most: with more, [`READY_MAX`] would be reached all the time.
pub const RATE_MAX: u32 = 1000;

/// A bulk action as it stands. All letters that were taken up have been acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkProgress {
    /// How many are to go first.
    pub canary: Option<u32>,
    /// Those have ended well.
    pub canary_passed: bool,
    /// Letters acted on per second.
    pub rate: u32,
    /// No letter is left to take up.
    pub exhausted: bool,
    /// Letters that were acted on.
    pub done: u64,
    /// Letters that could not be, or died again.
    pub failed: u64,
    /// Letters that were retried and not seen to end yet.
    pub open: u64,
    /// How many of these were ready or running when they were last looked at.
    pub ready: u64,
}

/// What a bulk action does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkNext {
    /// Take up letters, at most so many, and act on them.
    TakeUp(u32),
    /// Look at those that were retried, later.
    Wait(BulkState),
    /// Go on with all: the first ones have ended well.
    PassCanary,
    /// Nothing more.
    End(BulkState),
}

impl BulkProgress {
    /// What comes next.
    #[must_use]
    pub fn next(self) -> BulkNext {
        // A slow one acts on few at a time, and so evenly.
        let at_once = self.rate.clamp(1, LETTERS_AT_ONCE);
        if let Some(canary) = self.canary.filter(|_| !self.canary_passed) {
            let left = u64::from(canary).saturating_sub(self.done);
            return match (self.failed, self.open) {
                (0, _) if left > 0 && !self.exhausted => {
                    BulkNext::TakeUp(at_once.min(u32::try_from(left).unwrap_or(u32::MAX)))
                }
                (_, 1..) => BulkNext::Wait(BulkState::WatchingCanary),
                (0, _) => BulkNext::PassCanary,
                _ => BulkNext::End(BulkState::Stopped),
            };
        }
        match (self.exhausted, self.open) {
            (false, _) if self.ready < READY_MAX => BulkNext::TakeUp(at_once),
            (false, _) => BulkNext::Wait(BulkState::Running),
            (true, 1..) => BulkNext::Wait(BulkState::Watching),
            (true, 0) => BulkNext::End(BulkState::Done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGUN: BulkProgress = BulkProgress {
        canary: None,
        canary_passed: false,
        rate: RATE_USUAL,
        exhausted: false,
        done: 0,
        failed: 0,
        open: 0,
        ready: 0,
    };

    const CANARY: BulkProgress = BulkProgress {
        canary: Some(150),
        ..BEGUN
    };

    #[test]
    fn all_letters_are_taken_up_and_watched_to_their_end() {
        assert_eq!(BEGUN.next(), BulkNext::TakeUp(LETTERS_AT_ONCE));
        let failing = BulkProgress { failed: 7, ..BEGUN };
        assert_eq!(failing.next(), BulkNext::TakeUp(LETTERS_AT_ONCE));
        let slow = BulkProgress { rate: 3, ..BEGUN };
        assert_eq!(slow.next(), BulkNext::TakeUp(3));
        let exhausted = BulkProgress {
            exhausted: true,
            ..BEGUN
        };
        let watching = BulkProgress { open: 1, ..exhausted };
        assert_eq!(watching.next(), BulkNext::Wait(BulkState::Watching));
        assert_eq!(exhausted.next(), BulkNext::End(BulkState::Done));
    }

    #[test]
    fn a_crowd_of_retried_letters_is_waited_for() {
        let crowded = BulkProgress {
            open: READY_MAX,
            ready: READY_MAX,
            ..BEGUN
        };
        assert_eq!(crowded.next(), BulkNext::Wait(BulkState::Running));
        let scheduled = BulkProgress {
            ready: READY_MAX - 1,
            open: 1_000_000,
            ..BEGUN
        };
        assert_eq!(scheduled.next(), BulkNext::TakeUp(LETTERS_AT_ONCE));
    }

    #[test]
    fn a_canary_of_k_is_k_letters_and_all_of_them_end_before_the_next() {
        assert_eq!(CANARY.next(), BulkNext::TakeUp(100));
        let done = |done, open| BulkProgress { done, open, ..CANARY };
        assert_eq!(done(100, 3).next(), BulkNext::TakeUp(50));
        assert_eq!(done(150, 1).next(), BulkNext::Wait(BulkState::WatchingCanary));
        assert_eq!(done(150, 0).next(), BulkNext::PassCanary);
        let passed = BulkProgress {
            canary_passed: true,
            ..done(150, 0)
        };
        assert_eq!(passed.next(), BulkNext::TakeUp(100));
        let fewer = BulkProgress {
            exhausted: true,
            ..done(20, 0)
        };
        assert_eq!(fewer.next(), BulkNext::PassCanary);
    }

    #[test]
    fn a_canary_that_fails_stops_when_its_last_letter_has_ended() {
        let failed = |done, open| BulkProgress {
            done,
            open,
            failed: 1,
            ..CANARY
        };
        assert_eq!(
            failed(100, 2).next(),
            BulkNext::Wait(BulkState::WatchingCanary),
            "no further one is taken up"
        );
        assert_eq!(failed(150, 0).next(), BulkNext::End(BulkState::Stopped));
        let later = BulkProgress {
            canary_passed: true,
            ..failed(400, 0)
        };
        assert_eq!(later.next(), BulkNext::TakeUp(100), "what fails later stops nothing");
    }

    #[test]
    fn stored_words_are_what_they_always_were() {
        let words: Vec<_> = BulkState::ALL.iter().map(|state| state.as_str()).collect();
        assert_eq!(
            words,
            [
                "running",
                "watching_canary",
                "watching",
                "paused",
                "cancelled",
                "stopped",
                "done"
            ]
        );
        let acts: Vec<_> = BulkAct::ALL.iter().map(|act| act.as_str()).collect();
        assert_eq!(acts, ["retry", "delete"]);
    }
}
