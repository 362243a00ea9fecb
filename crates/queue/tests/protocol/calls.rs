//! What travels between a worker process and the store.

use crate::rules::Job;
use crate::set::Set;

/// What a claim proves itself with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket {
    /// The claim's number, as the protocol knows it.
    pub(crate) claim: u8,
    /// Which claim it really was. The protocol never reads it: it tells the checker when a number was issued twice.
    pub(crate) serial: u8,
}

/// How a run ended; `Outcome` in `backend.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Done,
    /// With `failed`, one attempt more is used up.
    Later {
        failed: bool,
    },
    Dead {
        reason: Reason,
        failed: bool,
    },
    Park,
    Release,
}

/// Why a job is dead; those of `Reason` in `backend.rs` that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Reason {
    Attempts,
    Refused,
    Poison,
    Cancelled,
}

/// The end of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ending {
    pub(crate) job: Job,
    pub(crate) ticket: Ticket,
    pub(crate) outcome: Outcome,
}

/// What a worker asks of the store. Ends of leases travel as what is left until then, so they shrink on the way.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Call {
    Claim {
        left: u8,
    },
    Settle {
        endings: Vec<Ending>,
    },
    /// An answer that looked whether the claims are held and does not look again
    /// ([`SettleLooksThenActs`](crate::rules::Flaw::SettleLooksThenActs)).
    SettleLooked {
        endings: Vec<(Ending, bool)>,
    },
    Renew {
        claims: Vec<Ticket>,
        left: u8,
    },
}

/// What the store answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Reply {
    Claimed {
        ticket: Ticket,
        /// The jobs, with the attempts used up.
        jobs: Vec<(Job, u8)>,
        /// What the worker may believe to be left of the lease.
        left: u8,
    },
    Settled {
        /// Each with whether its claim was held.
        endings: Vec<(Ending, bool)>,
    },
}

/// Whose a claim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Session {
    /// The worker process that has this place now.
    Of(u8),
    /// One that died, which is believed to live for so long.
    Gone { announced: u8 },
}

/// A call that its caller has given up, or died over, and that the store may still get.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Late {
    pub(crate) from: Session,
    pub(crate) call: Call,
}

/// A claim's jobs, and what its lease still has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Lease {
    pub(crate) ticket: Ticket,
    pub(crate) session: Session,
    /// 0 = it has ended, but counts until somebody takes its jobs back.
    pub(crate) left: u8,
    pub(crate) jobs: Set,
    /// For the checker: its worker has died or frozen under it.
    pub(crate) forsaken: bool,
    /// For the checker: its worker died under it, and had renewed it in time.
    pub(crate) mourned: bool,
}
