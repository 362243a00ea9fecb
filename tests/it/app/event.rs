//! Signed e-mail events, as a provider would send them.

use chrono::Utc;
use providers::email::sign;
use secrecy::SecretString;
use serde_json::{Value, json};

/// The provider of every event that does not say otherwise.
pub(crate) const PROVIDER: &str = "sendgrid";

/// The body of an event.
#[derive(Clone, Debug)]
pub(crate) struct Event(Value);

impl Event {
    /// Something happened to a message that `person` got.
    pub(crate) fn new(person: &str, message: &str, event: &str) -> Self {
        Self(json!({ "provider": PROVIDER, "external_id": message, "event": event, "person_id": person }))
    }

    /// With one field more.
    pub(crate) fn with(mut self, field: &str, value: &str) -> Self {
        self.0[field] = value.into();
        self
    }

    /// Signed now.
    pub(crate) fn sign(&self, secret: &str) -> Signed {
        Signed::new(secret, Utc::now().timestamp(), self.0.to_string())
    }
}

/// A body, and what vouches for it.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) timestamp: String,
    pub(crate) signature: String,
    pub(crate) body: String,
}

impl Signed {
    /// Signs any body as of any time.
    pub(crate) fn new(secret: &str, timestamp: i64, body: impl Into<String>) -> Self {
        let (timestamp, body) = (timestamp.to_string(), body.into());
        let signature = sign(&SecretString::from(secret), &timestamp, body.as_bytes());
        Self {
            timestamp,
            signature,
            body,
        }
    }
}
