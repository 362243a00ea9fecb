//! Tells how far a mail came. Source: SendGrid's documentation, "Event Webhook reference".

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::SendGridAccount;
use super::batch::Event;
use crate::course::{Parcel, Tell};
use crate::script::{Status, Step};
use crate::world::World;

/// Addresses of documentation (RFC 5737).
const SERVER_IP: &str = "192.0.2.25";
const READER_IP: &str = "198.51.100.7";
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64)";
/// Where nobody wrote a link that could be clicked.
const NO_LINK: &str = "https://www.example.com/";
const ID_BYTES: usize = 16;

/// Tells about one mail to one recipient.
pub(super) struct EventTeller {
    pub(super) account: Arc<SendGridAccount>,
    pub(super) id: String,
    pub(super) email: String,
    pub(super) custom_args: BTreeMap<String, String>,
    pub(super) categories: Vec<String>,
    pub(super) link: Option<String>,
    pub(super) send_at: i64,
}

impl Tell for EventTeller {
    fn tell(&self, world: &Arc<World>, step: &Step, happened_at: DateTime<Utc>) -> Option<Parcel> {
        self.account.events_url.as_ref()?;
        let (kind, particular) = self.particular(step)?;
        let event_id = world.look(|state| URL_SAFE_NO_PAD.encode(&state.dice.id()[..ID_BYTES]));
        // Custom arguments lie beside SendGrid's own fields, which win.
        let arguments = self.custom_args.iter();
        let mut fields: Map<String, Value> = arguments.map(|(name, value)| (name.clone(), json!(value))).collect();
        fields.extend(particular);
        fields.insert("email".into(), json!(self.email));
        fields.insert("timestamp".into(), json!(happened_at.timestamp()));
        fields.insert("event".into(), json!(kind));
        fields.insert("sg_event_id".into(), json!(event_id));
        // The servers on its way have added to it.
        fields.insert(
            "sg_message_id".into(),
            json!(format!("{}.recvd-simulator-1.0", self.id)),
        );
        if !self.categories.is_empty() {
            fields.insert("category".into(), json!(self.categories));
        }
        Some(Parcel::Batched(Event {
            account: Arc::clone(&self.account),
            kind,
            fields: Value::Object(fields),
        }))
    }
}

impl EventTeller {
    /// SendGrid's word, and what it says with it. None for what it does not tell.
    fn particular(&self, step: &Step) -> Option<(&'static str, Map<String, Value>)> {
        let code = |usual: &'static str| step.code.clone().unwrap_or_else(|| usual.to_owned());
        let bounce = |kind: &str, usual: &'static str, class: &str, text: &str| {
            let status = code(usual);
            json!({
                "type": kind, "status": status, "reason": format!("550 {status} {text}"),
                "bounce_classification": class, "tls": 1, "ip": SERVER_IP,
            })
        };
        let (kind, fields) = match step.status {
            Status::Sent => ("processed", json!({ "send_at": self.send_at })),
            Status::Delayed => {
                let response = format!("451 {} try again later", code("4.7.1"));
                (
                    "deferred",
                    json!({ "response": response, "attempt": "1", "tls": 1, "ip": SERVER_IP }),
                )
            }
            Status::Delivered => (
                "delivered",
                json!({ "response": "250 2.0.0 OK", "tls": 1, "ip": SERVER_IP }),
            ),
            Status::Bounced => ("bounce", bounce("bounce", "5.1.1", "Invalid Address", "user unknown")),
            Status::Undelivered => ("bounce", bounce("blocked", "5.7.1", "Reputation", "rejected by policy")),
            Status::Failed | Status::Dropped => (
                "dropped",
                json!({ "reason": "Bounced Address", "status": code("5.0.0") }),
            ),
            Status::Opened => (
                "open",
                json!({
                    "useragent": USER_AGENT, "ip": READER_IP, "sg_machine_open": false, "sg_content_type": "html",
                }),
            ),
            Status::Clicked => {
                let url = self.link.as_deref().unwrap_or(NO_LINK);
                let offset = json!({ "index": 0, "type": "html" });
                (
                    "click",
                    json!({ "url": url, "url_offset": offset, "useragent": USER_AGENT, "ip": READER_IP }),
                )
            }
            Status::Complained => ("spamreport", json!({})),
            Status::Unsubscribed => ("unsubscribe", json!({})),
            Status::Queued | Status::Read => return None,
        };
        let mut fields = fields.as_object().cloned().unwrap_or_default();
        if matches!(kind, "processed" | "deferred" | "delivered" | "bounce" | "dropped") {
            fields.insert("smtp-id".into(), json!(format!("<{}@simulator>", self.id)));
        }
        Some((kind, fields))
    }
}
