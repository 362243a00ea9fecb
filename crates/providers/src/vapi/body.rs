//! Reads a server message.

use chrono::{DateTime, Utc};
use domain::PersonalText;
use serde_json::Value;

use super::redact::redact;
use crate::event::{Call, Channel, Event, News, Origin, Provider};
use crate::identity::identity;
use crate::json::{Fields as _, Object};
use crate::refusal::Unreadable;

const SHAPE: &str = "must be a JSON object";

pub(super) fn read(body: &[u8], received_at: DateTime<Utc>) -> Result<Event, Unreadable> {
    let mut fields: Object = serde_json::from_slice(body).map_err(|error| Unreadable::body(&error, SHAPE))?;
    let mut message = fields
        .remove("message")
        .filter(Value::is_object)
        .ok_or_else(|| Unreadable::new("message", SHAPE))?;
    redact(&mut message);
    let Value::Object(message) = message else {
        return Err(Unreadable::new("message", SHAPE));
    };
    let kind = message
        .text("type")
        .ok_or_else(|| Unreadable::new("message.type", "is missing"))?
        .to_owned();
    let call = call(&message, &kind);
    let identity = identify(&message, &kind, call.as_ref(), body);
    let news = match (kind.as_str(), call) {
        ("status-update" | "end-of-call-report", Some(call)) => News::Call(call),
        (kind, Some(call)) if asks(kind) => News::Question(call),
        _ => News::Other,
    };
    let origin = Origin {
        provider: Provider::Vapi,
        kind: Some(&kind),
        occurred_at: message.unix("timestamp").unwrap_or(received_at),
        account: message.object("call").id("orgId"),
        raw: serde_json::json!({ "message": message }).to_string(),
    };
    Ok(origin.event(identity, news))
}

/// Vapi does not name its events. Of a status and of a report there is one for each call; of the others there may be
/// many, which their time tells apart.
fn identify(message: &Object, kind: &str, call: Option<&Call>, body: &[u8]) -> String {
    let at = message.id("timestamp");
    match (kind, call, at) {
        ("status-update", Some(call), _) => {
            let status = call.status.as_deref().unwrap_or_default();
            identity(["vapi", "status", &call.external_id, status])
        }
        ("end-of-call-report", Some(call), _) => identity(["vapi", "report", &call.external_id]),
        (_, Some(call), Some(at)) => identity(["vapi", "message", &call.external_id, kind, &at]),
        _ => identity([b"vapi".as_slice(), b"content", body]),
    }
}

/// Whether Vapi waits for what we answer.
fn asks(kind: &str) -> bool {
    matches!(
        kind,
        "assistant-request"
            | "tool-calls"
            | "function-call"
            | "transfer-destination-request"
            | "handoff-destination-request"
            | "knowledge-base-request"
            | "voice-request"
            | "call.endpointing.request"
    )
}

/// Much stands in the message or in its call, some in places of older versions. `None` when no call is named.
fn call(message: &Object, kind: &str) -> Option<Call> {
    let (inner, artifact) = (message.object("call"), message.object("artifact"));
    let instant = |name| message.instant(name).or_else(|| inner.instant(name));
    let (started_at, ended_at) = (instant("startedAt"), instant("endedAt"));
    let status = match kind {
        "end-of-call-report" => Some("ended".to_owned()),
        _ => message.id("status").or_else(|| inner.id("status")),
    };
    let direction = inner.id("type");
    let customer =
        (message.object("customer").personal("number")).or_else(|| inner.object("customer").personal("number"));
    let ours =
        (message.object("phoneNumber").personal("number")).or_else(|| inner.object("phoneNumber").personal("number"));
    let (from, to) = if direction.as_deref() == Some("outboundPhoneCall") {
        (ours, customer)
    } else {
        (customer, ours)
    };
    Some(Call {
        carrier_id: inner.id("phoneCallProviderId"),
        status,
        direction,
        from,
        to,
        assistant_id: inner.id("assistantId").or_else(|| message.object("assistant").id("id")),
        started_at,
        ended_at,
        duration_seconds: duration_seconds(started_at, ended_at),
        ended_reason: message.id("endedReason").or_else(|| inner.id("endedReason")),
        cost_usd: message.get("cost").and_then(Value::as_f64),
        transcript: either(artifact, message, "transcript").filter(|_| kind == "end-of-call-report"),
        summary: message
            .object("analysis")
            .personal("summary")
            .or_else(|| message.personal("summary")),
        recording_url: either(artifact, message, "recordingUrl"),
        ..Call::new(Channel::Voice, inner.id("id")?)
    })
}

fn either(first: &Object, second: &Object, name: &str) -> Option<PersonalText> {
    first.personal(name).or_else(|| second.personal(name))
}

/// Rounded down, as times are elsewhere. `None` too when the end is given before the beginning.
fn duration_seconds(started_at: Option<DateTime<Utc>>, ended_at: Option<DateTime<Utc>>) -> Option<u32> {
    let duration = ended_at?.signed_duration_since(started_at?);
    duration.num_seconds().try_into().ok()
}
