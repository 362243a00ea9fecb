//! Messages as Green-API tells of them (documentation, "ShowMessagesQueue", "LastOutgoingMessages", "GetMessage").

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::body::{STATUS, of_fields};
use crate::event::{DeliveryStatus, Event};
use crate::json::{Fields as _, Object};
use crate::sender::Sent;

/// A message in the queue, if it says `text` to `chat`.
pub(super) fn queued(fields: &Object, chat: &str, text: &str) -> Option<Sent> {
    let body = fields.object("body");
    let is_it = body.text("chatId") == Some(chat) && body.text("message").is_some_and(|said| is_same(said, text));
    Some(Sent {
        external_id: fields.id("messageID").filter(|_| is_it)?,
        status: DeliveryStatus::Queued,
    })
}

/// A message in the journal, if it says `text` to `chat` and was sent by the API since.
pub(super) fn journaled(fields: &Object, chat: &str, text: &str, since: DateTime<Utc>) -> Option<Sent> {
    let by_api = fields.get("sendByApi").and_then(Value::as_bool) != Some(false);
    let is_recent = fields.unix("timestamp").is_none_or(|at| at >= since);
    // A text with a link in it becomes another type of message.
    let said = fields
        .text("textMessage")
        .or_else(|| fields.object("extendedTextMessage").text("text"));
    let is_it = fields.text("chatId") == Some(chat) && said.is_some_and(|said| is_same(said, text));
    Some(Sent {
        external_id: fields.id("idMessage").filter(|_| is_it && by_api && is_recent)?,
        status: match fields.text("statusMessage") {
            Some("sent") => DeliveryStatus::Sent,
            Some("delivered") => DeliveryStatus::Delivered,
            Some("read") => DeliveryStatus::Read,
            Some("failed" | "noAccount" | "notInGroup") => DeliveryStatus::Failed,
            _ => DeliveryStatus::Queued,
        },
    })
}

/// The event that a status notification would have told, so that both count once. `None` while there is no status.
pub(super) fn event(fields: &Object, raw: &[u8], instance: u64, now: DateTime<Utc>) -> Option<Event> {
    let notification = json!({
        "typeWebhook": STATUS,
        "instanceData": { "idInstance": instance },
        "timestamp": fields.get("timestamp"),
        "idMessage": fields.id("idMessage")?,
        "chatId": fields.get("chatId"),
        "status": fields.text("statusMessage").filter(|status| *status != "pending")?,
    });
    of_fields(notification.as_object()?, raw, now).ok()
}

fn is_same(said: &str, text: &str) -> bool {
    said.trim() == text.trim()
}
