//! A few jobs.

use std::fmt;

use crate::rules::{JOBS, Job};

/// A set of jobs.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Set(u8);

impl Set {
    /// All sets of jobs.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..1 << JOBS).map(Self)
    }

    pub(crate) fn has(self, job: Job) -> bool {
        self.0 & (1 << job) != 0
    }

    pub(crate) fn has_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn insert(&mut self, job: Job) {
        self.0 |= 1 << job;
    }

    pub(crate) fn remove(&mut self, job: Job) -> bool {
        let had = self.has(job);
        self.0 &= !(1 << job);
        had
    }

    pub(crate) fn jobs(self) -> impl Iterator<Item = Job> + Clone {
        (0..JOBS as Job).filter(move |job| self.has(*job))
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.jobs()).finish()
    }
}
