//! What may happen.

use crate::rules::{Answer, Job};
use crate::set::Set;
use crate::worker::Life;
use crate::world::World;

/// What becomes of a call whose caller gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is lost.
    Lost,
    /// It is done, unheard.
    Unheard,
    /// It may still be done, at any time.
    Late,
}

/// One thing that happens. Workers and holds are named by their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A client adds a key, for the first time or again, and is answered. (One that is not answered was promised less.)
    Add(Job),
    /// A worker sends a claim.
    Claim(u8),
    /// A worker sends what has finished.
    Settle(u8),
    /// The store does a worker's call; a claim takes these.
    Execute(u8, Set),
    /// A worker hears the answer.
    Hear(u8),
    /// A worker gives up its call, which is lost (or its answer) or late.
    GiveUp(u8, Fate),
    /// The store does a call that nobody waits for.
    ExecuteLate(usize, Set),
    /// A run ends.
    End(u8, usize, Answer),
    /// A run adds its follow-up job.
    AddFollowUp(u8, usize),
    /// A worker renews its leases, and hears the answer (`None`) or not.
    Renew(u8, Option<Fate>),
    /// A worker learns which of its runs are cancelled, and stops them.
    SeeCancelled(u8),
    /// Somebody's sweep makes a job ready that is due.
    Promote(Job),
    /// Somebody's sweep takes back an ended lease.
    Rescue(usize),
    /// Somebody's worker knows the kind of a parked job.
    Unpark(Job),
    /// A third of a lease passes.
    Tick,
    Freeze(u8),
    Thaw(u8),
    /// A worker dies; its call may go on without it.
    Die(u8, bool),
    Start(u8),
    /// An operator's cancel looks for the job.
    Look(Job),
    /// The cancel reaches for it.
    Reach,
    RetryDead(Job),
    DeleteDead(Job),
    Forget(Job),
    /// The store goes on from a copy that never heard of the last claim.
    FailOver,
}

impl Action {
    /// Whether it happens by itself: nothing goes wrong and nobody wants anything. That a worker comes back counts only if
    /// there is no other.
    pub(crate) fn is_fair(self, world: &World) -> bool {
        match self {
            Self::Claim(_)
            | Self::Settle(_)
            | Self::Execute(..)
            | Self::Hear(_)
            | Self::End(_, _, Answer::Done)
            | Self::AddFollowUp(..)
            | Self::Renew(_, None)
            | Self::SeeCancelled(_)
            | Self::Promote(_)
            | Self::Rescue(_)
            | Self::Unpark(_)
            | Self::Tick
            | Self::Reach => true,
            Self::Thaw(_) | Self::Start(_) => world.workers.iter().all(|worker| worker.life != Life::Awake),
            Self::Add(_)
            | Self::GiveUp(..)
            | Self::ExecuteLate(..)
            | Self::End(..)
            | Self::Renew(..)
            | Self::Freeze(_)
            | Self::Die(..)
            | Self::Look(_)
            | Self::RetryDead(_)
            | Self::DeleteDead(_)
            | Self::Forget(_)
            | Self::FailOver => false,
        }
    }
}
