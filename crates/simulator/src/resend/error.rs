//! How Resend refuses: `{"statusCode","name","message"}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::call::Refuse;

/// One way to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    pub(super) name: &'static str,
    message: &'static str,
}

const fn refusal(status: u16, name: &'static str, message: &'static str) -> Refusal {
    Refusal { status, name, message }
}

pub(super) const MISSING_KEY: Refusal = refusal(401, "missing_api_key", "Missing API key in the authorization header");
pub(super) const INVALID_KEY: Refusal = refusal(403, "invalid_api_key", "API key is invalid");
pub(super) const NOT_FOUND: Refusal = refusal(404, "not_found", "The requested endpoint does not exist");
pub(super) const METHOD_NOT_ALLOWED: Refusal = refusal(
    405,
    "method_not_allowed",
    "Method is not allowed for the requested path",
);
pub(super) const NOT_READABLE: Refusal = refusal(400, "validation_error", "The request body is not valid JSON.");
pub(super) const KEY_TOO_LONG: Refusal = refusal(
    400,
    "invalid_idempotency_key",
    "The idempotency key has to be between 1 and 256 characters.",
);
pub(super) const OTHER_BODY: Refusal = refusal(
    409,
    "invalid_idempotent_request",
    "This idempotency key has been used with a different request body.",
);
pub(super) const STILL_RUNNING: Refusal = refusal(
    409,
    "concurrent_idempotent_requests",
    "The same idempotency key is in use by a request that is still running.",
);
pub(super) const MISSING_FIELD: Refusal = refusal(
    422,
    "missing_required_field",
    "The request body is missing one or more required fields.",
);
pub(super) const INVALID_FROM: Refusal = refusal(422, "invalid_from_address", "Invalid `from` field.");
pub(super) const INVALID_PARAMETER: Refusal = refusal(422, "invalid_parameter", "A parameter is invalid.");
const RATE_LIMIT: Refusal = refusal(
    429,
    "rate_limit_exceeded",
    "Too many requests. You can only make 10 requests per second.",
);
const DAILY_QUOTA: Refusal = refusal(
    429,
    "daily_quota_exceeded",
    "You have reached your daily email sending quota.",
);

impl Refusal {
    pub(super) fn respond(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        respond(status, self.name, self.message)
    }
}

fn respond(status: StatusCode, name: &str, message: &str) -> Response {
    let body = json!({ "statusCode": status.as_u16(), "name": name, "message": message });
    (status, Json(body)).into_response()
}

/// Resend's ways to say no.
#[derive(Debug)]
pub(super) struct Resend;

impl Refuse for Resend {
    fn too_many(&self, retry_after_seconds: u64) -> Response {
        let headers = [
            ("ratelimit-limit", "10".to_owned()),
            ("ratelimit-remaining", "0".to_owned()),
            ("ratelimit-reset", retry_after_seconds.to_string()),
            ("retry-after", retry_after_seconds.to_string()),
        ];
        (headers, RATE_LIMIT.respond()).into_response()
    }

    fn server_error(&self, status: StatusCode) -> Response {
        match status {
            StatusCode::SERVICE_UNAVAILABLE => respond(status, "service_unavailable", "Service is unavailable."),
            _ => respond(status, "application_error", "Something went wrong."),
        }
    }

    fn refused(&self, status: StatusCode, code: &str) -> Response {
        match code {
            "daily_quota_exceeded" => DAILY_QUOTA.respond(),
            _ => respond(status, code, "The request was refused."),
        }
    }
}
