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
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use domain::EndpointId;
use queue::{Client, Receipt};
use uuid::Uuid;

use crate::correlation;
use crate::problem::{Code, Problem};
use endpoints::{Endpoints, Known};
use meter::Meter;

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
    request: Request,
) -> Response {
    let started = std::time::Instant::now();
    let (head, body) = request.into_parts();
    let correlation = correlation::of(&head.headers);
    let mut response = match accept(&intake, &provider, &endpoint, &head.headers, body, correlation).await {
        Ok(receipt) => {
            tracing::info!(
                job.id = %receipt.job, duplicate = receipt.duplicate, provider, endpoint, %correlation,
                "Webhook accepted."
            );
            accepted(&receipt)
        }
        Err(problem) => {
            let (code, detail) = (problem.code.row().0, &problem.detail);
            // Who posts chooses the address: only an id of ours is repeated.
            let endpoint = endpoint.parse().ok().map(|id: Uuid| tracing::field::display(id));
            tracing::info!(code, detail, endpoint, %correlation, "Webhook refused.");
            problem.into_response()
        }
    };
    intake.meter.answered(response.status(), started.elapsed());
    correlation::mark(&mut response, correlation);
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

/// `{"job":"<uuid>","duplicate":false}`, put together by hand: this is the one answer that is given tens of thousands of
/// times a second.
fn accepted(receipt: &Receipt) -> Response {
    let mut id = uuid::Uuid::encode_buffer();
    let id: &str = receipt.job.0.hyphenated().encode_lower(&mut id);
    let duplicate = if receipt.duplicate { "true" } else { "false" };
    let body = [r#"{"job":""#, id, r#"","duplicate":"#, duplicate, "}"].concat();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::ACCEPTED;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
