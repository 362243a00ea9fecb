//! What limit keys allow.

use std::collections::BTreeSet;

use queue::backend::State;
use queue::flow::{Gcra, Missed};
use queue::{Key, Limit, LimitState, Millis, Queue};

use super::Model;

/// What is kept about a limit key.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gate {
    pub(super) limit: Limit,
    pub(super) arrival_us: i64,
    pub(super) cooled_until: Millis,
}

impl Gate {
    pub(super) fn gcra(&self) -> Option<Gcra> {
        self.limit.rate.map(Gcra::from)
    }

    /// How many may start, if `running` do.
    fn allows(&self, running: usize, now: Millis) -> usize {
        let room = self
            .limit
            .concurrency
            .map_or(usize::MAX, |most| (most as usize).saturating_sub(running));
        let rate = self.gcra().map_or(u64::MAX, |gcra| gcra.allows(self.arrival_us, now));
        let cooled = self.cooled_until > now;
        if cooled {
            0
        } else {
            room.min(usize::try_from(rate).unwrap_or(usize::MAX))
        }
    }

    /// Until when it is closed whatever ends.
    fn opens_at(&self, now: Millis) -> Option<Millis> {
        let rate = self.rate_opens_at(now);
        let cooled = Some(self.cooled_until).filter(|until| *until > now);
        rate.max(cooled)
    }

    fn rate_opens_at(&self, now: Millis) -> Option<Millis> {
        let gcra = self.gcra().filter(|gcra| gcra.allows(self.arrival_us, now) == 0)?;
        Some(gcra.opens_at(self.arrival_us))
    }
}

impl Model {
    /// How many jobs of a limit key may start now.
    pub(crate) fn allows(&self, queue: Queue, key: &Key, now: Millis) -> usize {
        let running = self.running(queue, key);
        self.gates
            .get(&(queue, key.clone()))
            .map_or(usize::MAX, |gate| gate.allows(running, now))
    }

    /// How many more may run of a limit key that has a concurrency.
    pub(crate) fn room(&self, queue: Queue, key: &Key) -> Option<usize> {
        let most = self.gates.get(&(queue, key.clone()))?.limit.concurrency?;
        Some((most as usize).saturating_sub(self.running(queue, key)))
    }

    /// When the first closed key with ready jobs opens by itself.
    pub(crate) fn opens_at(&self, queue: Queue, now: Millis) -> Option<Millis> {
        let waits = |key: &Key| {
            let mut jobs = self.jobs.values();
            jobs.any(|entry| {
                entry.state == State::Ready && entry.queue == queue && entry.keys.limit.as_ref() == Some(key)
            })
        };
        let closed = self.gates.iter().filter(|((of, key), _)| *of == queue && waits(key));
        closed.filter_map(|(_, gate)| gate.opens_at(now)).min()
    }

    fn running(&self, queue: Queue, key: &Key) -> usize {
        let mut running = 0;
        for entry in self
            .jobs
            .values()
            .filter(|entry| entry.queue == queue && entry.claim().is_some())
        {
            running += usize::from(entry.keys.limit.as_ref() == Some(key));
        }
        running
    }

    pub(crate) fn set_limit(&mut self, queue: Queue, key: &Key, limit: Option<Limit>, now: Millis) {
        let place = (queue, key.clone());
        let Some(limit) = limit else {
            self.gates.remove(&place);
            return;
        };
        let gate = self.gates.entry(place).or_default();
        gate.limit = limit;
        match gate.gcra() {
            Some(gcra) => gate.arrival_us = gcra.instead(gate.arrival_us, now),
            None => gate.arrival_us = 0,
        }
    }

    pub(crate) fn reserve_again(&mut self, queue: Queue, key: &Key, missed: Missed) -> Millis {
        let Some(gate) = self.gates.get_mut(&(queue, key.clone())) else {
            return missed.now;
        };
        let missed = missed.cooled(gate.cooled_until);
        let Some(gcra) = gate.gcra() else { return missed.now };
        let (instead, arrival_us) = gcra.again(gate.arrival_us, missed);
        gate.arrival_us = arrival_us.unwrap_or(gate.arrival_us);
        instead
    }

    pub(crate) fn limits(&self, queue: Queue, now: Millis) -> Vec<LimitState> {
        let used = self
            .jobs
            .values()
            .filter(|entry| entry.queue == queue && entry.claim().is_some());
        let mut keys: BTreeSet<Key> = used.filter_map(|entry| entry.keys.limit.clone()).collect();
        let set = |gate: &Gate| gate.limit != Limit::default() || gate.cooled_until > now;
        let known = self.gates.iter().filter(|((of, _), gate)| *of == queue && set(gate));
        keys.extend(known.map(|((_, key), _)| key.clone()));
        let state = |key: Key| {
            let gate = self.gates.get(&(queue, key.clone())).copied().unwrap_or_default();
            LimitState {
                limit: gate.limit,
                running: self.running(queue, &key) as u64,
                rate_opens_at: gate.rate_opens_at(now),
                cooled_until: Some(gate.cooled_until).filter(|until| *until > now),
                key,
            }
        };
        keys.into_iter().map(state).collect()
    }
}
