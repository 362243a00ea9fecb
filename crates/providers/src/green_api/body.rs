//! Reads a notification.

use chrono::{DateTime, Utc};
use domain::PersonalText;
use serde_json::Value;

use crate::event::{
    Button, Call, Channel, DeliveryReport, DeliveryStatus, Event, InboundMessage, Media, News, Origin, Permanence,
    Provider, shown,
};
use crate::identity::identity;
use crate::json::{self, Fields as _, Object};
use crate::refusal::Unreadable;

/// What the end of a chat's id says about it.
const PERSON: &str = "@c.us";
const GROUP: &str = "@g.us";

/// The notification that tells how far a message of ours came.
pub(super) const STATUS: &str = "outgoingMessageStatus";

/// The notification that repeats a message which we sent.
const OURS: &str = "outgoingAPIMessageReceived";

pub(super) fn read(body: &[u8], received_at: DateTime<Utc>) -> Result<Event, Unreadable> {
    of_fields(&json::object(body)?, body, received_at)
}

/// The event of a notification that came as `body`.
pub(super) fn of_fields(fields: &Object, body: &[u8], received_at: DateTime<Utc>) -> Result<Event, Unreadable> {
    let kind = fields
        .text("typeWebhook")
        .ok_or_else(|| Unreadable::new("typeWebhook", "is missing"))?;
    let instance = fields.object("instanceData").id("idInstance");
    let identity = identify(fields, kind, instance.as_deref(), body);
    let origin = Origin {
        provider: Provider::GreenApi,
        kind: Some(kind),
        occurred_at: fields.unix("timestamp").unwrap_or(received_at),
        account: instance,
        raw: kept(kind, fields, body),
    };
    let news = match kind {
        STATUS => report(fields).map(News::Report),
        "incomingMessageReceived" => inbound(fields).map(News::Inbound),
        "incomingCall" => call(fields).map(News::Call),
        "stateInstanceChanged" => state(fields),
        // `outgoingMessageReceived` and [`OURS`] repeat what the customer's people or we wrote.
        _ => None,
    };
    Ok(origin.event(identity, news.unwrap_or(News::Other)))
}

/// What is kept of the notification: all of it, but for the texts that we sent ourselves. One-time codes are among them.
fn kept(kind: &str, fields: &Object, body: &[u8]) -> String {
    if kind != OURS {
        return String::from_utf8_lossy(body).into_owned();
    }
    let mut fields = fields.clone();
    fields.remove("messageData");
    Value::Object(fields).to_string()
}

/// Green-API names messages, not events. A message has one event of each type and status.
fn identify(fields: &Object, kind: &str, instance: Option<&str>, body: &[u8]) -> String {
    let instance = instance.unwrap_or_default();
    let status = fields.text("status").unwrap_or_default();
    match (
        fields.id("idMessage"),
        fields.text("stateInstance"),
        fields.id("timestamp"),
    ) {
        (Some(message), _, _) => identity(["green_api", "message", instance, kind, &message, status]),
        (None, Some(state), Some(at)) => identity(["green_api", "state", instance, kind, state, &at]),
        _ => identity([b"green_api".as_slice(), b"content", body]),
    }
}

fn state(fields: &Object) -> Option<News> {
    let state = fields.text("stateInstance").map(shown);
    state.map(|state| News::SenderState { state })
}

fn report(fields: &Object) -> Option<DeliveryReport> {
    let word = fields.text("status")?;
    let status = match word {
        "sent" => DeliveryStatus::Sent,
        "delivered" => DeliveryStatus::Delivered,
        "read" => DeliveryStatus::Read,
        "failed" | "fail" | "noAccount" | "notInGroup" => DeliveryStatus::Failed,
        // The sender was warned, and its queue stands still; the message is not lost yet.
        "yellowCard" => DeliveryStatus::Delayed,
        _ => return None,
    };
    let is_trouble = matches!(status, DeliveryStatus::Failed | DeliveryStatus::Delayed);
    let will_fail_again = matches!(word, "noAccount" | "notInGroup");
    Some(DeliveryReport {
        external_id: fields.id("idMessage"),
        recipient: fields.text("chatId").map(number),
        error_code: is_trouble.then(|| word.to_owned()),
        reason: fields.personal("description"),
        permanence: will_fail_again.then_some(Permanence::Permanent),
        ..DeliveryReport::new(Channel::Whatsapp, status)
    })
}

