//! One step loop of a [pump](crate::pump): settle what has finished, claim for the free slots, again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::backend::{BATCH_MAX, ClaimRequest, Claims, Outcome, QueueError, Settle};
use crate::backoff::Backoff;
use crate::clock::Millis;
use crate::held::{Finished, Held};
use crate::pump::{Holding, Mode, Shared};
use crate::starts_at::StartsAt;

/// How long a loop waits after calls that failed.
const TROUBLE: Backoff = Backoff {
    first: Duration::from_millis(100),
    cap: Duration::from_secs(1),
};

/// After an opening that another loop came for, one looks itself.
const LOOK_AFTER_MS: Millis = 1_000;

pub(crate) struct StepLoop {
    shared: Arc<Shared>,
    lane: u8,
    /// The most it claims at once, so that the loops of a queue share its slots.
    share: usize,
    mode: watch::Receiver<Mode>,
    done: mpsc::UnboundedReceiver<Finished>,
    done_sender: mpsc::UnboundedSender<Finished>,
    /// Finished runs that are not settled yet.
    finished: Vec<Finished>,
    /// How many jobs of this loop are not settled yet, finished or not.
    unsettled: usize,
    /// The last claim was full, or somebody said that there is work.
    may_have_work: bool,
    /// Somebody said so, since the last claim.
    rung: bool,
    /// When a limit key opens for jobs that wait under it.
    opens_at: Option<Millis>,
    failures: u32,
}

impl StepLoop {
    pub(crate) fn new(shared: Arc<Shared>, lane: u8, share: usize, mode: watch::Receiver<Mode>) -> Self {
        let (done_sender, done) = mpsc::unbounded_channel();
        Self {
            shared,
            lane,
            share,
            mode,
            done,
            done_sender,
            finished: Vec::new(),
            unsettled: 0,
            may_have_work: true,
            rung: false,
            opens_at: None,
            failures: 0,
        }
    }

    pub(crate) async fn run(mut self) {
        loop {
            let mode = *self.mode.borrow_and_update();
            while self.finished.len() < BATCH_MAX {
                let Ok(finished) = self.done.try_recv() else { break };
                self.finished.push(finished);
            }
            // The end of a job with keys may let another one start: that is claimed in the same call.
            let lets_go = self.finished.iter().any(|finished| !finished.settle.keys.is_free());
            let claims = mode == Mode::Flow && (self.may_have_work || lets_go);
            let want = if claims { self.slots().take(self.share) } else { 0 };
            if want > 0 || !self.finished.is_empty() {
                self.step(want).await;
            } else if mode == Mode::End && self.unsettled == 0 {
                return;
            } else {
                self.rest(mode).await;
            }
        }
    }

    fn slots(&self) -> &Arc<crate::slots::Slots> {
        &self.shared.lanes[usize::from(self.lane)]
    }

    /// Waits until there is something to do.
    async fn rest(&mut self, mode: Mode) {
        let shared = Arc::clone(&self.shared);
        let lane = usize::from(self.lane);
        let flows = mode == Mode::Flow;
        let opens_in = self.opens_at.map_or(Millis::MAX, |at| at - shared.clock.now()).max(0);
        tokio::select! {
            Some(finished) = self.done.recv() => self.finished.push(finished),
            () = shared.wakes[lane].notified(), if flows && !self.may_have_work => (self.may_have_work, self.rung) = (true, true),
            () = shared.lanes[lane].freed(), if flows && self.may_have_work => {}
            () = tokio::time::sleep(Duration::from_millis(opens_in.unsigned_abs())), if flows && self.opens_at.is_some() => {
                // One loop comes for it, and passes on what it does not take. The others look whether it could.
                let opening = self.opens_at.take().unwrap_or_default();
                self.may_have_work |= shared.openings[lane].swap(opening, Ordering::Relaxed) != opening;
                self.opens_at = (!self.may_have_work).then_some(opening + LOOK_AFTER_MS);
            }
            Ok(()) = self.mode.changed() => {}
        }
    }

    async fn step(&mut self, want: usize) {
        let settles: Vec<Settle> = self.finished.iter().map(|finished| finished.settle.clone()).collect();
        let done_claims = self.claims_done_with(&settles);
        let until = self.shared.until();
        match self.call(&settles, &done_claims, want, until).await {
            Ok((held, claims)) => {
                self.failures = 0;
                self.shared.pulse.reached(self.shared.clock.now());
                if !claims.jobs.is_empty() {
                    self.shared.pulse.moved(self.shared.clock.now());
                }
                self.settled(&held);
                self.claimed(claims, want, until);
            }
            Err(error) => {
                self.slots().give_back(want);
                self.failures += 1;
                if self.failures == 1 {
                    let waiting = self.finished.len();
                    tracing::warn!(%error, queue = %self.shared.settings.queue, waiting,
                        "The queue does not answer; nothing is lost, trying again.");
                }
                tokio::time::sleep(TROUBLE.wait(self.failures, rand::random())).await;
            }
        }
    }

    async fn call(
        &self,
        settles: &[Settle],
        done_claims: &[i64],
        want: usize,
        until: Millis,
    ) -> Result<(Vec<bool>, Claims), QueueError> {
        let shared = &self.shared;
        let (queue, now) = (shared.settings.queue, shared.clock.now());
        if want == 0 {
            let held = shared.backend.settle(queue, settles, done_claims, now).await?;
            return Ok((held, Claims::default()));
        }
        let session = shared.settings.session;
        let request = ClaimRequest {
            queue,
            lane: self.lane,
            want,
            session,
            until,
            now,
        };
        if settles.is_empty() {
            return Ok((Vec::new(), shared.backend.claim(&request).await?));
        }
        shared.backend.step(settles, done_claims, &request).await
    }

