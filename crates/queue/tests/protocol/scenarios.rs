//! What is searched whole. Each scenario has few sorts of trouble, so that it has all their interleavings.

use crate::promises::{FAILED, NOT_HEARD, POISONED, REFUSED, REVIVED, STOPPED, TOGETHER, TWICE};
use crate::rules::Answer::{Done, Fail, Leave, Park, Refuse, Snooze};
use crate::rules::{Bounds, FOLLOW_UP, Misfortunes, PARENT};

const NONE: Misfortunes = Misfortunes {
    freezes: 0,
    deaths: 0,
    losses: 0,
    fail_overs: 0,
    cancels: 0,
    revivals: 0,
};

const QUIET: Bounds = Bounds {
    keys: &[PARENT],
    follow_up: false,
    answers: &[Done],
    misfortunes: NONE,
    forgets: false,
};

/// Bounds, and what must come about within them.
pub(crate) struct Scenario {
    pub(crate) bounds: Bounds,
    pub(crate) shows: &'static [&'static str],
}

/// A worker freezes and comes back; a call is lost, unheard or late; runs fail.
pub(crate) const FROZEN: Scenario = Scenario {
    bounds: Bounds {
        answers: &[Done, Fail],
        misfortunes: Misfortunes {
            freezes: 1,
            losses: 1,
            ..NONE
        },
        ..QUIET
    },
    shows: &[REFUSED, TWICE, NOT_HEARD, FAILED],
};

/// Two jobs, claimed and settled together or each alone; a worker dies.
pub(crate) const TWO_JOBS: Scenario = Scenario {
    bounds: Bounds {
        keys: &[PARENT, FOLLOW_UP],
        answers: &[Done, Leave],
        misfortunes: Misfortunes { deaths: 1, ..NONE },
        ..QUIET
    },
    shows: &[TOGETHER],
};

/// Workers die again and again.
pub(crate) const DEATHS: Scenario = Scenario {
    bounds: Bounds {
        misfortunes: Misfortunes {
            deaths: 3,
            losses: 1,
            ..NONE
        },
        ..QUIET
    },
    shows: &[NOT_HEARD, POISONED],
};

/// An operator cancels, while runs fail, are put off or released, and a worker dies.
pub(crate) const CANCELS: Scenario = Scenario {
    bounds: Bounds {
        answers: &[Done, Fail, Snooze, Leave],
        misfortunes: Misfortunes {
            deaths: 1,
            cancels: 1,
            ..NONE
        },
        ..QUIET
    },
    shows: &[STOPPED, FAILED],
};

/// An operator cancels, and a worker freezes.
pub(crate) const FROZEN_CANCELS: Scenario = Scenario {
    bounds: Bounds {
        answers: &[Done, Snooze],
        misfortunes: Misfortunes {
            freezes: 1,
            cancels: 1,
            ..NONE
        },
        ..QUIET
    },
    shows: &[REFUSED, STOPPED],
};

/// The first job adds the second, which clients add too; a worker dies.
pub(crate) const FOLLOW_UPS: Scenario = Scenario {
    bounds: Bounds {
        keys: &[PARENT, FOLLOW_UP],
        follow_up: true,
        misfortunes: Misfortunes { deaths: 1, ..NONE },
        ..QUIET
    },
    shows: &[TOGETHER],
};

/// The store goes on from a copy that never heard of the last claim; a worker freezes.
pub(crate) const FAIL_OVERS: Scenario = Scenario {
    bounds: Bounds {
        misfortunes: Misfortunes {
            freezes: 1,
            fail_overs: 1,
            ..NONE
        },
        ..QUIET
    },
    shows: &[REFUSED, TWICE],
};

/// Jobs are parked and die, their letters are retried and deleted, their keys forgotten; a worker freezes.
pub(crate) const LETTERS: Scenario = Scenario {
    bounds: Bounds {
        answers: &[Done, Refuse, Park],
        misfortunes: Misfortunes {
            freezes: 1,
            revivals: 1,
            ..NONE
        },
        forgets: true,
        ..QUIET
    },
    shows: &[REFUSED, REVIVED],
};
