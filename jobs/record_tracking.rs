//! See [`RecordTracking`].

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{Channel, EndpointId, EventKind, FailureCause, MessageId, PersonalText, ReportRecord, TenantId};
use providers::Provider;
use queue::{Attempt, Backoff, Job, JobError, Policy, Queue};
use serde::{Deserialize, Serialize};
use store::ReportRecorded;
use uuid::Uuid;

use crate::Ctx;
use crate::sending::from_store;
use crate::sending::tracking::Followed;

/// Opens and clicks of one message within so many seconds are one: mail programs fetch a picture several times.
const SAME_WITHIN_SECONDS: i64 = 10;

/// Counts an open or a click of a mail that went by a plain mail server, as a provider's event would be.
///
/// Twice is harmless: the event has an identity, and is recorded by it. Late is harmless: it keeps the time at which it
/// happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordTracking {
    message: MessageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<PersonalText>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    by_machine: bool,
    at: DateTime<Utc>,
}

impl RecordTracking {
    /// Takes only what a genuine token says.
    #[must_use]
    pub fn new(followed: &Followed, by_machine: bool, at: DateTime<Utc>) -> Self {
        Self {
            message: followed.message,
            url: followed.url.as_ref().map(|url| PersonalText::new(url.as_str())),
            by_machine,
            at,
        }
    }

    fn identity(&self) -> String {
        let beat = self.at.timestamp().div_euclid(SAME_WITHIN_SECONDS);
        let url = self.url.as_ref().map_or("", |url| url.expose());
        let what = Uuid::new_v5(&self.message.0, url.as_bytes()).simple();
        let who = if self.by_machine { "machine" } else { "person" };
        format!("track/{what}/{who}/{beat}")
    }
}

impl Job for RecordTracking {
    type Ctx = Ctx;
    const KIND: &'static str = "record_tracking";
    const POLICY: Policy = Policy {
        queue: Queue::Default,
        attempts: 60,
        backoff: Backoff {
            first: Duration::from_secs(1),
            cap: Duration::from_secs(15 * 60),
        },
        timeout: Duration::from_secs(15),
        expires: None,
    };

    fn unique(&self) -> String {
        format!("{}/{}", self.message, self.identity())
    }

    async fn run(self, ctx: &Ctx, attempt: &Attempt) -> Result<(), JobError> {
        let tenant = TenantId(attempt.tenant);
        // A token outlives its message, which may be purged by now.
        let Some(message) = ctx.store.message(tenant, self.message).await.map_err(from_store)? else {
            return Ok(());
        };
        let kind = if self.url.is_some() {
            EventKind::Clicked
        } else {
            EventKind::Opened
        };
        let report = ReportRecord {
            provider: message.provider.unwrap_or_else(|| Provider::Smtp.as_str().to_owned()),
            channel: Channel::Email,
            message: Some(self.message),
            external_id: message.external_id,
            kind,
            word: kind.as_str().to_owned(),
            identity: self.identity(),
            occurred_at: self.at,
            recipient: None,
            error_code: None,
            permanence: None,
            cause: FailureCause::Other,
            by_machine: self.by_machine,
            subject: None,
            person_id: None,
            organisation_id: None,
            url: self.url,
            raw: None,
        };
        let endpoint = EndpointId::stand_in(self.message.0);
        let recorded = ctx.store.record_report(tenant, endpoint, &report, Utc::now()).await;
        if let ReportRecorded::Applied(applied) = recorded.map_err(from_store)? {
            tracing::info!(event = kind.as_str(), by_machine = self.by_machine, message.id = ?applied.message,
                "A mail was looked at.");
        }
        Ok(())
    }
}
