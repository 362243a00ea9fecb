//! Versions of the program other than the one under test: workers that know other kinds of jobs, and payloads that only
//! another version would write.
//!
//! A worker of another version is this program as `chaos worker --version …`, with the wiring of `relais worker` and its real
//! jobs; only the list of kinds differs.

use clap::ValueEnum;
use domain::{EmailEventRecord, EndpointId, TenantId};
use jobs::{Ctx, PurgeQueue, RecordEmailEvent, RecordTracking};
use queue::{Attempt, Job, JobError, Policy, Registry};
use relais::config::{Flags, Settings, Values};
use relais::telemetry::{self, Destination};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::book::{Event, Way};

/// A version other than the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Version {
    /// Cannot send yet.
    Former,
    /// Knows [`RecordEmailEventAnew`] beside all that the present one knows.
    Next,
}

impl Version {
    /// As on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Former => "former",
            Self::Next => "next",
        }
    }

    fn registry(self) -> Registry<Ctx> {
        match self {
            Self::Former => Registry::default()
                .with::<RecordEmailEvent>()
                .with::<RecordTracking>()
                .with::<PurgeQueue>(),
            Self::Next => jobs::registry().with::<RecordEmailEventAnew>(),
        }
    }
}

/// Works as a worker of that version, with the settings in the environment, until it is asked to end.
///
/// # Errors
/// Those of `relais worker`.
pub(crate) fn work(version: Version) -> anyhow::Result<()> {
    let settings = Settings::read(&Values::from_environment(&Flags::default()))?;
    let _log = telemetry::init(&settings.log, Destination::Stdout);
    relais::worker::run_knowing(&settings, version.registry())
}

/// A kind that only the next version knows. Its effect is that of [`RecordEmailEvent`], so that it is counted like that.
///
/// Twice and late: as that one.
#[derive(Serialize, Deserialize)]
pub(crate) struct RecordEmailEventAnew {
    endpoint: EndpointId,
    event: EmailEventRecord,
}

impl Job for RecordEmailEventAnew {
    type Ctx = Ctx;
    const KIND: &'static str = "record_email_event_anew";
    const POLICY: Policy = RecordEmailEvent::POLICY;

    fn unique(&self) -> String {
        format!("{}/{}", self.endpoint, self.event.identity)
    }

    async fn run(self, ctx: &Ctx, attempt: &Attempt) -> Result<(), JobError> {
        let (tenant, now) = (TenantId(attempt.tenant), chrono::Utc::now());
        ctx.store
            .record_email_event(tenant, self.endpoint, &self.event, now)
            .await?;
        Ok(())
    }
}

/// A payload of a kind that the present version has, as another version would write it.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Foreign(Value);

impl Foreign {
    /// The event's payload in the form that its way says.
    pub(crate) fn new(endpoint: &str, event: &Event) -> Self {
        let at = chrono::DateTime::from_timestamp_millis(event.occurred_at).unwrap_or_default();
        let mut payload = json!({
            "endpoint": endpoint,
            "event": {
                "provider": crate::load::PROVIDER,
                "external_id": event.message,
                "kind": event.kind.as_str(),
                "identity": format!("chaos-{}-{}", event.message, event.occurred_at),
                "occurred_at": at,
                "person_id": event.person,
            },
        });
        if event.way == Way::NewForm {
            payload["form"] = json!(2);
            payload["event"]["campaign"] = json!({ "name": "spring", "wave": 3 });
        }
        Self(payload)
    }

    /// The same as a job of the kind that only the next version knows.
    pub(crate) fn anew(self) -> serde_json::Result<RecordEmailEventAnew> {
        serde_json::from_value(self.0)
    }
}

impl Job for Foreign {
    type Ctx = Ctx;
    const KIND: &'static str = RecordEmailEvent::KIND;
    const POLICY: Policy = RecordEmailEvent::POLICY;

    fn unique(&self) -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!("{}/{}", text(&self.0["endpoint"]), text(&self.0["event"]["identity"]))
    }

    async fn run(self, _: &Ctx, _: &Attempt) -> Result<(), JobError> {
        Err(JobError::Dead(
            "only added here, and run as what it stands for".to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_present_version_reads_the_payloads_of_others() {
        for way in [Way::OldForm, Way::NewForm] {
            let event = Event {
                message: "m-1".to_owned(),
                person: "ana".to_owned(),
                kind: domain::EmailEvent::Opened,
                occurred_at: 1_767_571_200_123,
                way,
            };
            let payload = Foreign::new("0197f0a0-0000-7000-8000-000000000001", &event);
            let written = serde_json::to_vec(&payload).unwrap();
            assert!(matches!(
                jobs::registry().check(RecordEmailEvent::KIND, &written),
                Some(Ok(_))
            ));
            let read: RecordEmailEvent = serde_json::from_slice(&written).unwrap();
            assert_eq!(read.unique(), payload.unique());
        }
    }
}
