//! What the queue has at the end: what is left of it, what died of what, and what it counted.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use queue::backend::{BATCH_MAX, DeadFilter, ListRequest};
use queue::{Backend, JobId, Queue, QueueError};
use uuid::Uuid;

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often a caller is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(15);

/// What was found in the queue.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Dead letters.
    pub(crate) dead: HashSet<Uuid>,
    /// How many of each died of the same.
    pub(crate) dead_by_reason: BTreeMap<String, u64>,
    /// Jobs that have not ended, and in which state they are.
    pub(crate) live: HashMap<Uuid, String>,
    /// What all processes counted: `stale`, `crashed` …
    pub(crate) counted: BTreeMap<String, u64>,
}

/// Waits until nothing is left to do, and answers whether that came true in time.
///
/// # Errors
/// Those of the queue: nothing is in its way any more.
pub(crate) async fn drained(queue: &dyn Backend, within: Duration) -> Result<bool, QueueError> {
    let begin = Instant::now();
    let mut told = begin;
    loop {
        let left = left(queue).await?;
        if left == 0 {
            return Ok(true);
        }
        if begin.elapsed() > within {
            return Ok(false);
        }
        if told.elapsed() > TELL_EVERY {
            eprintln!("chaos: {left} jobs left");
            told = Instant::now();
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn left(queue: &dyn Backend) -> Result<u64, QueueError> {
    let mut sum = 0;
    for name in Queue::ALL {
        let counts = queue.counts(name).await?;
        sum += counts.ready + counts.scheduled + counts.running + counts.parked + counts.behind;
    }
    Ok(sum)
}

impl Kept {
    /// Looks at everything.
    ///
    /// # Errors
    /// Those of the queue.
    pub(crate) async fn read(queue: &dyn Backend) -> Result<Self, QueueError> {
        let mut kept = Self::default();
        kept.read_dead(queue).await?;
        kept.read_live(queue).await?;
        for (counter, count) in queue.counters().await? {
            *kept.counted.entry(counter.name).or_default() += count;
        }
        Ok(kept)
    }

    async fn read_dead(&mut self, queue: &dyn Backend) -> Result<(), QueueError> {
        let everything = DeadFilter::default();
        for group in queue.dead_groups(&everything).await? {
            let said = format!("{} {}: {}", group.kind, group.reason.name(), group.error);
            self.dead_by_reason.insert(said, group.count);
        }
        let mut cursor = None;
        loop {
            let page = queue.list_dead(&everything, cursor.as_deref(), BATCH_MAX).await?;
            self.dead.extend(page.items.into_iter().map(|dead| dead.id.0));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    async fn read_live(&mut self, queue: &dyn Backend) -> Result<(), QueueError> {
        let mut cursor = None;
        loop {
            let request = ListRequest {
                cursor: cursor.as_deref(),
                limit: BATCH_MAX,
                ..ListRequest::default()
            };
            let page = queue.list(request).await?;
            let items = page.items.into_iter();
            self.live
                .extend(items.map(|job| (job.id.0, job.state.name().to_owned())));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    /// What the queue knows of a job.
    pub(crate) fn state(&self, job: JobId) -> Whereabouts {
        if self.dead.contains(&job.0) {
            Whereabouts::Dead
        } else if self.live.contains_key(&job.0) {
            Whereabouts::Live
        } else {
            Whereabouts::Gone
        }
    }
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// A dead letter.
    Dead,
    /// Not ended yet.
    Live,
    /// Ended, or never kept.
    Gone,
}
