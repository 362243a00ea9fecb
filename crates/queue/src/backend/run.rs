//! Jobs under leases: how they are claimed, and how their runs end.

use uuid::Uuid;

use super::Excerpt;
use crate::clock::Millis;
use crate::envelope;
use crate::flow::Keys;
use crate::job::{JobId, Queue};
use crate::run::Ended;

/// Asks for jobs.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// Of which queue.
    pub queue: Queue,
    /// Of which lane: the number of crashes, `0..CRASHES_MAX`.
    pub lane: u8,
    /// At most this many, up to [`BATCH_MAX`](super::BATCH_MAX).
    pub want: usize,
    /// The claiming worker process.
    pub session: Uuid,
    /// When the lease ends.
    pub until: Millis,
    /// The time now; what is due by then may be promoted on the way.
    pub now: Millis,
}

/// A job under a lease.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Its id.
    pub id: JobId,
    /// Its queue.
    pub queue: Queue,
    /// Its tenant.
    pub tenant: Uuid,
    /// The lane it was claimed from, which is the number of its crashes.
    pub crashes: u8,
    /// Attempts used up before this run.
    pub attempts: u16,
    /// Its start is reserved for then, by the rate of its limit key: it must not start before. 0 = there is no rate.
    pub starts_at: Millis,
    /// What to show when it is settled.
    pub ticket: Ticket,
    /// What else held it back; they have to be let go when it is settled.
    pub keys: Keys,
    /// The encoded envelope.
    pub body: Vec<u8>,
}

impl Claimed {
    /// How its run ended. `added_on` is the day of its envelope.
    #[must_use]
    pub fn ended(&self, added_on: i32, ended: impl Into<Ended>) -> Settle {
        let Ended { outcome, excerpt } = ended.into();
        Settle {
            id: self.id,
            tenant: self.tenant,
            crashes: self.crashes,
            attempts: self.attempts,
            ticket: self.ticket,
            keys: self.keys.clone(),
            added_on,
            kind: match outcome {
                Outcome::Done => Box::default(),
                _ => envelope::kind_of(&self.body).into(),
            },
            outcome,
            excerpt,
        }
    }
}

/// Proof of a claim. Worth nothing once the lease is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The claim's number.
    pub claim: i64,
    /// Where the backend keeps the job; unused on Redis.
    pub seq: i64,
}

/// The answer to a claim.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// The jobs, all under the same claim number; maybe none.
    pub jobs: Vec<Claimed>,
    /// More may be ready in this lane: claim again without waiting for a wake-up.
    pub more: bool,
    /// When the next closed limit key of the queue opens by itself, if jobs wait for it: claim again then. Nobody is woken
    /// for it.
    pub opens_at: Option<Millis>,
}

/// How one run ended.
#[derive(Clone, Debug)]
pub struct Settle {
    /// The job.
    pub id: JobId,
    /// Its tenant, as claimed.
    pub tenant: Uuid,
    /// Its crashes, as claimed.
    pub crashes: u8,
    /// Its attempts used up before this run, as claimed.
    pub attempts: u16,
    /// The proof.
    pub ticket: Ticket,
    /// Its keys, as claimed.
    pub keys: Keys,
    /// The day on which the job was added; a key that ends on a later day must be remembered from then.
    pub added_on: i32,
    /// The kind that its envelope names, for what may become a dead letter; empty if it is done, or names none.
    pub kind: Box<str>,
    /// How it ended.
    pub outcome: Outcome,
    /// The call that went wrong; kept beside the outcome's error, if it has one.
    pub excerpt: Option<Excerpt>,
}

/// The ways a run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The work is done.
    Done,
    /// Run it again at `run_at`. With an error: one attempt more is used up, and the error is kept as that attempt's.
    Later {
        /// When.
        run_at: Millis,
        /// What went wrong, if this run counts as an attempt.
        error: Option<String>,
        /// The whole limit key of the job, if it has one, is closed until `run_at` too.
        cool: bool,
    },
    /// Never run it again by itself. With an error, one attempt more is used up.
    Dead {
        /// Why.
        reason: Reason,
        /// What went wrong in this run.
        error: Option<String>,
    },
    /// Keep it aside until [`Backend::unpark`] names the gate; costs nothing.
    Park {
        /// What it waits for, for example `kind:send_otp`.
        gate: String,
    },
    /// This worker leaves; anybody may run it at once. Costs nothing.
    Release,
}

/// Why a job is dead. A closed list; the names are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Every attempt failed.
    Attempts,
    /// The handler said that waiting will not help.
    Refused,
    /// Not started before its expiry.
    Expired,
    /// The payload cannot be opened or parsed.
    Unreadable,
    /// Workers died under it [`CRASHES_MAX`](super::CRASHES_MAX) times.
    Poison,
    /// Somebody cancelled it while it ran.
    Cancelled,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 6] = [
        Self::Attempts,
        Self::Refused,
        Self::Expired,
        Self::Unreadable,
        Self::Poison,
        Self::Cancelled,
    ];

    /// The stored name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Unreadable => "unreadable",
            Self::Poison => "poison",
            Self::Cancelled => "cancelled",
        }
    }

    /// The reason stored under that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}
