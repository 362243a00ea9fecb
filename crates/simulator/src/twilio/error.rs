//! How Twilio refuses.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::call::Refuse;

/// A refusal with a code of Twilio's dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u32,
    pub(super) message: &'static str,
}

/// What the dictionary says about the codes that are given here. No message repeats a number, although Twilio's do:
/// whoever logs an answer would log it.
pub(super) const REFUSALS: [Refusal; 21] = [
    refusal(20404, "The requested resource was not found"),
    refusal(21211, "Invalid 'To' Phone Number"),
    refusal(21212, "Invalid 'From' Phone Number"),
    refusal(
        21408,
        "Permission to send an SMS has not been enabled for the region indicated by the 'To' number",
    ),
    refusal(21421, "The phone number is invalid"),
    refusal(21422, "The phone number is not available."),
    refusal(21452, "No phone numbers found in this area code."),
    refusal(21602, "Message body is required."),
    refusal(21603, "A 'From' phone number is required."),
    refusal(21604, "A 'To' phone number is required."),
    refusal(
        21606,
        "The 'From' phone number is not a valid, message-capable number for this account",
    ),
    refusal(
        21608,
        "The number is unverified. Trial accounts cannot send messages to unverified numbers",
    ),
    refusal(21609, "The 'StatusCallback' URL is not a valid URL"),
    refusal(21610, "Attempt to send to unsubscribed recipient"),
    refusal(
        21611,
        "This 'From' number has exceeded the maximum number of queued messages",
    ),
    refusal(
        21612,
        "The 'To' phone number is not currently reachable using the 'From' phone number",
    ),
    refusal(21614, "'To' number is not a valid mobile number"),
    refusal(21617, "The concatenated message body exceeds the 1600 character limit"),
    refusal(21620, "Invalid media URL(s)"),
    refusal(21656, "The ContentVariables parameter is invalid."),
    refusal(63007, "Twilio could not find a Channel with the specified From address"),
];

const fn refusal(code: u32, message: &'static str) -> Refusal {
    Refusal { code, message }
}

/// 400 with this code.
pub(super) fn refuse(code: u32) -> Response {
    let known = REFUSALS.iter().find(|refusal| refusal.code == code);
    respond(
        StatusCode::BAD_REQUEST,
        code,
        known.map_or("Bad request", |refusal| refusal.message),
    )
}

pub(super) fn unauthenticated() -> Response {
    respond(StatusCode::UNAUTHORIZED, 20003, "Authenticate")
}

pub(super) fn not_found() -> Response {
    respond(StatusCode::NOT_FOUND, 20404, "The requested resource was not found")
}

fn respond(status: StatusCode, code: u32, message: &str) -> Response {
    let body = json!({
        "code": code,
        "message": message,
        "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
        "status": status.as_u16(),
    });
    (status, Json(body)).into_response()
}

/// Twilio's ways to say no.
#[derive(Debug)]
pub(super) struct Twilio;

impl Refuse for Twilio {
    fn too_many(&self, retry_after_seconds: u64) -> Response {
        let answer = respond(StatusCode::TOO_MANY_REQUESTS, 20429, "Too Many Requests");
        ([(RETRY_AFTER, retry_after_seconds.to_string())], answer).into_response()
    }

    fn server_error(&self, status: StatusCode) -> Response {
        match status {
            StatusCode::SERVICE_UNAVAILABLE => respond(status, 20503, "Service Unavailable"),
            _ => respond(status, 20500, "Internal Server Error"),
        }
    }

    fn refused(&self, status: StatusCode, code: &str) -> Response {
        let code = code.parse().unwrap_or(20001);
        let known = REFUSALS.iter().find(|refusal| refusal.code == code);
        respond(status, code, known.map_or("Refused", |refusal| refusal.message))
    }
}
