//! What operators see: one job, pages of jobs.

use uuid::Uuid;

use super::RedisQueue;
use super::link::misunderstood;
use super::script::{FIND, LIST, STILL_READY};
use super::stored::{Row, part, read_failures, read_row};
use crate::backend::{BATCH_MAX, Kept, ListRequest, Mark, Page, QueueError, StillReady};
use crate::job::{JobId, Queue};

impl RedisQueue {
    /// One job or dead letter of a queue.
    pub(super) async fn find_in(&self, queue: Queue, id: JobId) -> Result<Option<Kept>, QueueError> {
        let mut command = FIND.on(self.tag(queue));
        command.arg(id.0.as_bytes());
        let mut parts: Vec<redis::Value> = self.link.run(&FIND, &command).await?;
        let Some(failures) = parts.pop() else { return Ok(None) };
        let mut kept = read_row(queue, part::<Row>(redis::Value::Array(parts))?)?;
        kept.errors = read_failures(&part::<String>(failures)?)?;
        Ok(Some(kept))
    }

    /// Which of the marked jobs of a queue are ready still, and a new mark.
    pub(super) async fn still_ready_in(
        &self,
        queue: Queue,
        marks: &[Mark],
        dice: f64,
    ) -> Result<StillReady, QueueError> {
        let mut command = STILL_READY.on(self.tag(queue));
        command.arg(dice);
        for mark in marks.iter().take(BATCH_MAX) {
            // One of another backend marks nothing here.
            command.arg(hex::decode(&mark.0).unwrap_or_default());
        }
        let (still, fresh): (Vec<usize>, Vec<u8>) = self.link.run(&STILL_READY, &command).await?;
        let of = |position: usize| marks.get(position.checked_sub(1)?).cloned();
        let still = still.into_iter().map(|position| of(position).ok_or_else(misunderstood));
        Ok(StillReady {
            still: still.collect::<Result<_, _>>()?,
            fresh: (!fresh.is_empty()).then(|| Mark(hex::encode(fresh))),
        })
    }

    /// A page of live jobs, queue by queue, in the order of Redis' hash.
    pub(super) async fn list_jobs(&self, request: ListRequest<'_>) -> Result<Page, QueueError> {
        let mut cursor = match request.cursor {
            Some(text) => Some(JobCursor::read(text).ok_or_else(misunderstood)?),
            None => JobCursor::start(request.queue.unwrap_or(Queue::ALL[0])),
        };
        let mut page = Page::default();
        let mut limit = request.limit.clamp(1, BATCH_MAX);
        while let Some(from) = cursor.take() {
            let tenant = request
                .tenant
                .map_or_else(Vec::new, |tenant| tenant.as_bytes().to_vec());
            let mut command = LIST.on(self.tag(from.queue));
            command.arg(&from.scan).arg(&from.after).arg(limit).arg(tenant);
            let (scan, after, looked, rows): (String, Vec<u8>, usize, Vec<Row>) =
                self.link.run(&LIST, &command).await?;
            for row in rows {
                page.items.push(read_row(from.queue, row)?);
            }
            cursor = if !scan.is_empty() {
                Some(JobCursor {
                    queue: from.queue,
                    scan,
                    after,
                })
            } else if request.queue.is_none() {
                JobCursor::behind(from.queue)
            } else {
                None
            };
            limit -= looked.min(limit);
            if limit == 0 {
                break;
            }
        }
        page.next_cursor = cursor.map(|cursor| cursor.write());
        Ok(page)
    }
}

/// Where a listing of live jobs goes on: a queue, the cursor of its scan, and the last id shown of what that cursor shows.
struct JobCursor {
    queue: Queue,
    scan: String,
    after: Vec<u8>,
}

impl JobCursor {
    fn start(queue: Queue) -> Option<Self> {
        Some(Self {
            queue,
            scan: "0".into(),
            after: Vec::new(),
        })
    }

    /// The start of the queue after this one.
    fn behind(queue: Queue) -> Option<Self> {
        Queue::ALL
            .into_iter()
            .find(|other| *other > queue)
            .and_then(Self::start)
    }

    fn write(&self) -> String {
        let after = Uuid::from_slice(&self.after).map_or_else(|_| String::new(), |id| id.to_string());
        format!("{}.{}.{after}", self.queue, self.scan)
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let queue = Queue::named(parts.next()?)?;
        let scan = parts.next().filter(|scan| scan.parse::<u64>().is_ok())?.to_owned();
        let after = match parts.next()? {
            "" => Vec::new(),
            id => id.parse::<JobId>().ok()?.0.as_bytes().to_vec(),
        };
        Some(Self { queue, scan, after })
    }
}
