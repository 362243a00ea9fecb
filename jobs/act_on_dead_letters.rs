//! See [`ActOnDeadLetters`].

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use domain::bulk::LETTERS_AT_ONCE;
use domain::{BulkActionId, BulkNext, BulkProgress, BulkState};
use futures_util::{StreamExt as _, TryStreamExt as _};
use queue::{Attempt, Backoff, Job, JobError, JobId, Origin, Policy, Queue, QueueError};
use serde::{Deserialize, Serialize};
use store::{BulkAction, LetterFate, LettersTakenUp};
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::Ctx;
use crate::bulk::{self, Listed, Selection};
use crate::sending::from_store;

/// One step looks at this many letters that were retried, of each sort, so that looking keeps up with retrying.
const LOOKED_AT_MAX: u32 = 2 * LETTERS_AT_ONCE;

/// How many letters are acted on in one call, and the next ones when the rate allows them: few, so that live work never
/// waits for many.
const TOGETHER: u32 = 5;

/// The most that lies between two such calls: a step must end in its time.
const BEAT_MAX: Duration = Duration::from_millis(30);

/// How many letters are looked at at once: few, to leave the connections to the queue for live work.
const IN_FLIGHT: usize = 3;

/// A step reads at most this many pages of the list to find letters that match: a page that is looked for by text may take
/// most of a second.
const PAGES_MAX: usize = 15;

/// How long a step waits at least, and at most, before it looks at retried letters again.
const WAIT_MIN: TimeDelta = TimeDelta::milliseconds(200);
const WAIT_MAX: TimeDelta = TimeDelta::seconds(30);

/// Does one step of a [bulk action](crate::bulk) on dead letters, and adds the next one.
///
/// Twice is harmless: what an earlier run began is found and finished, and nothing is acted on or counted twice. Late is
/// harmless: the action only goes on later.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActOnDeadLetters {
    /// The action.
    pub action: BulkActionId,
    /// The number of the step.
    pub step: u32,
}

impl Job for ActOnDeadLetters {
    type Ctx = Ctx;
    const KIND: &'static str = "act_on_dead_letters";
    /// Goes on trying for most of an hour.
    const POLICY: Policy = Policy {
        queue: Queue::Bulk,
        attempts: 20,
        backoff: Backoff {
            first: Duration::from_secs(2),
            cap: Duration::from_secs(5 * 60),
        },
        timeout: Duration::from_secs(20),
        expires: None,
    };

    fn unique(&self) -> String {
        format!("{}:{}", self.action, self.step)
    }

    async fn run(self, ctx: &Ctx, attempt: &Attempt) -> Result<(), JobError> {
        let found = ctx.store.bulk_action(self.action).await.map_err(from_store)?;
        let Some(action) = found.filter(|action| action.state.is_live()) else {
            return Ok(());
        };
        let step = Step {
            ctx,
            attempt,
            selection: Selection::read(&action.filter).map_err(|why| JobError::Dead(format!("{why:#}")))?,
            number: self.step,
            begun_at: now(ctx),
        };
        if action.step != self.step {
            // An earlier run ended this step. Whether it got to adding the next one's job is not known.
            return step.follow(&action, step.begun_at).await;
        }
        step.run(action).await
    }
}

/// What all parts of a step share.
struct Step<'a> {
    ctx: &'a Ctx,
    attempt: &'a Attempt,
    selection: Selection,
    number: u32,
    begun_at: DateTime<Utc>,
}

/// What became of taking letters up.
enum TakenUp {
    /// So many were taken up and acted on; none, if none matched on the pages that were read.
    Letters(u32),
    /// None is left.
    Exhausted,
    /// The action goes on without this job, or not at all.
    NotMine,
}

