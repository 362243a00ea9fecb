//! Reads a batch of events.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::PersonalText;
use serde_json::value::RawValue;

use crate::event::{Channel, DeliveryReport, DeliveryStatus, Event, News, Origin, Permanence, Provider, shown};
use crate::identity::identity;
use crate::json::{self, Fields as _, Object};
use crate::refusal::Unreadable;

const LIST: &str = "must be a JSON array of objects";

/// Reads `body`, which was signed at `sent_at`.
pub(super) fn read(body: &[u8], sent_at: DateTime<Utc>) -> Result<Vec<Event>, Unreadable> {
    let elements: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| Unreadable::body(&error, LIST))?;
    elements
        .into_iter()
        .map(|element| event(element.get(), sent_at))
        .collect()
}

fn event(raw: &str, sent_at: DateTime<Utc>) -> Result<Event, Unreadable> {
    let fields: Object = serde_json::from_str(raw).map_err(|error| Unreadable::body(&error, LIST))?;
    let kind = fields.text("event");
    let origin = Origin {
        provider: Provider::SendGrid,
        kind,
        occurred_at: fields.unix("timestamp").unwrap_or(sent_at),
        account: None,
        raw: raw.to_owned(),
    };
    // SendGrid names every event. One without a name is told apart by all that it says.
    let identity = match fields.text("sg_event_id") {
        Some(id) => identity(["sendgrid", "sg_event_id", id]),
        None => identity(["sendgrid", "content", raw]),
    };
    let news = match kind {
        Some("account_status_change") => state(&fields),
        Some(kind) => status(kind).map(|status| News::Report(report(&fields, status))),
        None => None,
    };
    Ok(origin.event(identity, news.unwrap_or(News::Other)))
}

fn state(fields: &Object) -> Option<News> {
    let state = fields.text("type").map(shown);
    state.map(|state| News::SenderState { state })
}

fn status(kind: &str) -> Option<DeliveryStatus> {
    Some(match kind {
        "processed" => DeliveryStatus::Sent,
        "deferred" => DeliveryStatus::Delayed,
        "delivered" => DeliveryStatus::Delivered,
        "bounce" => DeliveryStatus::Bounced,
        "dropped" => DeliveryStatus::Dropped,
        "open" => DeliveryStatus::Opened,
        "click" => DeliveryStatus::Clicked,
        // One word on the wire; some tables of the documentation print two.
        "spamreport" | "spam report" => DeliveryStatus::Complained,
        "unsubscribe" | "group_unsubscribe" => DeliveryStatus::Unsubscribed,
        "group_resubscribe" => DeliveryStatus::Resubscribed,
        _ => return None,
    })
}

fn report(fields: &Object, status: DeliveryStatus) -> DeliveryReport {
    DeliveryReport {
        external_id: fields.text("sg_message_id").and_then(message_id),
        recipient: fields.personal("email"),
        error_code: fields.id("status"),
        reason: fields.personal("reason").or_else(|| fields.personal("response")),
        permanence: permanence(fields, status),
        url: (status == DeliveryStatus::Clicked)
            .then(|| fields.personal("url"))
            .flatten(),
        by_machine: fields.get("sg_machine_open").and_then(serde_json::Value::as_bool) == Some(true),
        tags: custom_arguments(fields),
        ..DeliveryReport::new(Channel::Email, status)
    }
}

/// What sending answered in `X-Message-Id`: here, servers have added more after a dot.
fn message_id(text: &str) -> Option<String> {
    json::usable_id(text.split('.').next()?)
}

fn permanence(fields: &Object, status: DeliveryStatus) -> Option<Permanence> {
    match (status, fields.text("type")) {
        (DeliveryStatus::Delayed, _) | (DeliveryStatus::Bounced, Some("blocked")) => Some(Permanence::Transient),
        (DeliveryStatus::Bounced, Some("bounce")) => Some(Permanence::Permanent),
        _ => None,
    }
}

/// SendGrid writes custom arguments beside its own fields. So they are the texts that it did not write itself.
fn custom_arguments(fields: &Object) -> BTreeMap<String, PersonalText> {
    let custom = fields.iter().filter(|(name, _)| !is_reserved(name));
    custom
        .filter_map(|(name, value)| Some((name.clone(), json::personal(value.as_str()?))))
        .collect()
}

fn is_reserved(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "asm_group_id",
        "attempt",
        "bounce_classification",
        "category",
        "cert_err",
        "email",
        "event",
        "ip",
        "pool",
        "reason",
        "response",
        "send_at",
        "smtp-id",
        "status",
        "template",
        "timestamp",
        "tls",
        "type",
        "url",
        "url_offset",
        "useragent",
    ];
    const PREFIXES: &[&str] = &[
        "sg_",
        "mc_",
        "marketing_campaign_",
        "singlesend_",
        "phase_id",
        "post_type",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
