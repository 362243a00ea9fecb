//! What the checker remembers beside the store, to know what must not be.

use crate::rules::Job;
use crate::set::Set;

/// Something that must never happen, seen while it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A finish had an effect although its claim did not have the job any more.
    StaleFinish,
    /// A key that had ended, and was still known, was taken for new.
    EndedCameBack,
    /// A job was handed out after its cancel had been answered.
    CancelledStarted,
    /// A job was charged with a crash although its worker had announced itself all the time.
    LivingWorkerCharged,
    /// A job was not charged although its worker had died with its leases renewed in time.
    DeathNotCharged,
}

/// The checker's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Witness {
    /// Keys whose add was answered.
    pub(crate) answered: Set,
    /// Keys of jobs that ended and were not retried since.
    pub(crate) over: Set,
    /// Jobs that were cancelled: none of them may be handed out.
    pub(crate) forbidden: Set,
    /// Jobs that ended well.
    pub(crate) done: Set,
    /// Jobs that were ever added.
    pub(crate) added: Set,
    /// The store forgot a claim: whoever holds it cannot know.
    pub(crate) failed_over: bool,
    /// The first fault.
    pub(crate) fault: Option<Fault>,
}

impl Witness {
    pub(crate) fn note(&mut self, fault: Fault) {
        self.fault = self.fault.or(Some(fault));
    }

    /// A job is taken for new.
    pub(crate) fn add(&mut self, job: Job) {
        if self.over.has(job) {
            self.note(Fault::EndedCameBack);
        }
        self.added.insert(job);
    }

    pub(crate) fn hand_out(&mut self, job: Job) {
        if self.forbidden.has(job) {
            self.note(Fault::CancelledStarted);
        }
    }

    /// A dead letter lives again because somebody wants it to.
    pub(crate) fn revive(&mut self, job: Job) {
        self.over.remove(job);
        self.forbidden.remove(job);
    }

    /// The key may be used anew.
    pub(crate) fn forget(&mut self, job: Job) {
        self.answered.remove(job);
        self.over.remove(job);
        self.forbidden.remove(job);
        self.done.remove(job);
    }
}
