//! See [`SendSignInLinks`].

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{EmailAddress, TenantId};
use queue::{Attempt, Backoff, Job, JobError, Origin, Policy, Queue};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::sending::from_store;
use crate::sending::links::{self, Link};
use crate::{Ctx, SendEmail};

/// Sends somebody links by which they can sign in: one for each tenant that they work for. Nobody's address gets none.
///
/// It is a job so that whoever asks learns nothing: asking costs the same for an address that nobody has.
///
/// Twice is harmless: the same request makes the same links and the same mails. Late is useless: the links have expired, and
/// the job goes to the dead letters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SendSignInLinks {
    /// Who asked.
    pub email: EmailAddress,
    /// For which tenant, if for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// What makes the request itself.
    pub request: Uuid,
    /// When they asked.
    pub asked_at: DateTime<Utc>,
}

impl Job for SendSignInLinks {
    type Ctx = Ctx;
    const KIND: &'static str = "send_sign_in_links";
    const POLICY: Policy = Policy {
        queue: Queue::Urgent,
        attempts: 12,
        backoff: Backoff {
            first: Duration::from_secs(1),
            cap: Duration::from_secs(60),
        },
        timeout: Duration::from_secs(20),
        expires: Some(Duration::from_secs(
            domain::sign_in::LINK_LIFETIME.num_seconds().unsigned_abs(),
        )),
    };

    fn unique(&self) -> String {
        self.request.to_string()
    }

    async fn run(self, ctx: &Ctx, attempt: &Attempt) -> Result<(), JobError> {
        let made = ctx
            .store
            .make_sign_in_links(&self.email, self.tenant, self.request, self.asked_at)
            .await;
        for made in made.map_err(from_store)? {
            let link = Link::sign_in(made.id, made.expires_at);
            let letter = links::letter(&ctx.store, made.tenant, link, &made.email, made.language).await;
            let Some(letter) = letter.map_err(from_store)? else {
                tracing::warn!(tenant = %made.tenant, "Nobody can sign in: the tenant has no route for mail.");
                continue;
            };
            let origin = Origin {
                tenant: made.tenant.0,
                correlation: attempt.correlation,
            };
            ctx.queue.add(&SendEmail::new(letter), origin).await?;
        }
        Ok(())
    }
}
