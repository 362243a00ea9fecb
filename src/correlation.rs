//! The id that follows a request from its caller to every effect: `X-Request-Id`, and `correlation` in the log.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

/// Taken from the caller if it is a UUID, else drawn.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request with these headers.
#[must_use]
pub fn of(headers: &HeaderMap) -> Uuid {
    let given = headers.get(HEADER).and_then(|value| value.to_str().ok());
    given
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| uuid::Builder::from_random_bytes(rand::random()).into_uuid())
}

/// Writes the id into an answer.
pub fn mark(response: &mut Response, correlation: Uuid) {
    let mut text = Uuid::encode_buffer();
    if let Ok(value) = HeaderValue::from_str(correlation.hyphenated().encode_lower(&mut text)) {
        response.headers_mut().insert(HEADER, value);
    }
}

/// Every answer has the id, every line logged on the way, and the request itself, for handlers that hand it on to jobs.
pub async fn on_answers(mut request: Request, next: Next) -> Response {
    use tracing::Instrument as _;
    let correlation = of(request.headers());
    if let Ok(value) = HeaderValue::from_str(&correlation.to_string()) {
        request.headers_mut().insert(HEADER, value);
    }
    let span = tracing::error_span!("request", %correlation);
    let mut response = next.run(request).instrument(span).await;
    mark(&mut response, correlation);
    response
}
