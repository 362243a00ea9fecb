//! See [`EraseContact`].

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{ContactId, TenantId};
use queue::{Attempt, Backoff, Job, JobError, Policy, Queue};
use serde::{Deserialize, Serialize};

use crate::Ctx;
use crate::person::{Outcome, erase};

/// Erases a person: all that is personal of them goes, from the store as from the queue, and what counts stays, as nobody's.
/// [How](crate::person) is told beside it.
///
/// Twice is harmless, also at once: both go through the same, and the second finds nothing. Late is what it says: whatever
/// was made of them until it has ended goes, too. A crash between two steps leaves the rest to the next run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EraseContact {
    /// Who.
    pub contact: ContactId,
    /// When that was asked for.
    pub asked_at: DateTime<Utc>,
}

impl Job for EraseContact {
    type Ctx = Ctx;
    const KIND: &'static str = "erase_contact";
    /// An outage of the database may last: the waits add up to more than a day.
    const POLICY: Policy = Policy {
        queue: Queue::Bulk,
        attempts: 40,
        backoff: Backoff {
            first: Duration::from_secs(2),
            cap: Duration::from_secs(60 * 60),
        },
        timeout: Duration::from_secs(20),
        expires: None,
    };

    fn unique(&self) -> String {
        format!("{}/{}", self.contact, self.asked_at.timestamp_millis())
    }

    async fn run(self, ctx: &Ctx, attempt: &Attempt) -> Result<(), JobError> {
        match erase(ctx, TenantId(attempt.tenant), self.contact).await? {
            Outcome::Done => {
                tracing::info!("Nothing is left of somebody who was to be erased.");
                Ok(())
            }
            Outcome::GoesOn(wait) => Err(JobError::Snooze(wait)),
        }
    }
}