impl Step<'_> {
    async fn run(&self, action: BulkAction) -> Result<(), JobError> {
        self.finish_intended(&action).await?;
        self.look(&action).await?;
        loop {
            let found = self.ctx.store.bulk_action(action.id).await.map_err(from_store)?;
            let Some(action) = found.filter(|found| found.state.is_live() && found.step == self.number) else {
                return Ok(());
            };
            match self.progress(&action).await?.next() {
                BulkNext::TakeUp(most) => match self.take_up(&action, most).await? {
                    TakenUp::Letters(letters) => return self.end(&action, letters).await,
                    TakenUp::Exhausted => {}
                    TakenUp::NotMine => return Ok(()),
                },
                BulkNext::Wait(state) => return self.wait(&action, state).await,
                BulkNext::PassCanary => self.pass_canary(&action).await?,
                BulkNext::End(state) => return self.conclude(&action, state).await,
            }
        }
    }

    /// Acts on what an earlier run of this step, or of one before, took up and did not get to.
    async fn finish_intended(&self, action: &BulkAction) -> Result<(), JobError> {
        let store = &self.ctx.store;
        loop {
            let left = store
                .intended_letters(action.id, LETTERS_AT_ONCE)
                .await
                .map_err(from_store)?;
            if left.is_empty() {
                return Ok(());
            }
            self.act(action, left, HashMap::new()).await?;
        }
    }

    /// Looks at retried letters whose time has come.
    async fn look(&self, action: &BulkAction) -> Result<(), JobError> {
        let store = &self.ctx.store;
        let due = store
            .due_letters(action.id, now(self.ctx), LOOKED_AT_MAX)
            .await
            .map_err(from_store)?;
        if due.is_empty() {
            return Ok(());
        }
        let backend = &**self.ctx.queue.backend();
        // One for all: they are written down, and looked at again, together.
        let now_ms = self.ctx.queue.clock().now();
        let fates = at_once(due, |job| async move {
            Ok((job, bulk::look(backend, JobId(job), now_ms).await?))
        });
        let fates = fates.await?;
        store
            .letters_looked_at(action.id, &fates, now(self.ctx))
            .await
            .map_err(from_store)?;
        Ok(())
    }

    async fn progress(&self, action: &BulkAction) -> Result<BulkProgress, JobError> {
        let open = self.ctx.store.open_letters(action.id).await.map_err(from_store)?;
        Ok(BulkProgress {
            canary: action.canary,
            canary_passed: action.canary_passed_at.is_some(),
            rate: action.rate,
            exhausted: action.exhausted,
            done: action.done,
            failed: action.failed,
            open: open.ready + open.waiting,
            ready: open.ready,
        })
    }

    /// Finds letters, writes them down as intended, and acts on them.
    async fn take_up(&self, action: &BulkAction, most: u32) -> Result<TakenUp, JobError> {
        let backend = self.ctx.queue.backend();
        let mut cursor = action.cursor.clone();
        for _ in 0..PAGES_MAX {
            let at = Instant::now();
            let page = backend
                .list_dead(&self.selection.0, cursor.as_deref(), most as usize)
                .await?;
            let mut listed: HashMap<_, _> = page
                .items
                .into_iter()
                .map(|kept| (kept.id.0, Listed { kept, at }))
                .collect();
            let letters: Vec<Uuid> = listed.keys().copied().collect();
            cursor = page.next_cursor;
            let store = &self.ctx.store;
            let taken = store
                .take_up_letters(action.id, self.number, &letters, cursor.as_deref(), now(self.ctx))
                .await
                .map_err(from_store)?;
            let Some(LettersTakenUp { new, is_exhausted }) = taken else {
                return Ok(TakenUp::NotMine);
            };
            if !new.is_empty() {
                listed.retain(|job, _| new.contains(job));
                let taken = u32::try_from(new.len()).unwrap_or(u32::MAX);
                self.act(action, new, listed).await?;
                return Ok(TakenUp::Letters(taken));
            }
            if is_exhausted {
                return Ok(TakenUp::Exhausted);
            }
        }
        Ok(TakenUp::Letters(0))
    }

    /// Acts on letters that are intended, and notes what became of them.
    async fn act(
        &self,
        action: &BulkAction,
        letters: Vec<Uuid>,
        mut listed: HashMap<Uuid, Listed>,
    ) -> Result<(), JobError> {
        let backend = &**self.ctx.queue.backend();
        let asked_at = action.created_at.timestamp_millis();
        let mut beat = tokio::time::interval(beat(action));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut fates = Vec::with_capacity(letters.len());
        // One for all: they are written down, and looked at again, together.
        let now_ms = self.ctx.queue.clock().now();
        for together in letters.chunks(TOGETHER as usize) {
            beat.tick().await;
            let together = together.iter().map(|job| (*job, listed.remove(job))).collect();
            fates.extend(bulk::act(backend, action.act, together, asked_at, now_ms).await?);
        }
        let store = &self.ctx.store;
        store
            .letters_acted_on(action.id, &fates, now(self.ctx))
            .await
            .map_err(from_store)?;
        Ok(())
    }

    /// Ends the step; the next one starts when the rate allows it.
    async fn end(&self, action: &BulkAction, letters: u32) -> Result<(), JobError> {
        let next_at = self.begun_at + pause(letters, action);
        let store = &self.ctx.store;
        let is_mine = store
            .advance_bulk_action(action.id, self.number, BulkState::Running, true, now(self.ctx))
            .await
            .map_err(from_store)?;
        if !is_mine {
            return Ok(());
        }
        let next = BulkAction {
            step: self.number + 1,
            ..action.clone()
        };
        self.follow(&next, next_at).await
    }

    /// Adds the job of the action's present step.
    async fn follow(&self, action: &BulkAction, at: DateTime<Utc>) -> Result<(), JobError> {
        let next = ActOnDeadLetters {
            action: action.id,
            step: action.step,
        };
        let origin = Origin {
            tenant: self.attempt.tenant,
            correlation: self.attempt.correlation,
        };
        self.ctx.queue.add_at(&next, origin, at.timestamp_millis()).await?;
        Ok(())
    }

    /// Waits for retried letters.
    async fn wait(&self, action: &BulkAction, state: BulkState) -> Result<(), JobError> {
        let store = &self.ctx.store;
        let now = now(self.ctx);
        if action.state != state {
            store
                .advance_bulk_action(action.id, self.number, state, false, now)
                .await
                .map_err(from_store)?;
        }
        let open = store.open_letters(action.id).await.map_err(from_store)?;
        let wait = open.look_at.map_or(WAIT_MIN, |at| (at - now).clamp(WAIT_MIN, WAIT_MAX));
        Err(JobError::Snooze(wait.to_std().unwrap_or_default()))
    }

    async fn pass_canary(&self, action: &BulkAction) -> Result<(), JobError> {
        self.ctx
            .store
            .pass_bulk_canary(action.id, now(self.ctx))
            .await
            .map_err(from_store)?;
        tracing::info!(bulk_action = %action.id, "The first letters of a bulk action ended well.");
        Ok(())
    }

    async fn conclude(&self, action: &BulkAction, state: BulkState) -> Result<(), JobError> {
        let store = &self.ctx.store;
        let is_mine = store
            .advance_bulk_action(action.id, self.number, state, true, now(self.ctx))
            .await
            .map_err(from_store)?;
        if is_mine {
            tracing::info!(bulk_action = %action.id, state = %state, "A bulk action ended.");
        }
        Ok(())
    }
}

/// Does something with each of many, a few at once; the first error ends it.
async fn at_once<T, F>(letters: Vec<T>, work: impl Fn(T) -> F) -> Result<Vec<(Uuid, LetterFate)>, QueueError>
where
    F: Future<Output = Result<(Uuid, LetterFate), QueueError>>,
{
    futures_util::stream::iter(letters.into_iter().map(work))
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await
}

/// From one call to the next: what is left of a step's time goes to looking and writing down.
fn beat(action: &BulkAction) -> Duration {
    (pause(TOGETHER, action) * 3 / 5).min(BEAT_MAX)
}

/// How long so many letters take at the action's rate.
fn pause(letters: u32, action: &BulkAction) -> Duration {
    Duration::from_secs(1) * letters / action.rate.max(1)
}

fn now(ctx: &Ctx) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ctx.queue.clock().now()).unwrap_or_default()
}
