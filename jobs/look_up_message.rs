//! See [`LookUpMessage`].

use std::time::Duration;

use chrono::Utc;
use domain::{EndpointId, MessageId, Recipient, TenantId};
use providers::Failure;
use queue::backend::Counter;
use queue::{Attempt, Backoff, Job, JobError, Origin, Policy, Queue};
use serde::{Deserialize, Serialize};
use store::Message;

use crate::sending::{Hop, from_store, span};
use crate::{Ctx, RecordProviderEvents};

/// What is counted of look-ups whose provider did not say: `relais_jobs_total{kind="look_up_message",event="unanswered"}`.
const UNANSWERED: &str = "unanswered";

/// Asks a provider how far a message came of which nobody heard for a while.
///
/// The answer is recorded as the webhook would have been that was lost, by the same job and the same identity: if that
/// webhook comes in after all, both count once.
///
/// Twice is harmless for that reason. Late is harmless: a message that is not open any more is not asked about. A
/// provider that does not answer is no failure: the message stays open, and is looked up again. It is counted, as a dead
/// letter of each tick would help nobody.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LookUpMessage {
    message: MessageId,
    /// The account that it went by.
    by: Hop,
    /// The tick of the clock that found it silent, in unix seconds.
    tick: i64,
}

impl LookUpMessage {
    /// The message that went by this account, as it was found at this tick.
    #[must_use]
    pub const fn new(message: MessageId, by: Hop, tick: i64) -> Self {
        Self { message, by, tick }
    }

    async fn stop(&self, ctx: &Ctx, tenant: TenantId, why: &'static str) -> Result<(), JobError> {
        ctx.store.stop_looking(tenant, self.message).await.map_err(from_store)?;
        tracing::info!(message.id = %self.message, why, "An open message is not looked up any more.");
        Ok(())
    }
}

impl Job for LookUpMessage {
    type Ctx = Ctx;
    const KIND: &'static str = "look_up_message";
    const POLICY: Policy = Policy {
        queue: Queue::Default,
        attempts: 5,
        backoff: Backoff {
            first: Duration::from_secs(2),
            cap: Duration::from_secs(60),
        },
        timeout: Duration::from_secs(25),
        expires: Some(Duration::from_secs(15 * 60)),
    };

    fn unique(&self) -> String {
        format!("{}/{}", self.message, self.tick)
    }

    /// Questions count like messages: the provider counts calls.
    fn limit_key(&self) -> Option<String> {
        Some(self.by.limit_key())
    }

    async fn run(self, ctx: &Ctx, attempt: &Attempt) -> Result<(), JobError> {
        let tenant = TenantId(attempt.tenant);
        let message = ctx.store.message(tenant, self.message).await.map_err(from_store)?;
        let Some(message) = message.filter(|message| message.progress.status.is_open()) else {
            return Ok(());
        };
        let Message {
            external_id: Some(external_id),
            recipient: Some(Recipient::Number(to)),
            ..
        } = &message
        else {
            return Ok(());
        };
        let account = ctx.outside.account(&ctx.store, tenant, self.by.credential).await;
        let account = account.map_err(|error| JobError::Retry(format!("{error:#}").into()))?;
        let Some(account) = account else {
            return self.stop(ctx, tenant, "its account is gone").await;
        };
        let now = Utc::now();
        let told = match account.sender.fetch(external_id, to, now).await {
            Ok(Some(told)) => told,
            Ok(None) => return self.stop(ctx, tenant, "its provider does not know it").await,
            Err(error) => {
                if let (Failure::RateLimited, Some(until)) = (error.failure, error.until) {
                    return Err(JobError::RetryAfter(span(until - now)));
                }
                tracing::warn!(%error, message.id = %self.message, "A provider did not say what became of a message.");
                return count_unanswered(ctx).await;
            }
        };
        let endpoint = account.endpoint.unwrap_or(EndpointId::stand_in(account.id.0));
        let origin = Origin {
            tenant: attempt.tenant,
            correlation: attempt.correlation,
        };
        for job in RecordProviderEvents::of(endpoint, told.into_list()) {
            ctx.queue.add(&job, origin).await?;
        }
        Ok(())
    }
}

async fn count_unanswered(ctx: &Ctx) -> Result<(), JobError> {
    let counter = Counter {
        queue: LookUpMessage::POLICY.queue,
        kind: LookUpMessage::KIND.to_owned(),
        name: UNANSWERED.to_owned(),
    };
    ctx.queue.backend().count(&[(counter, 1)]).await?;
    Ok(())
}
