//! What a sender is answered whose request is taken: each as it needs it.
//!
//! | who asks | answer |
//! |---|---|
//! | e-mail, SendGrid, Resend, Standard Webhooks | 202 `{"job","duplicate"}` |
//! | Green-API | the same with 200: whether it takes another 2xx for a success is not documented |
//! | Vapi | 202 as above, but to a question 200 and the smallest answer that says that nothing was decided |
//! | Twilio, message or call status | 204 |
//! | Twilio, STOP, START and HELP | 200 and TwiML that answers |
//! | Twilio, everything else | 200 and TwiML that does nothing; never `text/plain`, which it would send to the customer |
//!
//! Answers without a JSON body of ours name the job in headers.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use jobs::House;
use providers::{Event, News};
use queue::Receipt;
use serde_json::{Value, json};
use uuid::Uuid;

use super::endpoints::Known;
use super::poster::Poster;
use super::replies;

/// Spoken to whoever calls, or told to the model.
const UNDECIDED: &str = "This is not possible at the moment.";
/// How long Vapi is to wait for a pause to be the end of a sentence: its own default.
const ENDPOINTING_SECONDS: f64 = 0.5;

const JOB_HEADER: HeaderName = HeaderName::from_static("x-relais-job");
const DUPLICATE_HEADER: HeaderName = HeaderName::from_static("x-relais-duplicate");

/// An answer, but for the job.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// `{"job","duplicate"}` with this status.
    Job(StatusCode),
    /// 204.
    Nothing,
    /// A document that has this sent, or does nothing.
    Twiml(Option<String>),
    /// Decides something, if only that nothing is done.
    Json(Value),
    /// Audio of no length.
    Silence,
}

impl Answer {
    /// The answer of most.
    pub(super) const ACCEPTED: Self = Self::Job(StatusCode::ACCEPTED);

    /// What whoever posts to this endpoint needs to hear after these events.
    pub(super) fn to(endpoint: &Known, events: &[Event]) -> Self {
        match (endpoint.poster, events) {
            (Poster::Twilio, [event]) => to_twilio(event, endpoint.house.as_ref()),
            (Poster::Vapi, [event]) => to_vapi(event),
            (Poster::GreenApi, _) => Self::Job(StatusCode::OK),
            (
                Poster::Email | Poster::SendGrid | Poster::Resend | Poster::Standard | Poster::Twilio | Poster::Vapi,
                _,
            ) => Self::ACCEPTED,
        }
    }

    /// The whole answer. `None` when there was nothing to keep.
    pub(super) fn respond(self, receipt: Option<Receipt>) -> Response {
        match self {
            Self::Job(status) => named(status, receipt),
            Self::Nothing => marked(StatusCode::NO_CONTENT, None, Body::empty(), receipt),
            Self::Twiml(text) => {
                let body = Body::from(replies::twiml(text.as_deref()));
                marked(StatusCode::OK, Some("text/xml"), body, receipt)
            }
            Self::Json(value) => {
                let body = Body::from(value.to_string());
                marked(StatusCode::OK, Some("application/json"), body, receipt)
            }
            Self::Silence => marked(StatusCode::OK, Some("application/octet-stream"), Body::empty(), receipt),
        }
    }
}

/// Anything but a status may be a request for TwiML, which an empty document answers without harm.
fn to_twilio(event: &Event, house: Option<&House>) -> Answer {
    match event.news {
        News::Report(_) | News::Call(_) => Answer::Nothing,
        News::Inbound(_) | News::Question(_) | News::SenderState { .. } | News::Other => {
            Answer::Twiml(house.and_then(|house| replies::reply(house, event)))
        }
    }
}

/// Source: the response types of Vapi's server SDK. By the word and not by what is made of it: a chat asks for tools too,
/// without a call.
fn to_vapi(event: &Event) -> Answer {
    let error = json!({ "error": UNDECIDED });
    match event.kind.as_str() {
        "assistant-request" | "transfer-destination-request" | "handoff-destination-request" => Answer::Json(error),
        "tool-calls" => Answer::Json(json!({ "results": refused_tools(event) })),
        "function-call" => Answer::Json(json!({ "result": UNDECIDED })),
        "knowledge-base-request" => Answer::Json(json!({ "documents": [] })),
        "call.endpointing.request" => Answer::Json(json!({ "timeoutSeconds": ENDPOINTING_SECONDS })),
        "voice-request" => Answer::Silence,
        _ => Answer::ACCEPTED,
    }
}

