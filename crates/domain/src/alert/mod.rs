//! When operators are told that something goes wrong, and that it is over.
//!
//! ```text
//! quiet ──wrong──▶ suspected ──wrong for HOLD──▶ firing ──well──▶ recovering ──well for HOLD──▶ quiet
//!   ▲                 │           (fired)          ▲                  │          (recovered)
//!   └──────well───────┘                            └──────wrong───────┘
//! ```
//!
//! A rule is about a change and not about a level: what fires is told once, however long it lasts, and its end is told once.
//! What comes and goes within [`hold`](AlertRule::hold) is told of nobody. The rules are pure: [`Readings`] are what was found
//! now, [`Watch`] is what is remembered from one look to the next.

mod growth;
mod reading;
mod waits;
mod watch;

use chrono::TimeDelta;

pub use growth::Growth;
pub use reading::{QueueReading, Reading, Readings, Thresholds, Verdict};
pub use waits::{MARKS_MAX, Waits};
pub use watch::{AlertNews, Watch};

stored! {
    /// What may go wrong.
    AlertRule {
        /// A queue has work, and nobody serves it.
        NoWorker = "no_worker",
        /// A job of a queue may start and has not been for long.
        OldestReady = "oldest_ready",
        /// Of a queue more and more jobs die.
        DeadLettersGrowing = "dead_letters_growing",
        /// An endpoint is posted much whose signature is not good.
        SignatureFailures = "signature_failures",
        /// An account at a provider keeps failing and is left alone.
        CircuitOpen = "circuit_open",
    }
}

stored! {
    /// What there is to tell.
    AlertChange {
        /// It goes wrong.
        Fired = "fired",
        /// It is over.
        Recovered = "recovered",
    }
}

impl AlertRule {
    /// For how long something must be wrong before it fires, and well before it has recovered. Longest where a deployment
    /// looks the same: old workers are gone, and the new ones are starting.
    #[must_use]
    pub const fn hold(self) -> TimeDelta {
        match self {
            Self::NoWorker => TimeDelta::seconds(60),
            Self::OldestReady | Self::DeadLettersGrowing | Self::SignatureFailures | Self::CircuitOpen => {
                TimeDelta::seconds(30)
            }
        }
    }
}

/// Over how long dead letters, and signatures that are not good, are counted.
pub const WINDOW: TimeDelta = TimeDelta::minutes(10);
