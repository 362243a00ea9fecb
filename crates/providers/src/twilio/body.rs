//! Reads what Twilio tells.
//!
//! Twilio does not say what kind of request it makes; the parameters that are there tell it.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use domain::PersonalText;

use super::form::Form;
use super::webhook::Content;
use crate::Request;
use crate::event::{
    Button, Call, Channel, DeliveryReport, DeliveryStatus, Event, InboundMessage, Media, News, Origin, Provider,
};
use crate::identity::identity;
use crate::json;
use crate::refusal::Unreadable;

/// More media than any message has; a larger number in a request is not believed.
const MEDIA_MAX: usize = 10;

pub(super) fn read(request: &Request<'_>, content: Content) -> Result<Event, Unreadable> {
    match content {
        Content::Form(form) => Ok(from_form(&form, request)),
        Content::Hashed => from_json(request),
    }
}

/// Newer products send JSON. None of those is ours yet, so they are only kept.
fn from_json(request: &Request<'_>) -> Result<Event, Unreadable> {
    json::object(request.body)?;
    let origin = origin(request, None, None, String::from_utf8_lossy(request.body));
    let identity = identity([b"twilio", b"json".as_slice(), request.body]);
    Ok(origin.event(identity, News::Other))
}

fn from_form(form: &Form, request: &Request<'_>) -> Event {
    let raw = if request.body.is_empty() {
        super::url::query(request.url).as_bytes()
    } else {
        request.body
    };
    let raw = String::from_utf8_lossy(raw);
    if let Some(call_id) = id(form, "CallSid") {
        return call(form, request, call_id, raw);
    }
    let Some(message_id) = id(form, "MessageSid").or_else(|| id(form, "SmsSid")) else {
        return origin(request, Some(form), None, raw).event(content_identity(form), News::Other);
    };
    let word = form.text("MessageStatus").or_else(|| form.text("SmsStatus"));
    match word.as_deref() {
        Some("received" | "receiving") | None => inbound(form, request, message_id, raw),
        Some(word) => report(form, request, message_id, word, raw),
    }
}

fn origin<'a>(request: &Request<'_>, form: Option<&Form>, kind: Option<&'a str>, raw: Cow<'_, str>) -> Origin<'a> {
    Origin {
        provider: Provider::Twilio,
        kind,
        occurred_at: form.and_then(timestamp).unwrap_or(request.received_at),
        account: form.and_then(|form| id(form, "AccountSid")),
        raw: raw.into_owned(),
    }
}

fn report(form: &Form, request: &Request<'_>, message_id: String, word: &str, raw: Cow<'_, str>) -> Event {
    let identity = status_identity(&message_id, word);
    let (channel, to) = address(form, "To");
    let news = status(word).map(|status| {
        News::Report(DeliveryReport {
            external_id: Some(message_id),
            recipient: to,
            error_code: id(form, "ErrorCode").filter(|code| code != "0"),
            reason: personal(form, "ChannelStatusMessage").or_else(|| personal(form, "ErrorMessage")),
            ..DeliveryReport::new(channel, status)
        })
    });
    origin(request, Some(form), Some(word), raw).event(identity, news.unwrap_or(News::Other))
}

/// A message has each status once, whoever tells of it: a callback, or the answer to a question of ours.
pub(super) fn status_identity(message_id: &str, word: &str) -> String {
    identity(["twilio", "status", message_id, word])
}

pub(super) fn status(word: &str) -> Option<DeliveryStatus> {
    Some(match word {
        "accepted" => DeliveryStatus::Accepted,
        "scheduled" => DeliveryStatus::Scheduled,
        "queued" => DeliveryStatus::Queued,
        "sending" => DeliveryStatus::Sending,
        "sent" => DeliveryStatus::Sent,
        "delivered" => DeliveryStatus::Delivered,
        "read" => DeliveryStatus::Read,
        "undelivered" => DeliveryStatus::Undelivered,
        "failed" => DeliveryStatus::Failed,
        "canceled" => DeliveryStatus::Canceled,
        _ => return None,
    })
}

fn inbound(form: &Form, request: &Request<'_>, message_id: String, raw: Cow<'_, str>) -> Event {
    let identity = identity(["twilio", "inbound", &message_id]);
    let origin = origin(request, Some(form), Some("received"), raw);
    let (channel, Some(from)) = address(form, "From") else {
        return origin.event(identity, News::Other);
    };
    let message = InboundMessage {
        from_name: personal(form, "ProfileName"),
        to: address(form, "To").1,
        text: personal(form, "Body"),
        button: button(form),
        media: media(form),
        answers: id(form, "OriginalRepliedMessageSid"),
        opt_out: id(form, "OptOutType"),
        ..InboundMessage::new(channel, message_id, from)
    };
    origin.event(identity, News::Inbound(message))
}

