//! How claims go round the tenants of a lane: where the last one stopped, and how much each tenant gets per visit.
//!
//! This is kept in memory, per process: it costs no write, and a process that starts anew merely starts with another
//! tenant. The share of a visit adapts. When a claim is full and tenants behind it got nothing, shares are small, so that
//! the ring turns fast; when the ring was round and the claim still not full, they double. A lone tenant gets it all.
//!
//! Jobs with a limit key wait apart: by key, and of each key by tenant. A claim that finds such goes round the keys that
//! may be open, and round the tenants of each, and serves them by turns with the tenants whose jobs have no key.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::backend::{BATCH_MAX, CRASHES_MAX};
use crate::job::Queue;

/// The least that a tenant gets per visit, if it has that much: neighbouring rows cost little.
const SHARE_MIN: usize = 8;

/// The least limit keys that a claim looks at: to look is more than half of its work.
const KEYS_MIN: usize = 16;

/// Of so many limit keys at most it is known which tenant was served last.
const SERVED_MAX: usize = 10_000;

/// The lane's number in the tables.
pub(super) fn lane(queue: Queue, crashes: u8) -> i16 {
    queue as i16 + 10 * i16::from(crashes)
}

/// The numbers of a queue's lanes.
pub(super) fn lanes(queue: Queue) -> [i16; CRASHES_MAX as usize] {
    [0, 1, 2].map(|crashes| lane(queue, crashes))
}

/// The numbers of a queue's lanes after this one.
pub(super) fn later_lanes(queue: Queue, crashes: u8) -> Vec<i16> {
    (crashes + 1..CRASHES_MAX).map(|later| lane(queue, later)).collect()
}

/// What the next claim of a lane starts from.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    /// The tenant served last.
    pub(super) cursor: Uuid,
    /// Jobs per tenant and visit.
    pub(super) share: usize,
    /// Runs per tenant and visit that are looked at; each is locked, so no more than fill the share.
    pub(super) runs: usize,
    /// Limit keys may be open that have ready jobs.
    pub(super) keyed: bool,
    /// The limit key looked at last.
    pub(super) key: String,
    /// Limit keys that are looked at by one claim.
    pub(super) keys: usize,
    /// Whether the first limit key goes before the first tenant without one; by turns.
    pub(super) keys_first: bool,
}

impl Default for Ring {
    fn default() -> Self {
        Self {
            cursor: Uuid::nil(),
            share: SHARE_MIN,
            runs: SHARE_MIN,
            keyed: false,
            key: String::new(),
            keys: KEYS_MIN,
            keys_first: false,
        }
    }
}

/// What a claim saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Visit {
    /// The tenant served last, of those without a limit key.
    pub(super) last: Option<Uuid>,
    /// Jobs taken.
    pub(super) taken: usize,
    /// Runs looked at.
    pub(super) runs: usize,
    /// Jobs in these runs.
    pub(super) jobs: usize,
    /// There are tenants with work that this claim did not reach.
    pub(super) unserved: bool,
    /// Limit keys may be open that have ready jobs.
    pub(super) keyed: bool,
    /// The limit key looked at last.
    pub(super) key: Option<String>,
    /// Limit keys of which it took jobs.
    pub(super) keys_served: usize,
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
        let keys = match (visit.keyed, visit.taken >= want) {
            (true, false) => self.keys * 2,
            (true, true) => visit.keys_served * 2,
            (false, _) => self.keys,
        };
        Self {
            cursor: visit.last.unwrap_or(self.cursor),
            share,
            runs,
            keyed: visit.keyed,
            key: visit.key.unwrap_or(self.key),
            keys: keys.clamp(KEYS_MIN, BATCH_MAX),
            keys_first: !self.keys_first,
        }
    }
}

/// The rings of all lanes.
#[derive(Debug, Default)]
pub(super) struct Rings {
    lanes: [[Mutex<Ring>; CRASHES_MAX as usize]; Queue::ALL.len()],
    /// By lane and limit key.
    served: Mutex<HashMap<(i16, String), Uuid>>,
}

impl Rings {
    pub(super) fn get(&self, queue: Queue, lane: u8) -> Ring {
        self.ring(queue, lane).clone()
    }

    pub(super) fn went(&self, queue: Queue, lane: u8, from: Ring, visit: Visit, want: usize) {
        *self.ring(queue, lane) = from.after(visit, want);
    }

    fn ring(&self, queue: Queue, lane: u8) -> MutexGuard<'_, Ring> {
        self.lanes[queue as usize][usize::from(lane.min(CRASHES_MAX - 1))]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The tenant of that limit key that was served last.
    pub(super) fn served(&self, lane: i16, key: &str) -> Uuid {
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        served.get(&(lane, key.to_owned())).copied().unwrap_or_default()
    }

    /// Notes which tenants of a limit key were served, going round from the one who was served last before them.
    pub(super) fn serve(&self, lane: i16, key: &str, tenants: impl Iterator<Item = Uuid>) {
        let before = self.served(lane, key);
        let Some(last) = tenants.max_by_key(|tenant| (*tenant <= before, *tenant)) else {
            return;
        };
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        if served.len() >= SERVED_MAX {
            served.clear();
        }
        served.insert((lane, key.to_owned()), last);
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
            let visit = Visit {
                taken: ring.share,
                runs: 2,
                jobs: 256,
                ..Visit::default()
            };
            ring = ring.after(visit, 250);
            claims += 1;
        }
        assert_eq!((claims, ring.runs), (5, 4));
    }

    #[test]
    fn a_crowd_gets_small_shares() {
        let ring = Ring {
            share: 512,
            runs: 5,
            ..Ring::default()
        };
        let next = ring.after(
            Visit {
                taken: 250,
                runs: 250,
                jobs: 250,
                unserved: true,
                ..Visit::default()
            },
            250,
        );
        assert_eq!((next.share, next.runs), (SHARE_MIN, SHARE_MIN));
    }

    #[test]
    fn a_claim_looks_at_about_as_many_keys_as_it_can_serve() {
        let visit = |taken, keys_served| Visit {
            taken,
            keys_served,
            keyed: true,
            ..Visit::default()
        };
        let ring = Ring::default().after(visit(10, 10), 250).after(visit(30, 30), 250);
        assert_eq!(ring.keys, 64);
        let ring = ring.after(visit(250, 40), 250);
        assert_eq!(ring.keys, 80);
        assert_eq!(ring.after(visit(250, 1), 250).keys, KEYS_MIN);
    }

    #[test]
    fn the_tenant_served_last_is_the_furthest_round_the_circle() {
        let (rings, tenant) = (Rings::default(), Uuid::from_u128);
        let after = |tenants: &[u128]| {
            rings.serve(0, "key", tenants.iter().map(|number| tenant(*number)));
            rings.served(0, "key")
        };
        assert_eq!(after(&[2, 1, 3]), tenant(3));
        assert_eq!(after(&[1, 4]), tenant(1));
        assert_eq!(after(&[]), tenant(1));
        assert_eq!(rings.served(0, "other"), Uuid::nil());
    }
}
