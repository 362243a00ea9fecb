//! Tells how far a mail came, as any system may that can compute an HMAC: see [`providers::email`].

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use providers::email::{SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};
use secrecy::SecretString;
use serde_json::json;

use super::SmtpAccount;
use crate::callback::{Callback, Manner, Prove};
use crate::course::{Parcel, Tell};
use crate::provider::Provider;
use crate::script::{Status, Step};
use crate::world::World;

/// Where nobody wrote a link that could be clicked.
const NO_LINK: &str = "https://www.example.com/";

/// Tells about one mail to one recipient.
pub(super) struct EventTeller {
    pub(super) account: Option<Arc<SmtpAccount>>,
    pub(super) message_id: String,
    pub(super) recipient: String,
    pub(super) subject: String,
    pub(super) link: Option<String>,
}

impl Tell for EventTeller {
    fn tell(&self, world: &Arc<World>, step: &Step, happened_at: DateTime<Utc>) -> Option<Parcel> {
        let account = self.account.as_ref()?;
        let url = account.events_url.clone()?;
        let word = word(step.status)?;
        let event_id = world.look(|state| state.dice.uuid().to_string());
        let mut body = json!({
            "provider": account.events_provider,
            "external_id": self.message_id,
            "event": word,
            "event_id": event_id,
            "occurred_at": happened_at.to_rfc3339_opts(SecondsFormat::Millis, true),
            "recipient": self.recipient,
            "subject": self.subject,
        });
        if word == "clicked" {
            body["url"] = json!(self.link.as_deref().unwrap_or(NO_LINK));
        }
        Some(Parcel::Alone(Callback {
            provider: Provider::Smtp,
            account: account.username.clone(),
            external_id: Some(self.message_id.clone()),
            kind: word.to_owned(),
            url,
            content_type: "application/json",
            body: Bytes::from(body.to_string()),
            proof: Arc::new(Signed(account.events_secret.clone())),
            manner: Manner::svix(),
            listener: None,
        }))
    }
}

fn word(status: Status) -> Option<&'static str> {
    Some(match status {
        Status::Delivered => "delivered",
        Status::Opened => "opened",
        Status::Clicked => "clicked",
        Status::Bounced | Status::Undelivered | Status::Failed => "bounced",
        Status::Complained => "complained",
        Status::Unsubscribed => "unsubscribed",
        // Whoever handed the mail over knows that it was sent.
        Status::Sent | Status::Queued | Status::Delayed | Status::Read | Status::Dropped => return None,
    })
}

struct Signed(SecretString);

impl Prove for Signed {
    fn headers(&self, _: &str, body: &[u8], now: DateTime<Utc>) -> Vec<(&'static str, String)> {
        let timestamp = now.timestamp().to_string();
        let signature = sign(&self.0, &timestamp, body);
        vec![(SIGNATURE_HEADER, signature), (TIMESTAMP_HEADER, timestamp)]
    }
}