    /// The claims of which nothing is left once `settles` are written down.
    fn claims_done_with(&self, settles: &[Settle]) -> Vec<i64> {
        let mut ends: std::collections::HashMap<i64, usize> = std::collections::HashMap::new();
        for settle in settles {
            *ends.entry(settle.ticket.claim).or_default() += 1;
        }
        let holdings = self.shared.holdings();
        ends.retain(|claim, ends| holdings.get(claim).is_none_or(|holding| holding.left <= *ends));
        ends.into_keys().collect()
    }

    /// Forgets what has been settled.
    fn settled(&mut self, held: &[bool]) {
        let shared = Arc::clone(&self.shared);
        let (mut running, mut holdings) = (shared.running(), shared.holdings());
        for (finished, held) in self.finished.drain(..held.len()).zip(held) {
            let settle = &finished.settle;
            running.remove(&(settle.id, settle.ticket.claim));
            if let Some(holding) = holdings.get_mut(&settle.ticket.claim) {
                holding.left -= 1;
                if holding.left == 0 {
                    holdings.remove(&settle.ticket.claim);
                }
            }
            self.unsettled -= 1;
            if *held {
                note_due(&shared, &settle.outcome);
            }
            tell(&shared, &finished, *held);
        }
    }

    /// Hands out what has been claimed under a lease that ends at `until`.
    fn claimed(&mut self, claims: Claims, want: usize, until: Millis) {
        let got = claims.jobs.len();
        if want > 0 {
            if std::mem::take(&mut self.rung) && got == 0 && !claims.more {
                self.shared.rung_in_vain();
            }
            self.may_have_work = claims.more || got == want;
            self.opens_at = claims.opens_at;
            // Somebody came for it in vain, as a clock that was set back does.
            if let Some(opening) = claims.opens_at {
                let openings = &self.shared.openings[usize::from(self.lane)];
                let _ = openings.compare_exchange(opening, 0, Ordering::Relaxed, Ordering::Relaxed);
            }
            if claims.more {
                // One wake-up reaches one loop: pass it on.
                self.shared.wakes[usize::from(self.lane)].notify_one();
            }
        }
        self.slots().give_back(want - got);
        let Some(first) = claims.jobs.first() else { return };
        self.unsettled += got;
        self.shared
            .holdings()
            .insert(first.ticket.claim, Holding { left: got, until });
        let slots = Arc::clone(self.slots());
        let now = self.shared.clock.now();
        let is_over = self.shared.is_over(until, now);
        if is_over {
            tracing::warn!(queue = %self.shared.settings.queue, jobs = got,
                "The answer to a claim came when its lease was about to end; its jobs are given back.");
        }
        let mut running = self.shared.running();
        for job in claims.jobs {
            let key = (job.id, job.ticket.claim);
            let starts_at = StartsAt::of(&job, &self.shared.backend, &self.shared.clock);
            let held = Arc::new(Held::new(job, starts_at, self.done_sender.clone(), Arc::clone(&slots)));
            running.insert(key, Arc::downgrade(&held));
            // Dropping it releases the job. Nobody takes it only when the worker is gone.
            if !is_over {
                drop(self.shared.out.send(held));
            }
        }
    }
}

fn note_due(shared: &Shared, outcome: &Outcome) {
    if let Outcome::Later { run_at, .. } = outcome {
        shared.due_at(*run_at);
    }
}

/// Counts and logs how a run ended.
fn tell(shared: &Shared, finished: &Finished, held: bool) {
    let (queue, kind, settle) = (shared.settings.queue, &finished.kind, &finished.settle);
    let attempt = settle.attempts + 1;
    // Every line finds its job, its tenant and the request it goes back to. Of the highest level, so that it stands
    // around a warning also where only warnings are logged.
    let span = || {
        tracing::error_span!(
            "settle", job.id = %settle.id, job.kind = %kind, attempt, tenant = %settle.tenant,
            correlation = %finished.correlation
        )
    };
    if !held {
        shared.tally.add(queue, kind, "stale", 1);
        span().in_scope(|| {
            tracing::warn!(
                "A finish was refused: the lease had ended and the job was taken back. It had no effect on the queue."
            );
        });
        return;
    }
    let counted = match &settle.outcome {
        Outcome::Done => {
            tracing::debug!(job.id = %settle.id, job.kind = %kind, attempt, "Job done.");
            "done"
        }
        Outcome::Later {
            run_at,
            error: Some(error),
            ..
        } => {
            let wait_ms = run_at - shared.clock.now();
            span().in_scope(|| tracing::warn!(wait_ms, %error, "Job failed; it will run again."));
            "retried"
        }
        Outcome::Later {
            run_at, error: None, ..
        } => {
            let wait_ms = run_at - shared.clock.now();
            span().in_scope(|| tracing::info!(wait_ms, "Job put off without a charge."));
            "snoozed"
        }
        Outcome::Dead { reason, error } => {
            let error = error.as_deref().unwrap_or_default();
            span().in_scope(|| tracing::error!(reason = reason.name(), error, "Job is dead."));
            "dead"
        }
        Outcome::Park { gate } => {
            span().in_scope(|| tracing::warn!(%gate, "Job parked until a worker can run it."));
            "parked"
        }
        Outcome::Release => "released",
    };
    shared.tally.add(queue, kind, counted, 1);
}
