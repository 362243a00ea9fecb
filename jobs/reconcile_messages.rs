//! See [`ReconcileMessages`].

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{CircuitState, CredentialId};
use futures_util::future::try_join_all;
use providers::Provider;
use queue::{Attempt, Backoff, Job, JobError, Origin, Policy, Queue};
use serde::{Deserialize, Serialize};
use store::OpenMessage;

use crate::sending::{Hop, from_store};
use crate::{Ctx, LookUpMessage};

/// For how long nobody has heard of a message, nor asked, before its provider is asked.
const SILENT_FOR: TimeDelta = TimeDelta::minutes(15);

/// For how long after it was sent a message is asked about. Providers have given it up by then: Twilio keeps one in its
/// queue for ten hours at most, carriers try for a day or two.
const ASKED_FOR: TimeDelta = TimeDelta::days(3);

/// How many messages one run looks at; those of longest silence first, so that the next run has the others.
const BATCH: u32 = 500;

/// Finds messages that stayed open, because a provider's callback was lost, and has each looked up.
///
/// Twice is harmless: who was just looked at is not looked at again for a while. Late is harmless: it only asks later.
/// A crash before the last look-up was added leaves some to be found again when they have been silent once more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReconcileMessages {
    /// The tick of the clock that asked for it, in unix seconds.
    pub tick: i64,
}

impl Job for ReconcileMessages {
    type Ctx = Ctx;
    const KIND: &'static str = "reconcile_messages";
    const POLICY: Policy = Policy {
        queue: Queue::Default,
        attempts: 3,
        backoff: Backoff {
            first: Duration::from_secs(10),
            cap: Duration::from_secs(60),
        },
        timeout: Duration::from_secs(20),
        expires: Some(Duration::from_secs(10 * 60)),
    };

    fn unique(&self) -> String {
        self.tick.to_string()
    }

    async fn run(self, ctx: &Ctx, attempt: &Attempt) -> Result<(), JobError> {
        let now = Utc::now();
        let resting = resting(ctx).await?;
        let open = ctx.store.open_messages(now - SILENT_FOR, BATCH, now).await;
        let (mut look_ups, mut given_up) = (Vec::new(), 0);
        for message in open.map_err(from_store)? {
            match course(&message, now) {
                Course::Ask(hop) if resting.contains(&hop.credential) => {}
                Course::Ask(hop) => look_ups.push((message.tenant, LookUpMessage::new(message.id, hop, self.tick))),
                Course::Wait => {}
                Course::GiveUp => {
                    let stopped = ctx.store.stop_looking(message.tenant, message.id).await;
                    given_up += u32::from(stopped.map_err(from_store)?);
                }
            }
        }
        let adding = look_ups.iter().map(|(tenant, look_up)| {
            let origin = Origin {
                tenant: tenant.0,
                correlation: attempt.correlation,
            };
            ctx.queue.add(look_up, origin)
        });
        let asked = try_join_all(adding).await?.len();
        if asked > 0 || given_up > 0 {
            tracing::info!(asked, given_up, "Open messages reconciled.");
        }
        Ok(())
    }
}

/// What is to be done about a message of which nobody has heard.
#[derive(Debug, PartialEq, Eq)]
enum Course {
    /// Its provider is asked, with these credentials.
    Ask(Hop),
    /// The job that sends it is still at it: nobody knows yet what the provider calls it.
    Wait,
    /// Nobody can be asked, or not after so long. Reports still count.
    GiveUp,
}

fn course(message: &OpenMessage, now: DateTime<Utc>) -> Course {
    if now - message.attempted_at > ASKED_FOR {
        return Course::GiveUp;
    }
    let asked = Provider::sending(&message.provider).filter(|provider| provider.is_asked());
    match (asked, message.credential) {
        (None, _) | (_, None) => Course::GiveUp,
        (Some(_), Some(_)) if message.external_id.is_none() => Course::Wait,
        (Some(provider), Some(credential)) => Course::Ask(Hop { provider, credential }),
    }
}

/// The accounts that are left alone because they keep failing. Their messages are asked about when they work again.
async fn resting(ctx: &Ctx) -> Result<HashSet<CredentialId>, JobError> {
    let circuits = ctx.store.circuits(None).await.map_err(from_store)?;
    let resting = circuits
        .into_iter()
        .filter(|circuit| circuit.state != CircuitState::Closed);
    Ok(resting.map(|circuit| circuit.credential).collect())
}

#[cfg(test)]
mod tests {
    use domain::{AttemptState, Channel, MessageClass, MessageId, Status, TenantId};
    use uuid::Uuid;

    use super::*;

    const CREDENTIAL: CredentialId = CredentialId(Uuid::from_u128(3));

    /// A text message that went by Twilio a minute ago, but for what the caller changes.
    fn check(change: impl FnOnce(&mut OpenMessage), expected: Course) {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(10);
        let attempted_at = now - TimeDelta::minutes(20);
        let mut message = OpenMessage {
            tenant: TenantId(Uuid::from_u128(1)),
            id: MessageId(Uuid::from_u128(2)),
            channel: Channel::Sms,
            class: MessageClass::Transactional,
            status: Status::Accepted,
            provider: "twilio".into(),
            credential: Some(CREDENTIAL),
            external_id: Some("SM1".into()),
            recipient: None,
            attempt: 1,
            attempt_state: AttemptState::Sent,
            attempted_at,
            created_at: attempted_at,
        };
        change(&mut message);
        assert_eq!(course(&message, now), expected, "{message:?}");
    }

    #[test]
    fn who_can_be_asked_is_asked_for_three_days() {
        let ask = |provider| {
            Course::Ask(Hop {
                provider,
                credential: CREDENTIAL,
            })
        };
        check(|_| {}, ask(Provider::Twilio));
        check(|message| message.provider = "green_api".into(), ask(Provider::GreenApi));
        check(|message| message.attempted_at -= TimeDelta::days(3), Course::GiveUp);
        for provider in ["smtp", "sendgrid", "resend", "of_the_future"] {
            check(|message| message.provider = provider.into(), Course::GiveUp);
        }
        check(|message| message.credential = None, Course::GiveUp);
    }

    #[test]
    fn what_has_no_name_yet_is_left_to_the_job_that_sends_it() {
        check(|message| message.external_id = None, Course::Wait);
    }
}