/// Each call of a tool has to be answered, else the model waits for it.
fn refused_tools(event: &Event) -> Vec<Value> {
    let sent: Value = serde_json::from_str(event.raw.expose()).unwrap_or_default();
    let message = &sent["message"];
    let calls = [&message["toolCallList"], &message["toolCalls"]];
    let calls = calls.into_iter().find_map(Value::as_array);
    calls
        .into_iter()
        .flatten()
        .map(|call| {
            let name = [&call["function"]["name"], &call["name"]]
                .into_iter()
                .find(|name| name.is_string());
            json!({ "toolCallId": call["id"], "name": name, "error": UNDECIDED })
        })
        .collect()
}

/// `{"job":"<uuid>","duplicate":false}`, put together by hand: this is the one answer that is given tens of thousands of
/// times a second.
fn named(status: StatusCode, receipt: Option<Receipt>) -> Response {
    let body = match receipt {
        Some(receipt) => {
            let mut id = Uuid::encode_buffer();
            let id: &str = receipt.job.0.hyphenated().encode_lower(&mut id);
            [r#"{"job":""#, id, r#"","duplicate":"#, word(receipt.duplicate), "}"].concat()
        }
        None => r#"{"job":null,"duplicate":false}"#.to_owned(),
    };
    answer(status, Some("application/json"), Body::from(body))
}

fn marked(status: StatusCode, content_type: Option<&'static str>, body: Body, receipt: Option<Receipt>) -> Response {
    let mut response = answer(status, content_type, body);
    if let Some(receipt) = receipt {
        let mut id = Uuid::encode_buffer();
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(receipt.job.0.hyphenated().encode_lower(&mut id)) {
            headers.insert(JOB_HEADER, id);
        }
        headers.insert(DUPLICATE_HEADER, HeaderValue::from_static(word(receipt.duplicate)));
    }
    response
}

fn answer(status: StatusCode, content_type: Option<&'static str>, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if let Some(content_type) = content_type {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}

const fn word(duplicate: bool) -> &'static str {
    if duplicate { "true" } else { "false" }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What Vapi is answered to a message that it sent.
    fn check_vapi(message: Value, expected: Answer) {
        let event = json!({
            "provider": "vapi", "kind": message["type"], "identity": "1", "occurred_at": "2026-03-02T10:00:00Z",
            "news": "other", "raw": json!({ "message": message }).to_string(),
        });
        let event: Event = serde_json::from_value(event).unwrap();
        assert_eq!(to_vapi(&event), expected, "{message}");
    }

    #[test]
    fn vapi_hears_of_every_tool_that_it_called() {
        let called = json!([
            { "id": "call_1", "type": "function", "function": { "name": "book", "arguments": {} } },
            { "id": "call_2", "name": "cancel" }, { "id": "call_3" }
        ]);
        let results = json!({ "results": [
            { "toolCallId": "call_1", "name": "book", "error": UNDECIDED },
            { "toolCallId": "call_2", "name": "cancel", "error": UNDECIDED },
            { "toolCallId": "call_3", "name": null, "error": UNDECIDED },
        ] });
        check_vapi(
            json!({ "type": "tool-calls", "toolCallList": called }),
            Answer::Json(results.clone()),
        );
        check_vapi(
            json!({ "type": "tool-calls", "toolCalls": called }),
            Answer::Json(results),
        );
        check_vapi(json!({ "type": "tool-calls" }), Answer::Json(json!({ "results": [] })));
    }

    #[test]
    fn vapi_is_only_told_that_we_heard_of_what_is_no_question() {
        check_vapi(json!({ "type": "transcript" }), Answer::ACCEPTED);
        check_vapi(json!({ "type": "of-the-future" }), Answer::ACCEPTED);
    }

    #[test]
    fn every_question_of_vapi_is_answered_with_what_it_waits_for() {
        for (kind, field) in [
            ("assistant-request", "error"),
            ("transfer-destination-request", "error"),
            ("handoff-destination-request", "error"),
            ("function-call", "result"),
            ("knowledge-base-request", "documents"),
            ("call.endpointing.request", "timeoutSeconds"),
        ] {
            let event = json!({
                "provider": "vapi", "kind": kind, "identity": "1", "occurred_at": "2026-03-02T10:00:00Z",
                "news": "other", "raw": "{}",
            });
            let Answer::Json(body) = to_vapi(&serde_json::from_value(event).unwrap()) else {
                panic!("{kind} is a question")
            };
            assert!(body.get(field).is_some(), "{kind}: {body}");
        }
        check_vapi(json!({ "type": "voice-request" }), Answer::Silence);
    }
}
