//! A message as Twilio's API tells of it (documentation, "Messages resource").

use chrono::{DateTime, Utc};
use domain::E164;

use super::body::{self, status_identity};
use super::message::Message;
use crate::event::{DeliveryReport, DeliveryStatus, Event, News, Origin, Provider};
use crate::json::{self, Fields as _, Object};
use crate::outgoing::TextFrom;
use crate::sender::Sent;

/// What Twilio took the message for.
pub(super) fn sent(fields: &Object) -> Option<Sent> {
    Some(Sent {
        external_id: fields.id("sid")?,
        status: fields
            .text("status")
            .and_then(body::status)
            .unwrap_or(DeliveryStatus::Accepted),
    })
}

/// The event that a status callback would have told, so that both count once.
pub(super) fn event(fields: &Object, raw: String, now: DateTime<Utc>) -> Option<Event> {
    let (id, word) = (fields.id("sid")?, fields.text("status")?);
    let (channel, to) = body::split(fields.text("to").unwrap_or_default());
    let origin = Origin {
        provider: Provider::Twilio,
        kind: Some(word),
        occurred_at: instant(fields, "date_updated").unwrap_or(now),
        account: fields.id("account_sid"),
        raw,
    };
    let identity = status_identity(&id, word);
    let report = body::status(word).map(|status| DeliveryReport {
        external_id: Some(id),
        recipient: (!to.is_empty()).then(|| json::personal(to)),
        error_code: fields.id("error_code").filter(|code| code != "0"),
        reason: fields.personal("error_message"),
        ..DeliveryReport::new(channel, status)
    });
    Some(origin.event(identity, report.map_or(News::Other, News::Report)))
}

/// When Twilio took it.
pub(super) fn created_at(fields: &Object) -> Option<DateTime<Utc>> {
    instant(fields, "date_created")
}

/// Whether it may be `message`: it went the same way from and to the same numbers, and says the same.
pub(super) fn may_be(fields: &Object, message: &Message<'_>) -> bool {
    let is_ours = fields.text("direction") == Some("outbound-api");
    let is_to = fields.text("to").is_some_and(|to| is_number(to, message, message.to));
    let is_from = match message.from {
        TextFrom::Number(number) => fields.text("from").is_some_and(|from| is_number(from, message, number)),
        TextFrom::Service(service) => fields.text("messaging_service_sid") == Some(service.as_str()),
        TextFrom::Name(name) => fields.text("from") == Some(name.as_str()),
    };
    // Trial accounts have a sentence put in front.
    let says = |text: &str| fields.text("body").unwrap_or_default().trim().ends_with(text.trim());
    is_ours && is_to && is_from && message.text.is_none_or(says)
}

fn is_number(address: &str, message: &Message<'_>, number: &E164) -> bool {
    let bare = address.strip_prefix("whatsapp:");
    bare.is_some() == message.is_whatsapp && E164::parse(bare.unwrap_or(address)).as_ref() == Ok(number)
}

fn instant(fields: &Object, name: &str) -> Option<DateTime<Utc>> {
    let instant = DateTime::parse_from_rfc2822(fields.text(name)?).ok()?;
    Some(instant.to_utc())
}
