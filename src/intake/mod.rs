//! Webhooks in: check the signature, make one typed job, queue it durably, answer 202.
//!
//! Intake never writes to the store. It makes one durable write, to the queue, and only then answers with a 2xx.

mod body;
mod email;
pub mod endpoints;
mod meter;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use bytes::Bytes;
use domain::EndpointId;
use queue::{Client, Receipt};
use uuid::Uuid;

use crate::problem::{Code, Problem};
use endpoints::{Endpoints, Known};
use meter::Meter;

/// Follows a request from intake to provider: taken from the caller if it is a UUID, else drawn.
pub const CORRELATION_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// What intake works with; one per runtime.
pub struct Intake {
    /// Where jobs go.
    pub queue: Client,
    /// Who may post; shared by all runtimes.
    pub endpoints: Arc<Endpoints>,
    meter: Meter,
}

impl Intake {
    /// Puts the two together.
    #[must_use]
    pub fn new(queue: Client, endpoints: Arc<Endpoints>) -> Self {
        Self {
            queue,
            endpoints,
            meter: Meter::new(),
        }
    }
}

/// `POST /webhooks/{provider}/{endpoint}`.
pub fn router(intake: Intake) -> Router {
    Router::new()
        .route("/webhooks/{provider}/{endpoint}", post(receive))
        .with_state(Arc::new(intake))
}

async fn receive(
    State(intake): State<Arc<Intake>>,
    Path((provider, endpoint)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let started = std::time::Instant::now();
    let correlation = correlation(&headers);
    let mut response = match accept(&intake, &provider, &endpoint, &headers, body, correlation).await {
        Ok(receipt) => {
            tracing::info!(
                job.id = %receipt.job, duplicate = receipt.duplicate, provider, endpoint, %correlation,
                "Webhook accepted."
            );
            accepted(&receipt)
        }
        Err(problem) => {
            let (code, detail) = (problem.code.row().0, &problem.detail);
            tracing::info!(code, detail, %correlation, "Webhook refused.");
            problem.into_response()
        }
    };
    intake.meter.answered(response.status(), started.elapsed());
    if let Ok(value) = HeaderValue::try_from(correlation.to_string()) {
        response.headers_mut().insert(CORRELATION_HEADER, value);
    }
    response
}

async fn accept(
    intake: &Intake,
    provider: &str,
    endpoint: &str,
    headers: &HeaderMap,
    body: Body,
    correlation: Uuid,
) -> Result<Receipt, Problem> {
    let known = find(intake, provider, endpoint).await;
    // The body is read in any case: a client that is still sending would not see an early answer.
    let body = body::read(headers, body).await;
    let known = known?;
    email::accept(intake, &known, headers, &body?, correlation).await
}

async fn find(intake: &Intake, provider: &str, endpoint: &str) -> Result<Arc<Known>, Problem> {
    let unknown = || {
        Problem::new(
            Code::EndpointUnknown,
            "Check the address: `relais endpoint list` shows all of them.",
        )
    };
    let id: Uuid = endpoint.parse().map_err(|_| unknown())?;
    let known = intake
        .endpoints
        .find(EndpointId(id))
        .await
        .map_err(Problem::from)?
        .ok_or_else(unknown)?;
    if known.provider == provider {
        Ok(known)
    } else {
        Err(unknown())
    }
}

/// `{"job":"<uuid>","duplicate":false}`, written out by hand: this is the one answer that is given tens of thousands of
/// times a second.
fn accepted(receipt: &Receipt) -> Response {
    let body = format!(r#"{{"job":"{}","duplicate":{}}}"#, receipt.job, receipt.duplicate);
    let mut response = Response::new(Body::from(Bytes::from(body)));
    *response.status_mut() = StatusCode::ACCEPTED;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn correlation(headers: &HeaderMap) -> Uuid {
    let given = headers.get(CORRELATION_HEADER).and_then(|value| value.to_str().ok());
    given
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| uuid::Builder::from_random_bytes(rand::random()).into_uuid())
}
