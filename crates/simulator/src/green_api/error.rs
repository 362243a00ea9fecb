//! How Green-API refuses. The forms of most bodies are not documented, and clients should read nothing of them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chrono::{SecondsFormat, Utc};
use serde_json::json;

use crate::call::Refuse;

/// What the plan allows is used up: Green-API's own status.
const QUOTA: u16 = 466;

pub(super) fn unauthorized() -> Response {
    (StatusCode::UNAUTHORIZED, "Unauthorized").into_response()
}

pub(super) fn forbidden() -> Response {
    (StatusCode::FORBIDDEN, "Forbidden").into_response()
}

pub(super) fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "Not Found").into_response()
}

/// What is wrong with a field.
pub(super) fn invalid(method: &str, detail: &str) -> Response {
    bad_request(
        StatusCode::BAD_REQUEST,
        method,
        &format!("Validation failed. Details: {detail}"),
    )
}

fn bad_request(status: StatusCode, method: &str, message: &str) -> Response {
    let body = json!({
        "statusCode": status.as_u16(),
        "timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
        "path": format!("/waInstance/{method}/***"),
        "message": message,
    });
    (status, Json(body)).into_response()
}

/// Green-API's ways to say no.
#[derive(Debug)]
pub(super) struct GreenApi;

impl Refuse for GreenApi {
    /// It does not say how long to wait.
    fn too_many(&self, _: u64) -> Response {
        (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests").into_response()
    }

    fn server_error(&self, status: StatusCode) -> Response {
        (status, "Server error").into_response()
    }

    fn refused(&self, status: StatusCode, code: &str) -> Response {
        if status.as_u16() == QUOTA {
            let quota = json!({
                "method": "sendmessage",
                "used": 100,
                "total": 100,
                "status": "QUOTE_EXCEEDED",
                "description": "Monthly quota has been exceeded.",
            });
            return (status, Json(json!({ "invokeStatus": quota }))).into_response();
        }
        bad_request(status, "sendMessage", code)
    }
}
