//! Reads an event.

use std::collections::BTreeMap;

use domain::PersonalText;
use serde_json::Value;

use crate::event::{
    Channel, DeliveryReport, DeliveryStatus, Event, InboundMessage, Media, News, Origin, Permanence, Provider,
};
use crate::identity::identity;
use crate::json::{self, Fields as _, Object};
use crate::refusal::Unreadable;
use crate::standard_webhooks::Genuine;

pub(super) fn read(body: &[u8], genuine: &Genuine<'_>) -> Result<Event, Unreadable> {
    let fields = json::object(body)?;
    let kind = fields
        .text("type")
        .ok_or_else(|| Unreadable::new("type", "is missing"))?;
    let data = fields.object("data");
    let origin = Origin {
        provider: Provider::Resend,
        kind: Some(kind),
        // The time inside `data` is that of the mail.
        occurred_at: fields.instant("created_at").unwrap_or(genuine.sent_at),
        account: None,
        raw: String::from_utf8_lossy(body).into_owned(),
    };
    let news = match kind {
        "email.received" => inbound(data).map(News::Inbound),
        kind => status(kind).map(|status| News::Report(report(data, status))),
    };
    let identity = identity([b"resend", b"svix-id".as_slice(), genuine.id]);
    Ok(origin.event(identity, news.unwrap_or(News::Other)))
}

fn status(kind: &str) -> Option<DeliveryStatus> {
    Some(match kind {
        "email.scheduled" => DeliveryStatus::Scheduled,
        "email.sent" => DeliveryStatus::Sent,
        "email.delivered" => DeliveryStatus::Delivered,
        "email.delivery_delayed" => DeliveryStatus::Delayed,
        "email.bounced" => DeliveryStatus::Bounced,
        "email.failed" => DeliveryStatus::Failed,
        "email.suppressed" => DeliveryStatus::Dropped,
        "email.opened" => DeliveryStatus::Opened,
        "email.clicked" => DeliveryStatus::Clicked,
        "email.complained" => DeliveryStatus::Complained,
        _ => return None,
    })
}

fn report(data: &Object, status: DeliveryStatus) -> DeliveryReport {
    let mut report = DeliveryReport {
        external_id: data.id("email_id"),
        recipient: only_recipient(data),
        subject: data.personal("subject"),
        tags: tags(data),
        ..DeliveryReport::new(Channel::Email, status)
    };
    match status {
        DeliveryStatus::Bounced => {
            let bounce = data.object("bounce");
            report.error_code = bounce.id("subType");
            report.reason = explanation(bounce);
            report.permanence = permanence(bounce.text("type"));
        }
        DeliveryStatus::Dropped => {
            let suppressed = data.object("suppressed");
            report.error_code = suppressed.id("reason").or_else(|| suppressed.id("type"));
            report.reason = explanation(suppressed);
        }
        DeliveryStatus::Failed => report.error_code = data.object("failed").id("reason"),
        DeliveryStatus::Clicked => report.url = data.object("click").personal("link"),
        DeliveryStatus::Delayed => report.permanence = Some(Permanence::Transient),
        _ => {}
    }
    report
}

/// What the receiving server said; else what Resend says.
fn explanation(details: &Object) -> Option<PersonalText> {
    let said = details.list("diagnosticCode").first().and_then(Value::as_str);
    said.map(json::personal).or_else(|| details.personal("message"))
}

/// "Temporary" stands in an older page of the documentation. "Undetermined" is neither.
fn permanence(word: Option<&str>) -> Option<Permanence> {
    match word {
        Some("Permanent") => Some(Permanence::Permanent),
        Some("Transient" | "Temporary") => Some(Permanence::Transient),
        _ => None,
    }
}

/// A mail to several people has one event for some of them, and does not say for whom.
fn only_recipient(data: &Object) -> Option<PersonalText> {
    match data.list("to") {
        [Value::String(only)] => Some(json::personal(mailbox(only).1)),
        _ => None,
    }
}

/// An object of texts. (When sent, it was a list of pairs.)
fn tags(data: &Object) -> BTreeMap<String, PersonalText> {
    let tags = data.object("tags").iter();
    tags.filter_map(|(name, value)| Some((name.clone(), json::personal(value.as_str()?))))
        .collect()
}

/// A mail that came in. Only what is written on it: its body has to be fetched.
fn inbound(data: &Object) -> Option<InboundMessage> {
    let (name, from) = mailbox(data.text("from")?);
    let to = data.list("to").first().and_then(Value::as_str);
    Some(InboundMessage {
        from_name: name.map(json::personal),
        to: to.map(|to| json::personal(mailbox(to).1)),
        subject: data.personal("subject"),
        media: data.list("attachments").iter().filter_map(attachment).collect(),
        ..InboundMessage::new(Channel::Email, data.id("email_id")?, json::personal(from))
    })
}

fn attachment(value: &Value) -> Option<Media> {
    let fields = value.as_object()?;
    Some(Media {
        url: None,
        external_id: fields.id("id"),
        content_type: fields.id("content_type"),
        file_name: fields.personal("filename"),
    })
}

/// The name and the address in `Name <address>`; else all of it is the address.
fn mailbox(text: &str) -> (Option<&str>, &str) {
    let parts = text.trim().strip_suffix('>').and_then(|text| text.rsplit_once('<'));
    match parts {
        Some((name, address)) => {
            let name = name.trim().trim_matches('"');
            ((!name.is_empty()).then_some(name), address.trim())
        }
        None => (None, text.trim()),
    }
}
