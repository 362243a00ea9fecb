//! The queue as the rest of the program sees it: add a typed job, get its id.

use std::sync::Arc;
use std::time::Duration;

use seal::Keyring;
use uuid::Uuid;

use crate::add::Adder;
use crate::backend::{Added, Backend, NewJob, QueueError};
use crate::clock::{Clock, Millis, millis};
use crate::envelope::{Envelope, seal_payload};
use crate::flow::{Key, Keys, Order};
use crate::job::{Job, JobId};
use crate::tally::Tally;

/// Room for most payloads, so that writing one does not grow its buffer again and again.
const PAYLOAD_BYTES_USUAL: usize = 1024;

/// How often counters are handed over.
const TALLY_EVERY: Duration = Duration::from_secs(1);

/// Where a job comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Whose it is; nil for the installation's own.
    pub tenant: Uuid,
    /// The id that follows a request from intake to provider.
    pub correlation: Uuid,
}

/// What an add answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The job's id; the same for every job with this kind, tenant and unique key.
    pub job: JobId,
    /// It was there already, or ended not long ago; nothing was added.
    pub duplicate: bool,
}

/// A handle for adding jobs. Cheap to clone; one per runtime, because its collecting task lives there.
#[derive(Clone)]
pub struct Client {
    backend: Arc<dyn Backend>,
    keyring: Keyring,
    clock: Clock,
    adder: Adder,
    tally: Arc<Tally>,
}

impl Client {
    /// Starts the collecting task on the current runtime.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, keyring: Keyring, clock: Clock) -> Self {
        let adder = Adder::start(Arc::clone(&backend), clock.clone());
        let tally = Arc::new(Tally::default());
        tokio::spawn(hand_over_for_ever(Arc::downgrade(&tally), Arc::clone(&backend)));
        Self {
            backend,
            keyring,
            clock,
            adder,
            tally,
        }
    }

    /// Keeps a job that may start at once. Returns when it is durably kept.
    ///
    /// # Errors
    /// When the queue did not say that it kept the job. It may have: adding the same job again is safe.
    pub async fn add<J: Job>(&self, job: &J, origin: Origin) -> Result<Receipt, QueueError> {
        self.add_at(job, origin, self.clock.now()).await
    }

    /// Keeps a job that starts at `run_at` or later. Its expiry counts from then.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub async fn add_at<J: Job>(&self, job: &J, origin: Origin, run_at: Millis) -> Result<Receipt, QueueError> {
        let new = self.envelop(job, origin, run_at)?;
        let id = new.id;
        let added = self.adder.add(new).await?;
        let duplicate = added == Added::Duplicate;
        self.tally.add(
            J::POLICY.queue,
            J::KIND,
            if duplicate { "duplicate" } else { "added" },
            1,
        );
        Ok(Receipt { job: id, duplicate })
    }

    fn envelop<J: Job>(&self, job: &J, origin: Origin, run_at: Millis) -> Result<NewJob, QueueError> {
        let now = self.clock.now();
        let id = JobId::derive(J::KIND, origin.tenant, &job.unique());
        let mut payload = Vec::with_capacity(PAYLOAD_BYTES_USUAL);
        serde_json::to_writer(&mut payload, job)
            .map_err(|_| QueueError::Broken(format!("a payload of {} does not serialize", J::KIND)))?;
        let body = Envelope {
            created_at: now,
            expires_at: J::POLICY.expires.map(|span| run_at.max(now) + millis(span)),
            correlation: origin.correlation,
            kind: J::KIND,
            sealed: &seal_payload(id, J::KIND, &payload, &self.keyring),
        }
        .encode();
        Ok(NewJob {
            id,
            queue: J::POLICY.queue,
            tenant: origin.tenant,
            run_at,
            keys: Keys {
                limit: job.limit_key().as_deref().and_then(Key::new),
                order: job.order_key().as_deref().and_then(Key::new).map(|key| Order {
                    key,
                    after_death: J::AFTER_DEATH,
                }),
            },
            body,
        })
    }

    /// The store behind it, for operators' calls.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// The keys that seal payloads.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The clock that dates them.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

async fn hand_over_for_ever(tally: std::sync::Weak<Tally>, backend: Arc<dyn Backend>) {
    loop {
        tokio::time::sleep(TALLY_EVERY).await;
        let Some(tally) = tally.upgrade() else { return };
        if let Err(error) = tally.hand_over(&*backend).await {
            tracing::debug!(%error, "Counters could not be handed over; they are kept for the next time.");
        }
    }
}