fn button(form: &Form) -> Option<Button> {
    let (payload, label) = (personal(form, "ButtonPayload"), personal(form, "ButtonText"));
    // An answer to a list names the same two things in its own way.
    let payload = payload.or_else(|| personal(form, "ListId"));
    let label = label.or_else(|| personal(form, "ListTitle"));
    (payload.is_some() || label.is_some()).then_some(Button { payload, label })
}

fn media(form: &Form) -> Vec<Media> {
    let count = form.text("NumMedia").and_then(|count| count.parse().ok()).unwrap_or(0);
    let media = (0..MEDIA_MAX.min(count)).map(|at| Media {
        url: personal(form, &format!("MediaUrl{at}")),
        external_id: None,
        content_type: id(form, &format!("MediaContentType{at}")),
        file_name: None,
    });
    media.filter(|media| media.url.is_some()).collect()
}

fn call(form: &Form, request: &Request<'_>, call_id: String, raw: Cow<'_, str>) -> Event {
    let status = id(form, "CallStatus");
    let dialed_status = id(form, "DialCallStatus");
    let number = |name| form.text(name).and_then(|text| text.parse::<u32>().ok());
    let sequence = number("SequenceNumber");
    let identity = match (&dialed_status, sequence) {
        (Some(dialed), _) => {
            let leg = id(form, "DialCallSid").unwrap_or_default();
            identity(["twilio", "call", &call_id, "dialed", &leg, dialed])
        }
        (None, Some(sequence)) => identity(["twilio", "call", &call_id, "sequence", &u32::to_string(&sequence)]),
        (None, None) => identity([
            "twilio",
            "call",
            &call_id,
            "status",
            status.as_deref().unwrap_or_default(),
        ]),
    };
    // A status callback only tells; everything else asks for TwiML, until the call is over.
    let is_over = matches!(
        status.as_deref(),
        Some("completed" | "busy" | "failed" | "no-answer" | "canceled")
    );
    let tells = dialed_status.is_none() && (sequence.is_some() || form.has("CallbackSource") || is_over);
    let kind = status.clone();
    let call = Call {
        parent_id: id(form, "ParentCallSid"),
        dialed_id: id(form, "DialCallSid"),
        dialed_status,
        status,
        sequence,
        direction: id(form, "Direction"),
        from: address(form, "From").1,
        to: address(form, "To").1,
        duration_seconds: number("DialCallDuration").or_else(|| number("CallDuration")),
        recording_url: personal(form, "RecordingUrl"),
        ..Call::new(Channel::Voice, call_id)
    };
    let news = if tells { News::Call(call) } else { News::Question(call) };
    origin(request, Some(form), kind.as_deref(), raw).event(identity, news)
}

/// What nothing names is told apart by all that it says.
fn content_identity(form: &Form) -> String {
    let pairs = form
        .sorted()
        .into_iter()
        .flat_map(|(name, value)| [name.as_slice(), value]);
    identity([b"twilio".as_slice(), b"content"].into_iter().chain(pairs))
}

/// Where from or to, and by which way. `whatsapp:` in front names the way and is left out.
fn address(form: &Form, name: &str) -> (Channel, Option<PersonalText>) {
    match form.text(name) {
        Some(text) => {
            let (channel, address) = split(&text);
            (channel, Some(json::personal(address)))
        }
        None => (Channel::Sms, None),
    }
}

/// The way, and the address without the prefix that names it.
pub(super) fn split(address: &str) -> (Channel, &str) {
    match address.split_once(':') {
        Some(("whatsapp", number)) => (Channel::Whatsapp, number),
        Some(_) => (Channel::Other, address),
        None => (Channel::Sms, address),
    }
}

/// Calls carry the time in RFC 2822. Messages carry none that could be used: the carrier's has no time zone.
fn timestamp(form: &Form) -> Option<DateTime<Utc>> {
    let text = form.text("Timestamp")?;
    DateTime::parse_from_rfc2822(&text).ok().map(|instant| instant.to_utc())
}

fn id(form: &Form, name: &str) -> Option<String> {
    json::usable_id(&form.text(name)?)
}

fn personal(form: &Form, name: &str) -> Option<PersonalText> {
    form.text(name).map(|text| json::personal(&text))
}
