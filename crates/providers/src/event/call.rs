//! A call, as far as one event tells of it.

use std::fmt;

use chrono::{DateTime, Utc};
use domain::PersonalText;
use serde::{Deserialize, Serialize};

use super::Channel;

/// What one event tells of a call. Nearly everything is optional: early events know little, and a call that nobody
/// answered never began.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The way it goes.
    pub channel: Channel,
    /// What the provider calls it.
    pub external_id: String,
    /// The call that this one is a leg of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// The leg that it was forwarded to, when that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialed_id: Option<String>,
    /// The provider's word for how that leg ended: `completed`, `no-answer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialed_status: Option<String>,
    /// What the carrier below the provider calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier_id: Option<String>,
    /// The provider's word for how far it is: `ringing`, `in-progress`, `completed`, `ended`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The event's place among those of the call, from 0, where the provider counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u32>,
    /// The provider's word for who called whom: `inbound`, `outbound-api`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// Who calls. Not always a number: `anonymous`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PersonalText>,
    /// Who is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<PersonalText>,
    /// Which assistant talks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assistant_id: Option<String>,
    /// When they began to talk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// When they stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// How long they talked; after forwarding, with the leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<u32>,
    /// Why it ended. An open vocabulary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_reason: Option<String>,
    /// What it cost, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// What was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<PersonalText>,
    /// What it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<PersonalText>,
    /// Where it can be listened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_url: Option<PersonalText>,
}

impl Call {
    /// Nothing but its name is known yet.
    pub(crate) const fn new(channel: Channel, external_id: String) -> Self {
        Self {
            channel,
            external_id,
            parent_id: None,
            dialed_id: None,
            dialed_status: None,
            carrier_id: None,
            status: None,
            sequence: None,
            direction: None,
            from: None,
            to: None,
            assistant_id: None,
            started_at: None,
            ended_at: None,
            duration_seconds: None,
            ended_reason: None,
            cost_usd: None,
            transcript: None,
            summary: None,
            recording_url: None,
        }
    }
}

/// Shows how far it is.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("channel", &self.channel)
            .field("status", &self.status.as_deref().map(super::shown))
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}
