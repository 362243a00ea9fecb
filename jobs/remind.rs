//! See [`Remind`].

mod tell;
mod text;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use queue::backend::Counter;
use queue::{Attempt, Backoff, Job, JobError, Policy, Queue};
use serde::{Deserialize, Serialize};
use tell::{Teller, Told};

use crate::Ctx;

/// So many interactions are marked in one statement.
const MARKED_AT_ONCE: u32 = 500;

/// So many members are read at once, and so many of them told at a time.
const MEMBERS_AT_ONCE: u32 = 200;
const IN_FLIGHT: usize = 4;

/// A run that has worked for so long goes on in another after [`PAUSE`], well within its time-out.
const BUDGET: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(1);

/// What is counted of members whose rows cannot be read: `relais_jobs_total{kind="remind",event="unreadable"}`.
const UNREADABLE: &str = "unreadable";

/// Tells people what of their work is overdue: each interaction once for each time that its next action was planned for.
///
/// 1. *Mark*: open interactions with an assignee whose time has passed, a batch at a time, until there are none. The
///    statement that marks them keeps a reminder of each.
/// 2. *Gather*, member by member: what is to be told goes into one batch, and with it how: one by one, or together.
/// 3. *Tell*: the batch's messages are added as jobs that send, whose ids follow from the batch.
/// 4. *End*: the batch's reminders are removed, in one transaction.
///
/// A process may die between any two of these steps, and within them. Before a mark was committed nothing happened. After
/// it the reminders are there, and whoever runs next, this job again or the next tick's, gathers them with what came since.
/// After the gathering the batch stays what it is. After some or all of its messages were added they are added again, and
/// known by their ids, for a week at least. After the end there is nothing left to do.
///
/// Whoever is told by telephone is left alone in the tenant's quiet hours: their reminders wait ungathered, and become one
/// message in the morning. A member without a channel, or whose tenant has no account for it, is not told; then the
/// interactions show a warning until their next action is planned anew, and the log has one. Of a member whose rows cannot be
/// read the log has an error at every tick, and they are counted.
///
/// Twice is harmless: what is marked is not marked again. Late is harmless: people are told later. Runs stand in a line, so
/// that one marks everything before it gathers and nobody gets two digests of one flood.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Remind {
    /// The tick of the clock that asked for it, in unix seconds.
    pub tick: i64,
}

impl Job for Remind {
    type Ctx = Ctx;
    const KIND: &'static str = "remind";
    const POLICY: Policy = Policy {
        queue: Queue::Default,
        attempts: 5,
        backoff: Backoff {
            first: Duration::from_secs(5),
            cap: Duration::from_secs(60),
        },
        timeout: Duration::from_secs(20),
        expires: Some(Duration::from_secs(60 * 60)),
    };

    fn unique(&self) -> String {
        self.tick.to_string()
    }

    fn order_key(&self) -> Option<String> {
        Some(Self::KIND.to_owned())
    }

    async fn run(self, ctx: &Ctx, attempt: &Attempt) -> Result<(), JobError> {
        let began = Instant::now();
        let now = DateTime::from_timestamp_millis(ctx.queue.clock().now()).unwrap_or_default();
        let marked = mark(ctx, now, began).await?;
        if marked > 0 {
            tracing::info!(marked, "Interactions became overdue.");
        }
        let told = tell_all(ctx, attempt, now, began).await?;
        if told.messages > 0 || told.held > 0 {
            tracing::info!(
                messages = told.messages,
                held = told.held,
                "Members are told what is overdue."
            );
        }
        if told.failed > 0 {
            count_unreadable(ctx, told.failed).await?;
        }
        Ok(())
    }
}

/// Counts members whose rows cannot be read. That is no failure of the run: the others are told, the rows are as they were at
/// the next tick, and a dead letter of each tick would help nobody.
async fn count_unreadable(ctx: &Ctx, members: u64) -> Result<(), JobError> {
    let counter = Counter {
        queue: Remind::POLICY.queue,
        kind: Remind::KIND.to_owned(),
        name: UNREADABLE.to_owned(),
    };
    ctx.queue.backend().count(&[(counter, members)]).await?;
    Ok(())
}

/// Marks what is overdue, all of it; answers how much that was.
async fn mark(ctx: &Ctx, now: DateTime<Utc>, began: Instant) -> Result<u64, JobError> {
    let mut marked = 0;
    loop {
        // Whatever is missing then belongs to a tenant that is being removed, and is not met again.
        let batch = ctx.store.claim_overdue(MARKED_AT_ONCE, now).await?;
        marked += batch;
        if batch < u64::from(MARKED_AT_ONCE) {
            return Ok(marked);
        }
        go_on_later(began)?;
    }
}

/// Tells every member who is to be told something.
async fn tell_all(ctx: &Ctx, attempt: &Attempt, now: DateTime<Utc>, began: Instant) -> Result<Told, JobError> {
    let teller = Teller::new(ctx, attempt, now);
    let (mut all, mut after) = (Told::default(), None);
    loop {
        let members = ctx.store.members_to_remind(after, MEMBERS_AT_ONCE).await?;
        let Some(last) = members.last() else { return Ok(all) };
        after = Some(*last);
        let telling = members.into_iter().map(|(tenant, member)| teller.tell(tenant, member));
        let told = stream::iter(telling).buffer_unordered(IN_FLIGHT);
        all = told.try_fold(all, async |all, told| Ok(all.and(told))).await?;
        go_on_later(began)?;
    }
}

/// Ends a run that has worked long enough; it is run again.
fn go_on_later(began: Instant) -> Result<(), JobError> {
    if began.elapsed() > BUDGET {
        return Err(JobError::Snooze(PAUSE));
    }
    Ok(())
}
