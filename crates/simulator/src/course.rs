//! What becomes of one message after it was accepted.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep_until};

use crate::callback::Callback;
use crate::provider::Provider;
use crate::script::Step;
use crate::world::World;
use crate::{green_api, sendgrid};

/// A message on its way.
pub(crate) struct Course {
    /// The effect's.
    pub(crate) number: u64,
    pub(crate) provider: Provider,
    pub(crate) recipient: String,
    /// What tells this message from others.
    pub(crate) body_sha256: String,
    /// Before the first step: a message that was scheduled.
    pub(crate) wait: Duration,
    pub(crate) teller: Box<dyn Tell>,
}

/// Puts what happened to one message into its provider's words.
pub(crate) trait Tell: Send + Sync {
    /// None when the provider tells no such thing, or nobody wants to hear it.
    fn tell(&self, world: &Arc<World>, step: &Step, happened_at: DateTime<Utc>) -> Option<Parcel>;
}

/// Something to tell, and how it is brought.
#[derive(Clone)]
pub(crate) enum Parcel {
    /// There is nothing to tell: somebody has to fetch it.
    Nothing,
    /// By itself.
    Alone(Callback),
    /// With others of its account.
    Batched(sendgrid::Event),
    /// After those before it at the same account were heard or given up.
    InLine(Callback),
}

impl Parcel {
    pub(crate) async fn bring(self, world: &Arc<World>) {
        match self {
            Self::Nothing => {}
            Self::Alone(callback) => callback.tell(world).await,
            Self::Batched(event) => sendgrid::add(world, event),
            Self::InLine(callback) => green_api::add(world, callback),
        }
    }
}

impl Course {
    /// Sets it going. It ends by itself.
    pub(crate) fn start(self, world: &Arc<World>) {
        let Some(pending) = world.pend() else {
            return;
        };
        let world = Arc::clone(world);
        world.clone().spawn_errand(async move {
            let _pending = pending;
            self.run(&world).await;
        });
    }

    async fn run(self, world: &Arc<World>) {
        let accepted = (Instant::now() + self.wait, Utc::now() + self.wait);
        let plan = world.look(|state| {
            let script = state.scripts.find(self.provider, &self.recipient);
            let subject = [self.provider.as_str(), &self.recipient, &self.body_sha256];
            script.plan(&mut state.dice.roll(&subject.map(str::as_bytes)))
        });
        let mut happening: Vec<_> = plan.iter().collect();
        happening.sort_by_key(|planned| planned.place);
        let mut happening = happening.into_iter().peekable();
        for planned in &plan {
            sleep_until(accepted.0 + planned.told).await;
            // What is told late has happened all the same, and before what is told first.
            while let Some(next) = happening.next_if(|next| next.happens <= planned.told) {
                let Step { status, code, .. } = &next.step;
                world.progress(self.number, *status, code.as_deref(), accepted.1 + next.happens);
            }
            if planned.copies == 0 {
                continue;
            }
            let happened_at = accepted.1 + planned.happens;
            let Some(parcel) = self.teller.tell(world, &planned.step, happened_at) else {
                continue;
            };
            for _ in 0..planned.copies {
                parcel.clone().bring(world).await;
            }
        }
    }
}
