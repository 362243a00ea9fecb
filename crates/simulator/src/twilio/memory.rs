//! What Twilio remembers beyond the ledger.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::provider::Channel;
use crate::recent::Recent;
use crate::settings::Limits;

/// Messages, numbers that were bought, and who wants no more messages.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(super) messages: Recent<Message>,
    pub(super) owned: Recent<Owned>,
    pub(super) opted_out: Recent<OptOut>,
}

impl Memory {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            messages: Recent::new(limits.messages),
            owned: Recent::new(limits.messages),
            opted_out: Recent::new(limits.messages),
        }
    }
}

/// A message that was accepted.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) sid: String,
    /// The effect's.
    pub(super) number: u64,
    pub(super) account: String,
    pub(super) channel: Channel,
    /// Without the channel's prefix. None as long as a service has not chosen one.
    pub(super) from: Option<String>,
    /// Without the channel's prefix.
    pub(super) to: String,
    pub(super) body: String,
    pub(super) service: Option<String>,
    pub(super) media: usize,
    pub(super) direction: &'static str,
    /// The status in the answer to the request.
    pub(super) first: &'static str,
    pub(super) created_at: DateTime<Utc>,
}

/// A number that was bought.
#[derive(Clone)]
pub(super) struct Owned {
    pub(super) sid: String,
    pub(super) account: String,
    pub(super) phone_number: String,
    pub(super) kind: &'static str,
    pub(super) bought_at: DateTime<Utc>,
    /// What was said about it: names and URLs, by the parameter's name.
    pub(super) settings: Vec<(String, String)>,
}

impl Owned {
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        let found = self.settings.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Somebody who wrote STOP.
#[derive(PartialEq, Eq)]
pub(super) struct OptOut {
    pub(super) account: String,
    /// Our number.
    pub(super) from: String,
    /// Theirs.
    pub(super) to: String,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("sid", &self.sid)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owned").field("sid", &self.sid).finish_non_exhaustive()
    }
}

impl fmt::Debug for OptOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OptOut")
    }
}
