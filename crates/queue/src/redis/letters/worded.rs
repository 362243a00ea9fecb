//! Letters whose last error has a text in it.
//!
//! No index helps with a text. Buckets whose error cannot have it are passed over, which leaves little to do if the text is
//! a rare word. The letters of the others are looked at one after the other, but no more than [`LOOKED_MAX`] for one page:
//! then the page is short, and its cursor goes on.

use super::super::RedisQueue;
use super::super::stored::read_failures;
use super::{Bucket, Looked, Place, Span, whole};
use crate::backend::{BATCH_MAX, DeadFilter, QueueError};
use crate::job::Queue;
use crate::wording::Wording;

/// The most letters of a queue that one page is looked for among.
const LOOKED_MAX: usize = 10 * BATCH_MAX;

impl RedisQueue {
    /// The first letters of these buckets that have the text in their last error.
    pub(super) async fn look_for(
        &self,
        queue: Queue,
        taken: &[Bucket],
        text: &Wording,
        filter: &DeadFilter,
        mut span: Span,
    ) -> Result<Looked, QueueError> {
        let is_merged = self.may_be_merged(queue, taken, filter).await?;
        let wanted = std::mem::replace(&mut span.limit, BATCH_MAX);
        let mut found = Vec::new();
        for _ in 0..LOOKED_MAX / BATCH_MAX {
            let looked = self.look_among(queue, taken, is_merged, &span).await?;
            found.extend(self.with_text(queue, looked.found, text).await?);
            if found.len() > wanted {
                found.truncate(wanted);
                return Ok(whole(found, wanted));
            }
            span.before = looked.up_to;
            if looked.up_to.is_none() {
                break;
            }
        }
        Ok(Looked {
            found,
            up_to: span.before,
        })
    }

    /// Whether a thousand letters of each bucket are not far more than are looked at.
    async fn may_be_merged(&self, queue: Queue, taken: &[Bucket], filter: &DeadFilter) -> Result<bool, QueueError> {
        if taken.len() <= LOOKED_MAX / BATCH_MAX {
            return Ok(true);
        }
        let sizes = self.sizes(queue, taken, filter).await?;
        let letters: u64 = sizes.iter().map(|(letters, _)| letters).sum();
        Ok(letters <= LOOKED_MAX as u64)
    }

    /// Those of these letters that have the text in their last error.
    async fn with_text(&self, queue: Queue, places: Vec<Place>, text: &Wording) -> Result<Vec<Place>, QueueError> {
        if places.is_empty() {
            return Ok(places);
        }
        let mut command = redis::cmd("HMGET");
        command.arg(format!("{}:dead:errors", self.tag(queue)));
        for (_, id) in &places {
            command.arg(id.as_bytes());
        }
        let failures: Vec<Option<String>> = self.link.query(&command).await?;
        let mut found = Vec::new();
        for (place, failures) in places.into_iter().zip(failures) {
            let failures = failures.as_deref().map_or(Ok(Vec::new()), read_failures)?;
            if text.is_in_last(failures.last()) {
                found.push(place);
            }
        }
        Ok(found)
    }
}
