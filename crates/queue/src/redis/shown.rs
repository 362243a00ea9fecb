//! What operators see: one job, pages of jobs, pages of dead letters.

use uuid::Uuid;

use super::RedisQueue;
use super::link::misunderstood;
use super::script::{DEAD_LIST, FIND, LIST};
use super::stored::{Row, part, read_failures, read_row, time};
use crate::backend::{BATCH_MAX, Kept, ListRequest, Page, QueueError, State};
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

    /// A page of dead letters, merged from the queues.
    pub(super) async fn list_letters(&self, request: ListRequest<'_>) -> Result<Page, QueueError> {
        let (before, last) = match request.cursor {
            Some(text) => read_letter_cursor(text).ok_or_else(misunderstood)?,
            None => (String::new(), Vec::new()),
        };
        let limit = request.limit.clamp(1, BATCH_MAX);
        let mut letters = Vec::new();
        for queue in Queue::ALL
            .into_iter()
            .filter(|queue| request.queue.is_none_or(|only| only == *queue))
        {
            let mut command = DEAD_LIST.on(self.tag(queue));
            command.arg(limit).arg(&before).arg(&last);
            for row in self.link.run::<Vec<Row>>(&DEAD_LIST, &command).await? {
                letters.push(read_row(queue, row)?);
            }
        }
        letters.sort_by_key(|letter| std::cmp::Reverse((died_at(letter), letter.id)));
        let is_last_page = letters.len() < limit;
        letters.truncate(limit);
        let next_cursor = letters.last().filter(|_| !is_last_page).map(write_letter_cursor);
        letters.retain(|letter| request.tenant.is_none_or(|tenant| tenant == letter.tenant));
        Ok(Page {
            items: letters,
            next_cursor,
        })
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

fn died_at(letter: &Kept) -> i64 {
    if let State::Dead { died_at, .. } = letter.state {
        died_at
    } else {
        0
    }
}

fn write_letter_cursor(letter: &Kept) -> String {
    format!("{}.{}", died_at(letter), letter.id)
}

/// The time and the id of the last letter shown.
fn read_letter_cursor(text: &str) -> Option<(String, Vec<u8>)> {
    let (died_at, id) = text.split_once('.')?;
    time(died_at.as_bytes())?;
    Some((died_at.to_owned(), id.parse::<JobId>().ok()?.0.as_bytes().to_vec()))
}
