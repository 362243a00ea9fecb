//! How claims go round the tenants of a lane: where the last one stopped, and how much each tenant gets per visit.
//!
//! This is kept in memory, per process: it costs no write, and a process that starts anew merely starts with another
//! tenant. The share of a visit adapts. When a claim is full and tenants behind it got nothing, shares are small, so that
//! the ring turns fast; when the ring was round and the claim still not full, they double. A lone tenant gets it all.

use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::backend::{BATCH_MAX, CRASHES_MAX};
use crate::job::Queue;

/// The least that a tenant gets per visit, if it has that much: neighbouring rows cost little.
const SHARE_MIN: usize = 8;

/// The lane's number in the tables.
pub(super) fn lane(queue: Queue, crashes: u8) -> i16 {
    queue as i16 + 10 * i16::from(crashes)
}

/// The numbers of a queue's lanes.
pub(super) fn lanes(queue: Queue) -> Vec<i16> {
    (0..CRASHES_MAX).map(|crashes| lane(queue, crashes)).collect()
}

/// What the next claim of a lane starts from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ring {
    /// The tenant served last.
    pub(super) cursor: Uuid,
    /// Jobs per tenant and visit.
    pub(super) share: usize,
    /// Runs per tenant and visit that are looked at; each is locked, so no more than fill the share.
    pub(super) runs: usize,
}

impl Default for Ring {
    fn default() -> Self {
        Self {
            cursor: Uuid::nil(),
            share: SHARE_MIN,
            runs: SHARE_MIN,
        }
    }
}

/// What a claim saw.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Visit {
    /// The tenant served last.
    pub(super) last: Option<Uuid>,
    /// Jobs taken.
    pub(super) taken: usize,
    /// Runs looked at.
    pub(super) runs: usize,
    /// Jobs in these runs.
    pub(super) jobs: usize,
    /// There are tenants with work that this claim did not reach.
    pub(super) unserved: bool,
}

impl Ring {
    /// What the claim after this one starts from.
    fn after(self, visit: Visit, want: usize) -> Self {
        let share = match (visit.taken >= want, visit.unserved) {
            (true, true) => SHARE_MIN,
            (false, false) => (self.share * 2).min(BATCH_MAX),
            _ => self.share,
        };
        let length = (visit.jobs / visit.runs.max(1)).max(1);
        let runs = match (visit.runs, length) {
            (0, _) => self.runs,
            (_, 1) => share.min(want),
            // The first may be what an earlier claim left of it, and the last of an add is shorter.
            _ => share.min(want).div_ceil(length) + 2,
        };
        Self {
            cursor: visit.last.unwrap_or(self.cursor),
            share,
            runs,
        }
    }
}

/// The rings of all lanes.
#[derive(Debug, Default)]
pub(super) struct Rings([[Mutex<Ring>; CRASHES_MAX as usize]; Queue::ALL.len()]);

impl Rings {
    pub(super) fn get(&self, queue: Queue, lane: u8) -> Ring {
        *self.ring(queue, lane).lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn went(&self, queue: Queue, lane: u8, from: Ring, visit: Visit, want: usize) {
        *self.ring(queue, lane).lock().unwrap_or_else(PoisonError::into_inner) = from.after(visit, want);
    }

    fn ring(&self, queue: Queue, lane: u8) -> &Mutex<Ring> {
        &self.0[queue as usize][usize::from(lane.min(CRASHES_MAX - 1))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_tenant_soon_gets_whole_batches() {
        let mut ring = Ring::default();
        let mut claims = 0;
        while ring.share < 250 {
            ring = ring.after(
                Visit {
                    taken: ring.share,
                    runs: 2,
                    jobs: 256,
                    ..Visit::default()
                },
                250,
            );
            claims += 1;
        }
        assert_eq!((claims, ring.runs), (5, 4));
    }

    #[test]
    fn a_crowd_gets_small_shares() {
        let ring = Ring {
            cursor: Uuid::nil(),
            share: 512,
            runs: 5,
        };
        let next = ring.after(
            Visit {
                taken: 250,
                runs: 250,
                jobs: 250,
                unserved: true,
                last: None,
            },
            250,
        );
        assert_eq!((next.share, next.runs), (SHARE_MIN, SHARE_MIN));
    }
}
