//! Which tick the queue knows: the memory of clocks that are gone.

use futures_util::{StreamExt as _, TryStreamExt as _};
use jobs::schedule::{Schedule, Tick, Timetable};
use queue::{Backend, JobId, QueueError};

/// How many ticks are asked about at once. Usually the first is known; a schedule that never ticked has all of its ticks
/// asked about.
const ASKED_AT_ONCE: usize = 8;

/// The latest tick after `after` and not after `until` whose job is in the queue or has been, with the job's id. The queue
/// forgets a job 7 days after it ended, or a little later.
///
/// # Errors
/// When the queue cannot be asked.
pub async fn last_known(
    schedule: &Schedule,
    timetable: &Timetable,
    queue: &dyn Backend,
    after: Tick,
    until: Tick,
) -> Result<Option<(Tick, JobId)>, QueueError> {
    let mut ticks: Vec<_> = timetable.between(after, until).collect();
    ticks.reverse();
    let asked = futures_util::stream::iter(ticks).map(async |tick| {
        let job = schedule.job.id(tick);
        let known = queue.find(job).await?.is_some() || queue.ended(job).await?;
        Ok(known.then_some((tick, job)))
    });
    let known = asked.buffered(ASKED_AT_ONCE).try_filter_map(async |known| Ok(known));
    std::pin::pin!(known).try_next().await
}