fn inbound(fields: &Object) -> Option<InboundMessage> {
    let (sender, message) = (fields.object("senderData"), fields.object("messageData"));
    let kind = message.text("typeMessage").unwrap_or_default();
    // These change or comment on an earlier message. Taken for a new one, they would be answered.
    if matches!(
        kind,
        "reactionMessage" | "editedMessage" | "deletedMessage" | "pollUpdateMessage"
    ) {
        return None;
    }
    let chat = sender.text("chatId");
    let from = sender.text("sender").or(chat)?;
    let button = button(message);
    Some(InboundMessage {
        from_name: sender.personal("senderName"),
        to: fields.object("instanceData").text("wid").map(number),
        group: chat.filter(|chat| chat.ends_with(GROUP)).map(json::personal),
        text: text(message).or_else(|| button.as_ref().and_then(|button| button.label.clone())),
        media: media(message),
        answers: answers(message),
        button,
        ..InboundMessage::new(Channel::Whatsapp, fields.id("idMessage")?, number(from))
    })
}

/// Each type of message keeps its text elsewhere; a message has one of these.
fn text(message: &Object) -> Option<PersonalText> {
    let text = (message.object("textMessageData").text("textMessage"))
        .or_else(|| message.object("extendedTextMessageData").text("text"))
        .or_else(|| message.object("fileMessageData").text("caption"))?;
    // Put in by Green-API for what it could not decrypt or forward.
    let is_stand_in = text.starts_with("{{SWE") && text.ends_with("}}");
    (!is_stand_in).then(|| json::personal(text))
}

fn button(message: &Object) -> Option<Button> {
    // The type is called `templateButtonsReplyMessage`; the object lacks the s.
    let template = message.object("templateButtonReplyMessage");
    let interactive = message.object("interactiveButtonsReply");
    let payload = template
        .personal("selectedId")
        .or_else(|| interactive.personal("selectedId"));
    let label = (template.personal("selectedDisplayText")).or_else(|| interactive.personal("selectedDisplayText"));
    (payload.is_some() || label.is_some()).then_some(Button { payload, label })
}

fn answers(message: &Object) -> Option<String> {
    let places = ["quotedMessage", "templateButtonReplyMessage", "interactiveButtonsReply"];
    places.iter().find_map(|place| message.object(place).id("stanzaId"))
}

fn media(message: &Object) -> Vec<Media> {
    let file = message.object("fileMessageData");
    if file.is_empty() {
        return Vec::new();
    }
    vec![Media {
        url: file.personal("downloadUrl"),
        external_id: None,
        content_type: file.id("mimeType"),
        file_name: file.personal("fileName"),
    }]
}

fn call(fields: &Object) -> Option<Call> {
    Some(Call {
        status: fields.id("status"),
        direction: Some("inbound".into()),
        from: fields.text("from").map(number),
        to: fields.object("instanceData").text("wid").map(number),
        ..Call::new(Channel::Whatsapp, fields.id("idMessage")?)
    })
}

/// A person's number in the form that everybody else uses; groups and what is new keep theirs.
fn number(chat: &str) -> PersonalText {
    match chat.strip_suffix(PERSON) {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            PersonalText::new(format!("+{digits}"))
        }
        _ => json::personal(chat),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_state_that_is_no_word_is_not_shown() {
        let shown = |state: &str| {
            let body = format!(r#"{{"typeWebhook":"stateInstanceChanged","stateInstance":"{state}","timestamp":1}}"#);
            format!("{:?}", read(body.as_bytes(), DateTime::default()).unwrap().news)
        };
        assert_eq!(shown("notAuthorized"), r#"SenderState { state: "notAuthorized" }"#);
        assert_eq!(shown("ana@example.com"), r#"SenderState { state: "unknown" }"#);
    }

    #[test]
    fn what_we_sent_ourselves_is_not_kept_when_it_is_repeated() {
        let notification = |kind: &str| {
            let body = format!(
                r#"{{"typeWebhook":"{kind}","idMessage":"1","messageData":{{"textMessageData":{{"textMessage":"Your code is 987654"}}}}}}"#
            );
            read(body.as_bytes(), DateTime::default()).unwrap().raw
        };
        assert_eq!(
            notification(OURS).expose(),
            r#"{"idMessage":"1","typeWebhook":"outgoingAPIMessageReceived"}"#
        );
        assert!(
            notification("outgoingMessageReceived").expose().contains("987654"),
            "people wrote that"
        );
    }
}
