//! Tells how far a mail came. Source: Resend's documentation, "Webhooks", "Event Types".

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use providers::standard_webhooks::sign;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::account::ResendAccount;
use super::memory::Mail;
use crate::callback::{Callback, Manner, Prove};
use crate::course::{Parcel, Tell};
use crate::provider::Provider;
use crate::script::{Status, Step};
use crate::world::World;

/// Where nobody wrote a link that could be clicked.
const NO_LINK: &str = "https://www.example.com/";

/// Tells about one mail.
pub(super) struct EventTeller {
    pub(super) account: Arc<ResendAccount>,
    pub(super) mail: Mail,
    pub(super) link: Option<String>,
}

impl Tell for EventTeller {
    fn tell(&self, world: &Arc<World>, step: &Step, happened_at: DateTime<Utc>) -> Option<Parcel> {
        let (kind, particular) = self.particular(step, happened_at)?;
        let mut data = data(&self.mail);
        if let Some((name, value)) = particular {
            data[name] = value;
        }
        let callback = callback(world, &self.account, kind, &self.mail.id, &data, happened_at)?;
        Some(Parcel::Alone(callback))
    }
}

impl EventTeller {
    /// Resend's word, and what it says with it. None for what it does not tell.
    fn particular(&self, step: &Step, at: DateTime<Utc>) -> Option<(&'static str, Option<(&'static str, Value)>)> {
        let code = |usual: &'static str| step.code.as_deref().unwrap_or(usual);
        let bounce = |kind: &str, usual: &'static str, text: &str| {
            json!({
                "type": kind, "subType": code(usual), "message": text, "diagnosticCode": [format!("smtp; {text}")],
            })
        };
        Some(match step.status {
            Status::Sent => ("email.sent", None),
            Status::Delayed => ("email.delivery_delayed", None),
            Status::Delivered => ("email.delivered", None),
            Status::Opened => ("email.opened", None),
            Status::Clicked => {
                let click = json!({
                    "ipAddress": "198.51.100.7",
                    "link": self.link.as_deref().unwrap_or(NO_LINK),
                    "timestamp": instant(at),
                    "userAgent": "Mozilla/5.0 (X11; Linux x86_64)",
                });
                ("email.clicked", Some(("click", click)))
            }
            Status::Bounced => {
                let bounce = bounce("Permanent", "General", "550 5.1.1 user unknown");
                ("email.bounced", Some(("bounce", bounce)))
            }
            Status::Undelivered => {
                let bounce = bounce("Transient", "MailboxFull", "452 4.2.2 mailbox full");
                ("email.bounced", Some(("bounce", bounce)))
            }
            Status::Failed => {
                let failed = json!({ "reason": code("reached_daily_quota") });
                ("email.failed", Some(("failed", failed)))
            }
            Status::Dropped => {
                let suppressed = json!({
                    "type": "OnAccountSuppressionList",
                    "reason": code("previous_bounce"),
                    "message": "The address is on the suppression list.",
                    "diagnosticCode": [],
                });
                ("email.suppressed", Some(("suppressed", suppressed)))
            }
            Status::Complained => ("email.complained", None),
            Status::Queued | Status::Read | Status::Unsubscribed => return None,
        })
    }
}

/// What all events say about a mail.
fn data(mail: &Mail) -> Value {
    json!({
        "email_id": mail.id,
        "message_id": mail.message_id,
        "created_at": instant(mail.created_at),
        "from": mail.body.from,
        "to": mail.body.to.list(),
        "subject": mail.body.subject,
        "tags": mail.body.tags(),
    })
}

pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A request of Resend to our side. None when nobody wants to hear it.
pub(super) fn callback(
    world: &World,
    account: &ResendAccount,
    kind: &str,
    about: &str,
    data: &Value,
    at: DateTime<Utc>,
) -> Option<Callback> {
    let url = account.webhook_url.clone()?;
    let body = json!({ "type": kind, "created_at": instant(at), "data": data });
    let id = world.look(|state| format!("msg_{}", state.dice.hex(27)));
    Some(Callback {
        provider: Provider::Resend,
        account: account.name.clone(),
        external_id: Some(about.to_owned()),
        kind: kind.to_owned(),
        url,
        content_type: "application/json",
        body: Bytes::from(body.to_string()),
        proof: Arc::new(Signed {
            secret: account.webhook_secret.clone(),
            id,
        }),
        manner: Manner::svix(),
        listener: None,
    })
}

/// Signed as Svix does.
struct Signed {
    secret: SecretString,
    /// The same on all attempts.
    id: String,
}

impl Prove for Signed {
    fn headers(&self, _: &str, body: &[u8], now: DateTime<Utc>) -> Vec<(&'static str, String)> {
        let timestamp = now.timestamp().to_string();
        // An account with a URL is taken on only with a secret that signs.
        let signature = sign(&self.secret, &self.id, &timestamp, body).unwrap_or_default();
        vec![
            ("svix-id", self.id.clone()),
            ("svix-timestamp", timestamp),
            ("svix-signature", signature),
        ]
    }
}
