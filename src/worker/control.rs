//! What a worker heeds beside its jobs: pauses, whether its store answers, and what was parked and can run now.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use queue::{Backend, Clock, Pause, QueueError, Runner, Scope, Switch};
use store::Store;
use uuid::Uuid;

/// How often pauses are asked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Every so many looks what was parked is freed although no pause has ended: during a rolling deploy a worker of the old
/// version may still park what this one could run.
const FREE_EVERY: u32 = 5;

/// The name under which a worker pauses itself.
const BY_SIGNAL: &str = "SIGUSR1";

/// How long the store may take to answer. Behind a dead network it never would.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// So many questions in a row the store has left unanswered when it counts as away. One may have met a full pool.
const UNANSWERED_MAX: u32 = 2;

/// Whether this worker claims.
#[derive(Clone, Debug, Default)]
pub(super) struct Quiet {
    /// A signal asked for it, and the queue has not been told yet.
    asked: Arc<AtomicBool>,
    is: Arc<AtomicBool>,
    /// The store is away. Jobs would only fail, and wait the longer the longer it is away; so they stay where they are.
    storeless: Arc<AtomicBool>,
}

impl Quiet {
    /// Asks for it; holds until somebody resumes the worker.
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.is.store(true, Ordering::Relaxed);
    }

    /// An operator asked for it.
    pub(super) fn is(&self) -> bool {
        self.is.load(Ordering::Relaxed)
    }

    /// The store is away.
    pub(super) fn is_storeless(&self) -> bool {
        self.storeless.load(Ordering::Relaxed)
    }

    /// Nothing is claimed, whatever the reason.
    fn claims_nothing(&self) -> bool {
        self.is() || self.is_storeless()
    }
}

/// Heeds for as long as the worker lives.
pub(super) struct Control<C> {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) clock: Clock,
    pub(super) store: Store,
    pub(super) session: Uuid,
    pub(super) runner: Arc<Runner<C>>,
    pub(super) switches: Vec<Switch>,
    pub(super) quiet: Quiet,
}

impl<C: Send + Sync + 'static> Control<C> {
    pub(super) async fn heed(self) {
        let mut beat = tokio::time::interval(LOOK_EVERY);
        let mut look: u32 = 0;
        let mut unanswered = 0;
        loop {
            beat.tick().await;
            let answer = tokio::time::timeout(ANSWER_WITHIN, self.store.db().ping()).await;
            unanswered = if matches!(answer, Ok(Ok(()))) {
                0
            } else {
                unanswered + 1
            };
            self.note_the_store(unanswered < UNANSWERED_MAX);
            if let Err(error) = self.round(look).await {
                tracing::debug!(%error, "Pauses and parked jobs could not be looked for.");
            }
            look = look.wrapping_add(1);
        }
    }

    async fn round(&self, look: u32) -> Result<(), QueueError> {
        self.pass_on_the_signal().await?;
        let changed = self.runner.pauses.set(self.backend.pauses().await?);
        self.obey();
        if changed || look.is_multiple_of(FREE_EVERY) {
            self.free().await?;
        }
        Ok(())
    }

    /// Writes down that this worker was made quiet, so that it is shown, and can be resumed like by anybody else.
    async fn pass_on_the_signal(&self) -> Result<(), QueueError> {
        if self.quiet.asked.load(Ordering::Relaxed) {
            let (by, at) = (BY_SIGNAL.to_owned(), self.clock.now());
            let scope = Scope::Worker(self.session);
            self.backend.pause(&Pause { scope, by, at }).await?;
            self.quiet.asked.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    fn obey(&self) {
        let is_quiet = self.runner.pauses.covers(&Scope::Worker(self.session));
        // A signal that came meanwhile is obeyed already, and seen with the next look.
        if self.quiet.asked.load(Ordering::Relaxed) || self.quiet.is.swap(is_quiet, Ordering::Relaxed) == is_quiet {
            return;
        }
        tracing::info!(is_quiet, "An operator said whether this worker claims.");
        self.switch();
    }

    fn note_the_store(&self, answers: bool) {
        let storeless = !answers;
        if self.quiet.storeless.swap(storeless, Ordering::Relaxed) == storeless {
            return;
        }
        if answers {
            tracing::info!("The store answers again.");
        } else {
            tracing::warn!("The store does not answer: claiming nothing until it does.");
        }
        self.switch();
    }

    fn switch(&self) {
        let flows = !self.quiet.claims_nothing();
        self.switches.iter().for_each(|switch| switch.flow(flows));
    }

    /// Frees what was parked for want of a kind or key that this process has, or by a pause that is over.
    async fn free(&self) -> Result<(), QueueError> {
        for queue in self.switches.iter().map(Switch::queue) {
            let gates = self.backend.gates(queue).await?;
            let open: Vec<_> = gates
                .into_iter()
                .map(|(gate, _)| gate)
                .filter(|gate| self.runner.opens(gate))
                .collect();
            if open.is_empty() {
                continue;
            }
            let freed = self.backend.unpark(queue, &open, self.clock.now()).await?;
            tracing::info!(%queue, freed, "Parked jobs are free to run.");
        }
        Ok(())
    }
}
