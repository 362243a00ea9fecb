//! What a job is: its payload, its policy, and the five answers it may give.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha1::{Digest as _, Sha1};
use uuid::Uuid;

use crate::backend::Excerpt;
use crate::backoff::Backoff;
use crate::flow::AfterDeath;
use crate::starts_at::StartsAt;

/// The queues of an installation, most pressing first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Queue {
    /// Somebody is waiting with a phone in hand: one-time codes, voice.
    Urgent = 0,
    /// Everything without a reason to be elsewhere.
    Default = 1,
    /// Large and patient: campaigns, exports, purges.
    Bulk = 2,
}

impl Queue {
    /// All queues, most pressing first.
    pub const ALL: [Self; 3] = [Self::Urgent, Self::Default, Self::Bulk];

    /// The name in settings, commands and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Default => "default",
            Self::Bulk => "bulk",
        }
    }

    /// The queue of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.name() == name)
    }

    /// The queue stored as that number.
    #[must_use]
    pub fn numbered(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| *queue as i16 == number)
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How one kind of job is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Where it waits.
    pub queue: Queue,
    /// How often it may fail before it is dead; at least 1.
    pub attempts: u16,
    /// How long it waits between failures.
    pub backoff: Backoff,
    /// How long one run may take. Must leave [`LEASE_MARGIN`] within the lease.
    pub timeout: Duration,
    /// How long after it was added it is still worth starting; `None` = always.
    pub expires: Option<Duration>,
}

/// A claimed job is its worker's for this long, renewed at every third of it. Within this time of a worker's death its jobs
/// run elsewhere: leases are taken for two seconds less, which is until that is noticed and has been waited for.
pub const LEASE: Duration = Duration::from_secs(30);

/// What must be left of a lease when a job's time-out strikes: time to write down how it ended, and what leases are taken for
/// less.
pub const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// The longest that `RetryAfter` is honoured; a provider that asks for more is asked again then.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// The shortest wait after `RetryAfter`: who says "at once" each time must not be asked as fast as it answers.
pub const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

impl Policy {
    /// Whether a run surely ends within one lease and may be tried at all.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.attempts > 0 && self.timeout.as_millis() + LEASE_MARGIN.as_millis() <= LEASE.as_millis()
    }
}

/// A typed unit of work. The payload is stored sealed, as JSON.
///
/// A payload form that was ever shipped must parse for ever.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What a run needs beside the payload: stores, clients, settings.
    type Ctx: Send + Sync + 'static;
    /// The stored name: the struct's name in snake case. Data, chosen once.
    const KIND: &'static str;
    /// How it is run.
    const POLICY: Policy;

    /// What makes this job the same as another of its kind and tenant. A second one with the same key is a duplicate
    /// while the first lives and for at least 7 days after it ended.
    fn unique(&self) -> String;

    /// The limit that this job counts under, for example the provider account it uses; made a [`Key`](crate::flow::Key).
    /// Shown to operators: no personal data.
    fn limit_key(&self) -> Option<String> {
        None
    }

    /// The line this job stands in: jobs of one tenant, queue and order key run one at a time, in the order of being
    /// added. Shown to operators: no personal data.
    fn order_key(&self) -> Option<String> {
        None
    }

    /// What becomes of its line when such a job dies as its head.
    const AFTER_DEATH: AfterDeath = AfterDeath::GoOn;

    /// Whether a run itself waits for [`Attempt::starts_at`], right before the call that the rate of its limit key is about:
    /// then all that goes before the call is done by then, and calls are spread as evenly as starts. The run answers with the
    /// error of [`StartsAt::reached`], if it has one. Otherwise a run begins when it may start.
    const WAITS_ITSELF: bool = false;

    /// Does the work. May run twice; may run late.
    fn run(self, ctx: &Self::Ctx, attempt: &Attempt) -> impl Future<Output = Result<(), JobError>> + Send;
}

/// What a run knows about itself.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The job's id, derived from its unique key.
    pub job: JobId,
    /// The tenant it belongs to; nil for the installation's own jobs.
    pub tenant: Uuid,
    /// 1 for the first run; answers that cost nothing do not count.
    pub number: u16,
    /// The id that follows a request from intake to provider.
    pub correlation: Uuid,
    /// When it may start, under the rate of its limit key. Has come already, unless the kind
    /// [waits itself](Job::WAITS_ITSELF).
    pub starts_at: StartsAt,
    /// What the run notes about its calls.
    pub notes: Notes,
}

/// What a run notes about a call that went wrong. It is kept beside the run's error, if the run ends with one. A clone is
/// the same.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Option<Excerpt>>>);

impl Notes {
    /// Notes a call. The last one that was noted is kept.
    pub fn note(&self, excerpt: Excerpt) {
        *self.lock() = Some(excerpt.cut());
    }

    /// What was noted last.
    #[must_use]
    pub fn take(&self) -> Option<Excerpt> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Excerpt>> {
        // A value is put there as a whole or not at all.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a run did not end well, and what to do about it. `?` on any error gives [`JobError::Retry`].
#[derive(Debug)]
pub enum JobError {
    /// Try again after the policy's back-off; costs an attempt.
    Retry(Box<dyn std::error::Error + Send + Sync>),
    /// The other side said when; honoured from [`RETRY_AFTER_MIN`] up to [`RETRY_AFTER_MAX`], costs no attempt, and closes
    /// the job's whole limit key until then. For who is believed; another might have the job run for ever.
    RetryAfter(Duration),
    /// As [`Retry`](Self::Retry), and not before what the other side said, up to [`RETRY_AFTER_MAX`]. If that is later than
    /// the back-off, the job's whole limit key is closed until then.
    RetryNotBefore(Duration, Box<dyn std::error::Error + Send + Sync>),
    /// Not my turn; costs no attempt.
    Snooze(Duration),
    /// Waiting will not help. The text is shown to operators and must hold no personal data.
    Dead(String),
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::Retry(error.into())
    }
}

/// A job's id: UUIDv5 of its kind, tenant and unique key, so that a duplicate answers with the same id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub Uuid);

impl JobId {
    const NAMESPACE: Uuid = Uuid::from_u128(0x6f1c_26a4_9d52_4b7e_8a53_5e0d_72c4_11b9);

    /// The id of the job of this kind and tenant with this unique key.
    #[must_use]
    pub fn derive(kind: &str, tenant: Uuid, unique: &str) -> Self {
        // `Uuid::new_v5` would compute the same without the processor's own SHA-1.
        let digest = Sha1::new()
            .chain_update(Self::NAMESPACE)
            .chain_update(kind)
            .chain_update([0])
            .chain_update(tenant)
            .chain_update(unique)
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(uuid::Builder::from_sha1_bytes(bytes).into_uuid())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is not a job's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a job's id is a UUID, as `relais jobs list` and every 202 print it")]
pub struct NoJobId;

impl std::str::FromStr for JobId {
    type Err = NoJobId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| NoJobId)
    }
}
