//! See [`RecordEmailEvent`].

use std::time::Duration;

use domain::{EmailEventRecord, EndpointId, TenantId};
use providers::Verified;
use queue::{Attempt, Backoff, Job, JobError, Policy, Queue};
use serde::{Deserialize, Serialize};
use store::{Recorded, StoreError};

use crate::Ctx;

/// Applies one signed e-mail event: status, counters, the interaction of a first open, the lead's score.
///
/// Twice is harmless: the event is recorded by its identity in the transaction that applies it, and a second run finds
/// it there. Late is harmless: the event keeps the time at which it happened, and a message's status only moves forward.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordEmailEvent {
    endpoint: EndpointId,
    event: EmailEventRecord,
}

impl RecordEmailEvent {
    /// Takes only what a provider's signature vouches for.
    #[must_use]
    pub fn new(endpoint: EndpointId, event: Verified<EmailEventRecord>) -> Self {
        Self {
            endpoint,
            event: event.into_inner(),
        }
    }
}

impl Job for RecordEmailEvent {
    type Ctx = Ctx;
    const KIND: &'static str = "record_email_event";
    /// An outage of the database may last: the waits add up to more than half a day.
    const POLICY: Policy = Policy {
        queue: Queue::Default,
        attempts: 60,
        backoff: Backoff {
            first: Duration::from_secs(1),
            cap: Duration::from_secs(15 * 60),
        },
        timeout: Duration::from_secs(15),
        expires: None,
    };

    fn unique(&self) -> String {
        format!("{}/{}", self.endpoint, self.event.identity)
    }

    async fn run(self, ctx: &Ctx, attempt: &Attempt) -> Result<(), JobError> {
        let now = chrono::Utc::now();
        let tenant = TenantId(attempt.tenant);
        let recorded = ctx
            .store
            .record_email_event(tenant, self.endpoint, &self.event, now)
            .await
            .map_err(answer)?;
        let (event, provider) = (self.event.kind.as_str(), self.event.provider.as_str());
        match recorded {
            Recorded::Applied(applied) => {
                tracing::info!(event, provider, message.id = %applied.message, "E-mail event recorded.");
            }
            Recorded::Duplicate { .. } => {
                tracing::info!(event, provider, "E-mail event was recorded before; nothing changed.");
            }
        }
        Ok(())
    }
}

/// What the store's refusal means: a value that breaks a rule of the schema will break it again.
fn answer(error: StoreError) -> JobError {
    match error {
        StoreError::Constraint(_) | StoreError::Corrupt(_) => JobError::Dead(error.to_string()),
        _ => error.into(),
    }
}
