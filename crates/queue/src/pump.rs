//! Keeps the jobs of one queue flowing through one worker process: claim, hand out, collect, settle, renew.
//!
//! ```text
//!            claim                  hand out                    finish
//!  backend ─────────▶ step loop ──────────────▶ (apalis runs) ──────────▶ step loop ── settle, claim ──▶ backend
//! ```
//! Each *step loop* repeats one call: settle all that has finished meanwhile, claim as many as there are free slots.
//! While the call is under way, finished runs collect for the next. A job is settled by the loop that claimed it, one
//! call at a time, so that the call that names a claim as finished cannot overtake one that still settles its jobs.
//!
//! The *keeper* beside the loops sweeps (due jobs, ended leases), renews leases at a third of their length, passes
//! cancellations on, and hands counters over.
//!
//! **When the process dies** anywhere in here, its leases end and another process's keeper takes the jobs back.
//! **When the backend is away**, loops keep what has finished and try again; a lease that ended meanwhile without being
//! taken back still counts. **When a lease is lost**, its runs are stopped, and their settles are refused and counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use uuid::Uuid;

use crate::backend::{BATCH_MAX, Backend, CRASHES_MAX, LANE_SLOTS};
use crate::clock::{Clock, Millis, millis};
use crate::health::{Health, Pulse};
use crate::held::{Held, Stop};
use crate::job::{JobId, Queue};
use crate::keeper;
use crate::slots::Slots;
use crate::stepper::StepLoop;
use crate::tally::Tally;

/// So long after a sweep a ring in vain brings another at the earliest.
const SWEEP_AGAIN_AFTER_MS: Millis = 200;

/// What a pump is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Claim and settle.
    Flow,
    /// Claim nothing more; settle what runs.
    Quiet,
    /// As quiet, and end when nothing is left.
    End,
}

/// How a pump is set up.
#[derive(Clone, Debug)]
pub struct PumpSettings {
    /// The queue it serves.
    pub queue: Queue,
    /// How many jobs it runs at once.
    pub concurrency: usize,
    /// How long a claim lasts without being renewed.
    pub lease: Duration,
    /// The worker process.
    pub session: Uuid,
}

/// A claim of which this process has jobs left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding {
    pub(crate) left: usize,
    pub(crate) until: Millis,
}

/// What the loops and the keeper of one queue share.
pub(crate) struct Shared {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) clock: Clock,
    pub(crate) settings: PumpSettings,
    pub(crate) lanes: [Arc<Slots>; CRASHES_MAX as usize],
    pub(crate) wakes: [Arc<Notify>; CRASHES_MAX as usize],
    /// Of each lane: the opening of limit keys that a loop came for last.
    pub(crate) openings: [AtomicI64; CRASHES_MAX as usize],
    pub(crate) out: mpsc::UnboundedSender<Arc<Held>>,
    pub(crate) tally: Tally,
    /// When the keeper should sweep next because a job of this process is due then.
    pub(crate) due: AtomicI64,
    pub(crate) due_moved: Notify,
    /// When it swept last.
    pub(crate) swept: AtomicI64,
    pub(crate) pulse: Pulse,
    /// By job and claim: the same job may be here twice, lost under one claim and claimed again under another.
    running: Mutex<HashMap<(JobId, i64), Weak<Held>>>,
    holdings: Mutex<HashMap<i64, Holding>>,
}

