//! Every error that leaves over HTTP: one closed table of codes, sent as `application/problem+json` (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What went wrong, as a stable word for programs to branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Something that proves who is asking is missing or wrong.
    SignatureInvalid,
    /// The request was signed too long ago, or in the future.
    TimestampStale,
    /// No webhook endpoint has that address.
    EndpointUnknown,
    /// Nothing is there, or it belongs to somebody else.
    NotFound,
    /// The path exists, but not for this method.
    MethodNotAllowed,
    /// The body is larger than we read.
    BodyTooLarge,
    /// The body did not arrive whole, or not in time.
    BodyUnreadable,
    /// The body is not of the type that is read here.
    ContentTypeUnsupported,
    /// Genuine, but not readable as what it should be.
    Unreadable,
    /// A parameter of the query is missing or out of range.
    ParameterInvalid,
    /// A placeholder has no value.
    VariableMissing,
    /// Another request came with this idempotency key.
    IdempotencyKeyReused,
    /// The tenant has no account to send by.
    RouteMissing,
    /// Somebody asks too often.
    TooManyRequests,
    /// No API key, or one that is not known (any more).
    Unauthenticated,
    /// A link that lets somebody in was used, is too old, or never was one.
    LinkNotGood,
    /// It does not fit what is there.
    Conflict,
    /// The role of whoever asks does not allow it.
    Forbidden,
    /// The queue did not confirm in time.
    QueueUnavailable,
    /// The database did not answer in time.
    StoreUnavailable,
    /// A fault of ours.
    Internal,
}

impl Code {
    /// All codes, in the order of the documentation.
    pub const ALL: [Self; 21] = [
        Self::SignatureInvalid,
        Self::TimestampStale,
        Self::EndpointUnknown,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BodyTooLarge,
        Self::BodyUnreadable,
        Self::ContentTypeUnsupported,
        Self::Unreadable,
        Self::ParameterInvalid,
        Self::VariableMissing,
        Self::IdempotencyKeyReused,
        Self::RouteMissing,
        Self::TooManyRequests,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::LinkNotGood,
        Self::Conflict,
        Self::QueueUnavailable,
        Self::StoreUnavailable,
        Self::Internal,
    ];

    /// The code's word, status and title: the whole table.
    #[must_use]
    pub const fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::SignatureInvalid => (
                "signature_invalid",
                StatusCode::FORBIDDEN,
                "The request's signature is missing or wrong",
            ),
            Self::TimestampStale => (
                "timestamp_stale",
                StatusCode::BAD_REQUEST,
                "The request's timestamp is not of the last five minutes",
            ),
            Self::EndpointUnknown => (
                "endpoint_unknown",
                StatusCode::NOT_FOUND,
                "No webhook endpoint has this address",
            ),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND, "There is nothing at this address"),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "This address does not take this method",
            ),
            Self::BodyTooLarge => (
                "body_too_large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is larger than this address takes",
            ),
            Self::BodyUnreadable => (
                "body_unreadable",
                StatusCode::BAD_REQUEST,
                "The body did not arrive whole",
            ),
            Self::ContentTypeUnsupported => (
                "content_type_unsupported",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body is not of a type that is read here",
            ),
            Self::Unreadable => (
                "unreadable",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The body is not what this address takes",
            ),
            Self::ParameterInvalid => (
                "parameter_invalid",
                StatusCode::UNPROCESSABLE_ENTITY,
                "A parameter is missing or out of range",
            ),
            Self::VariableMissing => (
                "variable_missing",
                StatusCode::UNPROCESSABLE_ENTITY,
                "A template needs a variable that was not given",
            ),
            Self::IdempotencyKeyReused => (
                "idempotency_key_reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "Another request was sent with this idempotency key",
            ),
            Self::RouteMissing => (
                "route_missing",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The tenant has no account to send by",
            ),
            Self::TooManyRequests => (
                "too_many_requests",
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests of this kind",
            ),
            Self::Unauthenticated => (
                "unauthenticated",
                StatusCode::UNAUTHORIZED,
                "A valid API key is needed here",
            ),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "Your role does not allow this"),
            Self::LinkNotGood => (
                "link_not_good",
                StatusCode::GONE,
                "This link is not good, or not any more",
            ),
            Self::Conflict => ("conflict", StatusCode::CONFLICT, "It does not fit what is there"),
            Self::QueueUnavailable => (
                "queue_unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "The request could not be queued; send it again",
            ),
            Self::StoreUnavailable => (
                "store_unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "The database does not answer; try again",
            ),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "A fault of ours"),
        }
    }
}

/// An error on its way out.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The row of the table.
    pub code: Code,
    /// What exactly, and what to do next. Never holds personal data.
    pub detail: String,
    /// After how many seconds another try is welcome.
    pub retry_after_seconds: Option<u64>,
}

impl Problem {
    /// A problem of that code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after_seconds: None,
        }
    }

    /// With the time after which another try is welcome.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after_seconds: Some(seconds),
            ..self
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (code, status, title) = self.code.row();
        let body = Body {
            r#type: format!("urn:relais:problem:{code}"),
            title,
            status: status.as_u16(),
            code,
            detail: &self.detail,
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<store::StoreError> for Problem {
    fn from(error: store::StoreError) -> Self {
        if let store::StoreError::Refused(_) = &error {
            tracing::error!(%error, "The database does not have the tables it should have.");
            return Self::new(
                Code::StoreUnavailable,
                "The database is not ready for this version. Try again later.",
            );
        }
        if error.is_transient() {
            return Self::new(
                Code::StoreUnavailable,
                "The database did not answer in time. Try again.",
            );
        }
        tracing::error!(%error, "The store failed.");
        Self::new(Code::Internal, "The log of this time says more.")
    }
}

impl From<queue::QueueError> for Problem {
    fn from(error: queue::QueueError) -> Self {
        tracing::warn!(%error, "A job could not be queued; the sender was told to try again.");
        Self::new(
            Code::QueueUnavailable,
            "The queue did not confirm in time. Nothing is lost: send the same again.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_code_has_a_word_of_its_own() {
        let words: HashSet<_> = Code::ALL.iter().map(|code| code.row().0).collect();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
