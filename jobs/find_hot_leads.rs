//! See [`FindHotLeads`].

use std::time::Duration;

use chrono::Utc;
use futures_util::future::try_join_all;
use queue::{Attempt, Backoff, Job, JobError, Origin, Policy, Queue};
use serde::{Deserialize, Serialize};

use crate::sending::from_store;
use crate::{Ctx, TellHotLead};

/// Crossings that are handed on in one step …
const AT_ONCE: u32 = 500;
/// … and steps of one run; the next tick has the others.
const STEPS_MAX: usize = 20;

/// Finds leads that became hot, and has each told.
///
/// Twice is harmless, also at once: the work of a crossing is the same job whoever adds it. Late is harmless: it only tells
/// later. A crash before the crossings are marked leaves them to be found again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindHotLeads {
    /// The tick of the clock that asked for it, in unix seconds.
    pub tick: i64,
}

impl Job for FindHotLeads {
    type Ctx = Ctx;
    const KIND: &'static str = "find_hot_leads";
    const POLICY: Policy = Policy {
        queue: Queue::Default,
        attempts: 3,
        backoff: Backoff {
            first: Duration::from_secs(5),
            cap: Duration::from_secs(30),
        },
        timeout: Duration::from_secs(20),
        expires: Some(Duration::from_secs(10 * 60)),
    };

    fn unique(&self) -> String {
        self.tick.to_string()
    }

    async fn run(self, ctx: &Ctx, attempt: &Attempt) -> Result<(), JobError> {
        for _ in 0..STEPS_MAX {
            let waiting = ctx.store.crossings_waiting(AT_ONCE).await.map_err(from_store)?;
            if waiting.is_empty() {
                break;
            }
            let tenants = waiting.iter().map(|&(tenant, _)| tenant).collect();
            TellHotLead::limit(&**ctx.queue.backend(), &tenants, ctx.queue.clock().now()).await?;
            let adding = waiting.iter().map(|&(tenant, crossing)| async move {
                let origin = Origin {
                    tenant: tenant.0,
                    correlation: attempt.correlation,
                };
                let job = TellHotLead {
                    crossing,
                    tenant: Some(tenant),
                };
                ctx.queue.add(&job, origin).await
            });
            try_join_all(adding).await?;
            let handed: Vec<_> = waiting.into_iter().map(|(_, crossing)| crossing).collect();
            ctx.store
                .crossings_handed(&handed, Utc::now())
                .await
                .map_err(from_store)?;
            if handed.len() < AT_ONCE as usize {
                break;
            }
        }
        Ok(())
    }
}
