//! A claimed job in this process, from its claim to its settling. Whatever happens to it, it is settled once.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use uuid::Uuid;

use crate::backend::{Claimed, Outcome, Reason, Settle};
use crate::clock::day;
use crate::envelope::Envelope;
use crate::run::Ended;
use crate::slots::Slots;
use crate::starts_at::StartsAt;

/// Why a run is being stopped from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stop {
    /// Its lease is gone; somebody else has, or had, the job. The settle that follows is refused and counted.
    Lost = 1,
    /// An operator cancelled it.
    Cancelled = 2,
    /// The process leaves.
    Leaving = 3,
}

/// How a run ended, on its way to the backend.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) settle: Settle,
    pub(crate) kind: String,
    pub(crate) correlation: Uuid,
}

/// A claimed job in this process.
#[derive(Debug)]
pub struct Held {
    claimed: Claimed,
    finished: AtomicBool,
    stop: AtomicU8,
    abort: OnceLock<AbortHandle>,
    done: mpsc::UnboundedSender<Finished>,
    slots: Arc<Slots>,
    starts_at: StartsAt,
    /// Serialises `stop` against `started`, so that a stop that comes before the task exists is not lost.
    gate: Mutex<()>,
}

impl Held {
    /// A job that was claimed just now.
    pub(crate) fn new(
        claimed: Claimed,
        starts_at: StartsAt,
        done: mpsc::UnboundedSender<Finished>,
        slots: Arc<Slots>,
    ) -> Self {
        Self {
            starts_at,
            claimed,
            finished: AtomicBool::new(false),
            stop: AtomicU8::new(0),
            abort: OnceLock::new(),
            done,
            slots,
            gate: Mutex::new(()),
        }
    }

    /// The job as claimed.
    #[must_use]
    pub fn claimed(&self) -> &Claimed {
        &self.claimed
    }

    /// When it may start.
    pub(crate) const fn starts_at(&self) -> &StartsAt {
        &self.starts_at
    }

    /// Remembers how to stop the task that runs it.
    pub(crate) fn started(&self, abort: AbortHandle) {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if self.stop.load(Ordering::Relaxed) != 0 {
            abort.abort();
        }
        drop(self.abort.set(abort));
    }

    /// Stops the run where it next waits. The first reason given counts.
    pub(crate) fn stop(&self, why: Stop) {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if self.stop.load(Ordering::Relaxed) == 0 {
            self.stop.store(why as u8, Ordering::Relaxed);
        }
        if let Some(abort) = self.abort.get() {
            abort.abort();
        }
    }

    /// What a run that was stopped means.
    pub(crate) fn stopped(&self) -> Outcome {
        if self.stop.load(Ordering::Relaxed) == Stop::Cancelled as u8 {
            Outcome::Dead {
                reason: Reason::Cancelled,
                error: None,
            }
        } else {
            Outcome::Release
        }
    }

    /// Hands the outcome over; only the first call counts.
    pub(crate) fn finish(&self, ended: impl Into<Ended>) {
        if self.finished.swap(true, Ordering::AcqRel) {
            return;
        }
        let claimed = &self.claimed;
        let envelope = Envelope::decode(&claimed.body);
        let kind = envelope.map_or_else(|| "unreadable".to_owned(), |envelope| envelope.kind.to_owned());
        let added_on = envelope.map_or(0, |envelope| day(envelope.created_at));
        let correlation = envelope.map_or(Uuid::nil(), |envelope| envelope.correlation);
        let settle = claimed.ended(added_on, ended);
        // Nobody listens only once the pump is gone; the lease will end by itself then.
        drop(self.done.send(Finished {
            settle,
            kind,
            correlation,
        }));
        self.slots.give_back(1);
    }
}

/// A job that is dropped without an answer (its worker was torn down) is released, not kept until its lease ends.
impl Drop for Held {
    fn drop(&mut self) {
        self.finish(Outcome::Release);
    }
}
