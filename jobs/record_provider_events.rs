//! See [`RecordProviderEvents`].

mod cause;
mod confirm;
mod line;
mod record;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::time::Duration;

use chrono::Utc;
use domain::{EndpointId, InboundRecord, TenantId};
use providers::{Event, Verified};
use queue::{Attempt, Backoff, Job, JobError, Origin, Policy, Queue, QueueError};
use serde::{Deserialize, Serialize};
use store::{InboundRecorded, ReportRecorded, StoreError};

use self::record::Record;
use crate::Ctx;

/// The most events in one job: so many are applied well within its time-out, also when each has to wait for others.
pub const EVENTS_PER_JOB_MAX: usize = 250;

/// Applies what a provider told in one request: how far messages came, what people wrote to us, calls.
///
/// Twice is harmless: every event is recorded by its identity in the transaction that applies it, and a second run finds
/// it there. Late is harmless: events keep the time at which they happened, and nothing moves a message back.
///
/// An event that cannot be applied does not hold up the others. It is set aside into a job of its own, which then fails
/// alone. Only what the same person wrote meanwhile waits until it is applied or dead.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordProviderEvents {
    endpoint: EndpointId,
    events: Vec<Event>,
}

impl RecordProviderEvents {
    /// The jobs of one request. Takes only what the provider's proof vouches for. An event that is told twice is kept
    /// once. No events, no jobs.
    #[must_use]
    pub fn of(endpoint: EndpointId, events: Verified<Vec<Event>>) -> Vec<Self> {
        Self::split(endpoint, events.into_inner())
    }

    fn split(endpoint: EndpointId, mut events: Vec<Event>) -> Vec<Self> {
        if events.len() > 1 {
            let mut known = HashSet::new();
            events.retain(|event| known.insert(event.identity.clone()));
        }
        let mut jobs = Vec::with_capacity(events.len().div_ceil(EVENTS_PER_JOB_MAX));
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(EVENTS_PER_JOB_MAX));
            jobs.push(Self { endpoint, events });
            events = rest;
        }
        jobs
    }
}

/// The message that somebody wrote to us, if the event tells of one.
#[must_use]
pub fn inbound_of(event: &Event) -> Option<InboundRecord> {
    match record::of(event) {
        Record::Inbound(inbound) => Some(inbound),
        Record::Report(_) | Record::Kept(_) => None,
    }
}

impl Job for RecordProviderEvents {
    type Ctx = Ctx;
    const KIND: &'static str = "record_provider_events";
    /// An outage of the database may last: the waits add up to more than half a day.
    const POLICY: Policy = Policy {
        queue: Queue::Default,
        attempts: 60,
        backoff: Backoff {
            first: Duration::from_secs(1),
            cap: Duration::from_secs(15 * 60),
        },
        timeout: Duration::from_secs(20),
        expires: None,
    };

    /// The identities of all its events: the same request again makes the same jobs.
    fn unique(&self) -> String {
        let identities: Vec<_> = self.events.iter().map(|event| event.identity.as_str()).collect();
        format!("{}/{}", self.endpoint, identities.join(","))
    }

    /// What one person writes is recorded in the order in which it came, so that whoever reads it reads STOP and START,
    /// a question and its answer, as they were written. Requests of many events and reports wait for nobody.
    fn order_key(&self) -> Option<String> {
        match &*self.events {
            [event] => line::of(self.endpoint, event),
            _ => None,
        }
    }

    async fn run(self, ctx: &Ctx, attempt: &Attempt) -> Result<(), JobError> {
        let of = self.events.len();
        let (mut applied, mut known) = (0, 0);
        let mut failed = Vec::new();
        for event in self.events {
            match apply(ctx, attempt, self.endpoint, &event).await {
                Ok(true) => applied += 1,
                Ok(false) => known += 1,
                Err(Stop::Event(error)) => failed.push((event, error)),
                Err(Stop::Job(error)) => return Err(error),
            }
        }
        tracing::info!(applied, known, failed = failed.len(), "Provider's events recorded.");
        match decide(of, failed) {
            Verdict::Failed(error) => Err(error),
            Verdict::SetAside(failed) => set_aside(ctx, attempt, self.endpoint, failed).await,
        }
    }
}

/// Why an event was not applied.
enum Stop {
    /// It concerns this event; the next one may fare better.
    Event(StoreError),
    /// It would concern the next one too.
    Job(JobError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            Self::Job(error.into())
        } else {
            Self::Event(error)
        }
    }
}

impl From<QueueError> for Stop {
    fn from(error: QueueError) -> Self {
        Self::Job(error.into())
    }
}

/// Applies an event and adds what follows from it. Answers whether it was new.
async fn apply(ctx: &Ctx, attempt: &Attempt, endpoint: EndpointId, event: &Event) -> Result<bool, Stop> {
    let (tenant, now) = (TenantId(attempt.tenant), Utc::now());
    Ok(match record::of(event) {
        Record::Report(report) => match ctx.store.record_report(tenant, endpoint, &report, now).await? {
            ReportRecorded::Applied(_) => true,
            ReportRecorded::Duplicate { .. } => false,
        },
        Record::Inbound(inbound) => {
            let (id, is_new) = match ctx.store.record_inbound(tenant, endpoint, &inbound, now).await? {
                InboundRecorded::Applied(applied) => (applied.inbound, true),
                InboundRecorded::Duplicate { inbound } => (inbound, false),
                InboundRecorded::OfNobody => return Ok(true),
            };
            // Also for one that is known: an earlier run may have ended between the two.
            confirm::add(ctx, attempt, event, &inbound, id).await?;
            is_new
        }
        Record::Kept(kept) => {
            let identity = &event.identity;
            ctx.store.keep_event(tenant, endpoint, identity, &kept, now).await?
        }
    })
}

/// What becomes of a job some of whose events failed.
enum Verdict {
    /// It fails as a whole.
    Failed(JobError),
    /// These get jobs of their own; the rest of it is done.
    SetAside(Vec<(Event, StoreError)>),
}

/// An event that is alone fails with its job. If all fail and may yet succeed, the cause is hardly each of them: it waits
/// for them together.
fn decide(of: usize, mut failed: Vec<(Event, StoreError)>) -> Verdict {
    let is_each_for_itself = failed.len() < of || failed.iter().any(|(_, error)| is_final(error));
    if of > 1 && is_each_for_itself {
        return Verdict::SetAside(failed);
    }
    match failed.pop() {
        Some((_, error)) if is_final(&error) => Verdict::Failed(JobError::Dead(error.to_string())),
        Some((_, error)) => Verdict::Failed(error.into()),
        None => Verdict::SetAside(failed),
    }
}

/// Whether waiting will not help: a value that breaks a rule of the schema will break it again.
const fn is_final(error: &StoreError) -> bool {
    matches!(error, StoreError::Constraint(_) | StoreError::Corrupt(_))
}

/// Gives each event that failed a job of its own, which is the same one however often this runs.
async fn set_aside(
    ctx: &Ctx,
    attempt: &Attempt,
    endpoint: EndpointId,
    failed: Vec<(Event, StoreError)>,
) -> Result<(), JobError> {
    let origin = Origin {
        tenant: attempt.tenant,
        correlation: attempt.correlation,
    };
    for (event, error) in failed {
        let job = RecordProviderEvents {
            endpoint,
            events: vec![event],
        };
        let receipt = ctx.queue.add(&job, origin).await?;
        tracing::warn!(%error, aside = %receipt.job, "An event cannot be applied; it was set aside.");
    }
    Ok(())
}
