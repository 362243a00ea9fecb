//! See [`TellHotLead`].

use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use domain::{CrossingId, TenantId};
use queue::{Attempt, Backoff, Job, JobError, Policy, Queue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::Crossing;

use crate::Ctx;
use crate::sending::from_store;

/// Tells a tenant's own system that a lead has become hot, by webhook ([`hooks`](crate::hooks)). Who named no address
/// is told nothing.
///
/// Twice is harmless as far as the other side looks at `webhook-id`, which is the same each time, as is the body.
/// Late is harmless: it says when it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TellHotLead {
    /// The lead's becoming hot.
    pub crossing: CrossingId,
}

impl Job for TellHotLead {
    type Ctx = Ctx;
    const KIND: &'static str = "tell_hot_lead";
    /// The waits add up to more than a day.
    const POLICY: Policy = Policy {
        queue: Queue::Default,
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

    async fn run(self, ctx: &Ctx, attempt: &Attempt) -> Result<(), JobError> {
        let tenant = TenantId(attempt.tenant);
        let crossing = ctx.store.crossing(tenant, self.crossing).await.map_err(from_store)?;
        let Some(crossing) = crossing else { return Ok(()) };
        let settings = ctx.store.score_settings(tenant).await.map_err(from_store)?;
        let Some(hook) = settings.hook else { return Ok(()) };
        let id = crossing.id.to_string();
        let posted = ctx.outside.hooks().post(&hook, &id, &told(&crossing), Utc::now()).await;
        posted.map_err(|error| error.meaning())?;
        tracing::info!(crossing = id, "A hot lead was told.");
        Ok(())
    }
}

/// What is told. Only what the crossing itself says, so that every attempt says the same.
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
