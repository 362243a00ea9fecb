//! See [`TellHotLead`].

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use domain::{CrossingId, TenantId};
use queue::clock::Millis;
use queue::{Attempt, Backend, Backoff, Job, JobError, Key, Limit, Policy, Queue, QueueError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::Crossing;

use crate::Ctx;
use crate::sending::{from_store, note};

/// Tells a tenant's own system that a lead has become hot, by webhook ([`hooks`](crate::hooks)). Who named no address
/// is told nothing.
///
/// Twice is harmless as far as the other side looks at `webhook-id`, which is the same each time. So is the body, unless the
/// contact became part of another one in between: then it names who they are by now. Late is harmless: it says when it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TellHotLead {
    /// The lead's becoming hot.
    pub crossing: CrossingId,
    /// Whose lead it is. Jobs of before this was written down count under no limit.
    #[serde(default)]
    pub tenant: Option<TenantId>,
}

/// How many webhooks of a tenant are posted at once, unless an operator says otherwise: an address that lets each of them
/// wait for its time-out holds up no more of a worker than this.
const AT_ONCE: u32 = 2;

impl TellHotLead {
    /// The limit that webhooks of this tenant count under.
    #[must_use]
    pub fn limit_of(tenant: TenantId) -> Option<Key> {
        Key::new(&limit_key(tenant))
    }

    /// Limits these tenants' webhooks, where nothing is said about them yet.
    ///
    /// # Errors
    /// Those of the queue.
    pub(crate) async fn limit(
        queue: &dyn Backend,
        tenants: &BTreeSet<TenantId>,
        now: Millis,
    ) -> Result<(), QueueError> {
        let known = queue.limits(Self::POLICY.queue, now).await?;
        let is_said = |key: &Key| {
            known
                .iter()
                .any(|known| known.key == *key && known.limit != Limit::default())
        };
        let limit = Limit {
            rate: None,
            concurrency: Some(AT_ONCE),
        };
        for key in tenants.iter().filter_map(|&tenant| Self::limit_of(tenant)) {
            if !is_said(&key) {
                queue.set_limit(Self::POLICY.queue, &key, Some(limit), now).await?;
            }
        }
        Ok(())
    }
}

fn limit_key(tenant: TenantId) -> String {
    format!("webhook:{tenant}")
}

impl Job for TellHotLead {
    type Ctx = Ctx;
    const KIND: &'static str = "tell_hot_lead";
    /// The waits add up to more than a day.
    const POLICY: Policy = Policy {
        queue: Queue::Bulk,
        attempts: 24,
        backoff: Backoff {
            first: Duration::from_secs(5),
            cap: Duration::from_secs(3 * 60 * 60),
        },
        timeout: Duration::from_secs(20),
        expires: None,
    };

    fn unique(&self) -> String {
        self.crossing.to_string()
    }

    fn limit_key(&self) -> Option<String> {
        self.tenant.map(limit_key)
    }

    async fn run(self, ctx: &Ctx, attempt: &Attempt) -> Result<(), JobError> {
        let tenant = TenantId(attempt.tenant);
        let crossing = ctx.store.crossing(tenant, self.crossing).await.map_err(from_store)?;
        let Some(crossing) = crossing else { return Ok(()) };
        let settings = ctx.store.score_settings(tenant).await.map_err(from_store)?;
        let Some(hook) = settings.hook else { return Ok(()) };
        let id = crossing.id.to_string();
        let posted = ctx.outside.hooks().post(&hook, &id, &told(&crossing), Utc::now()).await;
        if let Err(untaken) = posted {
            note(attempt, untaken.call.as_deref());
            return Err(untaken.error.meaning());
        }
        tracing::info!(crossing = id, "A hot lead was told.");
        Ok(())
    }
}

/// What is told: what was so then, and who the contact is by now.
fn told(crossing: &Crossing) -> Value {
    json!({
        "type": "lead.hot",
        "timestamp": crossing.crossed_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "data": {
            "crossing_id": crossing.id, "contact_id": crossing.contact_id, "person_id": crossing.person_id,
            "organisation_id": crossing.organisation_id, "score": crossing.score, "hot_from": crossing.hot_from,
        },
    })
}