impl Shared {
    pub(crate) fn running(&self) -> MutexGuard<'_, HashMap<(JobId, i64), Weak<Held>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn holdings(&self) -> MutexGuard<'_, HashMap<i64, Holding>> {
        self.holdings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When a lease ends that is taken or renewed now.
    pub(crate) fn until(&self) -> Millis {
        self.clock.now() + millis(keeper::taken(self.settings.lease))
    }

    /// Whether a lease that ends at `until` is too short to begin anything under it: it may end before it is renewed.
    pub(crate) fn is_over(&self, until: Millis, now: Millis) -> bool {
        until - now < millis(self.settings.lease / 10)
    }

    /// Tells the keeper that a job is due at `at`.
    pub(crate) fn due_at(&self, at: Millis) {
        if self.due.fetch_min(at, Ordering::Relaxed) > at {
            self.due_moved.notify_one();
        }
    }

    /// Tells the keeper that somebody rang and nothing was ready: it may have been about a job that is due later.
    pub(crate) fn rung_in_vain(&self) {
        let at = self.swept.load(Ordering::Relaxed) + SWEEP_AGAIN_AFTER_MS;
        self.due_at(at.max(self.clock.now()));
    }

    fn stop_running(&self, why: Stop) -> usize {
        let running: Vec<_> = self.running().values().filter_map(Weak::upgrade).collect();
        running.iter().for_each(|held| held.stop(why));
        running.len()
    }
}

/// The flow of one queue through this process.
pub struct Pump {
    shared: Arc<Shared>,
    mode: watch::Sender<Mode>,
    loops: Vec<JoinHandle<()>>,
    keeper: JoinHandle<()>,
}

impl Pump {
    /// Starts the flow. Claimed jobs come out of the receiver; dropping one releases its job.
    pub fn start(
        backend: Arc<dyn Backend>,
        clock: Clock,
        settings: PumpSettings,
    ) -> (Self, mpsc::UnboundedReceiver<Arc<Held>>) {
        let (out, claimed) = mpsc::unbounded_channel();
        let lane = |lane: usize| Arc::new(Slots::new(LANE_SLOTS[lane].min(settings.concurrency)));
        let wake = backend.wakes(settings.queue);
        let flights = backend.flights().steps.clamp(1, settings.concurrency.max(1));
        let shared = Arc::new(Shared {
            lanes: [lane(0), lane(1), lane(2)],
            wakes: [wake, Arc::default(), Arc::default()],
            openings: Default::default(),
            out,
            tally: Tally::default(),
            due: AtomicI64::new(Millis::MAX),
            due_moved: Notify::new(),
            swept: AtomicI64::new(0),
            pulse: Pulse::new(clock.now()),
            running: Mutex::default(),
            holdings: Mutex::default(),
            backend,
            clock,
            settings,
        });
        let (mode, watched) = watch::channel(Mode::Flow);
        let share = shared.settings.concurrency.div_ceil(flights).min(BATCH_MAX);
        let ordinary = std::iter::repeat_n((0, share), flights);
        let suspects = (1..CRASHES_MAX).map(|lane| (lane, LANE_SLOTS[usize::from(lane)]));
        let loops = ordinary
            .chain(suspects)
            .map(|(lane, share)| tokio::spawn(StepLoop::new(Arc::clone(&shared), lane, share, watched.clone()).run()))
            .collect();
        let keeper = tokio::spawn(keeper::keep(Arc::clone(&shared), watched));
        (
            Self {
                shared,
                mode,
                loops,
                keeper,
            },
            claimed,
        )
    }

    /// A handle on it that others may keep.
    #[must_use]
    pub fn switch(&self) -> Switch {
        Switch {
            queue: self.shared.settings.queue,
            shared: Arc::downgrade(&self.shared),
            mode: self.mode.clone(),
            tasks: self
                .loops
                .iter()
                .chain([&self.keeper])
                .map(JoinHandle::abort_handle)
                .collect(),
        }
    }

    /// Claims nothing more; what runs goes on and is settled.
    pub fn quiet(&self) {
        self.mode.send_replace(Mode::Quiet);
    }

    /// How many jobs this process holds of the queue.
    #[must_use]
    pub fn running(&self) -> usize {
        self.shared.running().len()
    }

    /// Ends the flow: claims nothing more, waits up to `grace` for what runs, stops and releases the rest. Answers how
    /// many jobs had to be stopped.
    pub async fn end(mut self, grace: Duration) -> usize {
        self.mode.send_replace(Mode::End);
        let all = futures_util::future::join_all(&mut self.loops);
        let stopped = if tokio::time::timeout(grace, all).await.is_ok() {
            0
        } else {
            let stopped = self.shared.stop_running(Stop::Leaving);
            // The releases are one call away; without the backend they are left to the lease's end.
            let rest = self.loops.iter_mut().filter(|task| !task.is_finished());
            drop(tokio::time::timeout(Duration::from_secs(2), futures_util::future::join_all(rest)).await);
            stopped
        };
        if let Err(error) = self.shared.tally.hand_over(&*self.shared.backend).await {
            tracing::warn!(%error, "The last counts of this process are lost.");
        }
        stopped
    }
}

/// Looks at a pump and stops or resumes its claims, while it lives. Does not keep it alive: what runs its jobs ends when
/// the pump is gone.
#[derive(Clone)]
pub struct Switch {
    queue: Queue,
    shared: Weak<Shared>,
    mode: watch::Sender<Mode>,
    tasks: Vec<AbortHandle>,
}

impl Switch {
    /// Claims nothing more, or claims again. What runs goes on and is settled. A pump that ends is left alone.
    pub fn flow(&self, flows: bool) {
        let wanted = if flows { Mode::Flow } else { Mode::Quiet };
        self.mode.send_if_modified(|mode| {
            let differs = *mode != Mode::End && *mode != wanted;
            if differs {
                *mode = wanted;
                if let Some(shared) = self.shared.upgrade() {
                    shared.pulse.moved(shared.clock.now());
                }
            }
            differs
        });
    }

    /// Which queue it is.
    #[must_use]
    pub const fn queue(&self) -> Queue {
        self.queue
    }

    /// Whether work flows.
    #[must_use]
    pub fn health(&self) -> Health {
        if *self.mode.borrow() != Mode::End && self.tasks.iter().any(AbortHandle::is_finished) {
            return Health::Broken;
        }
        let shared = self.shared.upgrade();
        shared.map_or(Health::Flowing, |shared| shared.pulse.judge(shared.clock.now()))
    }
}

/// A pump that is dropped without an end leaves its jobs to the end of their leases.
impl Drop for Pump {
    fn drop(&mut self) {
        self.loops.iter().for_each(JoinHandle::abort);
        self.keeper.abort();
    }
}
