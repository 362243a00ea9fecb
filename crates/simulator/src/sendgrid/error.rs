//! How SendGrid refuses: `{"errors":[{"message","field","help"}]}`.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::call::Refuse;

pub(super) fn respond(status: StatusCode, message: &str, field: Option<&str>) -> Response {
    let error = json!({ "message": message, "field": field, "help": null });
    (status, Json(json!({ "errors": [error] }))).into_response()
}

pub(super) fn unauthenticated() -> Response {
    let message = "The provided authorization grant is invalid, expired, or revoked";
    respond(StatusCode::UNAUTHORIZED, message, None)
}

pub(super) fn not_found() -> Response {
    respond(StatusCode::NOT_FOUND, "not found", None)
}

pub(super) fn method_not_allowed() -> Response {
    respond(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", None)
}

pub(super) fn too_large() -> Response {
    respond(
        StatusCode::PAYLOAD_TOO_LARGE,
        "The payload size exceeds the limit.",
        None,
    )
}

/// SendGrid's ways to say no.
#[derive(Debug)]
pub(super) struct SendGrid;

impl Refuse for SendGrid {
    /// Not by `Retry-After`, but by the second in which the next calls are taken.
    fn too_many(&self, retry_after_seconds: u64) -> Response {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let headers = [
            ("X-RateLimit-Limit", "600".to_owned()),
            ("X-RateLimit-Remaining", "0".to_owned()),
            ("X-RateLimit-Reset", (now.as_secs() + retry_after_seconds).to_string()),
        ];
        (
            headers,
            respond(StatusCode::TOO_MANY_REQUESTS, "too many requests", None),
        )
            .into_response()
    }

    fn server_error(&self, status: StatusCode) -> Response {
        respond(status, "internal server error", None)
    }

    /// SendGrid has no codes. The field is what comes nearest.
    fn refused(&self, status: StatusCode, code: &str) -> Response {
        respond(status, "The request was refused", Some(code))
    }
}
