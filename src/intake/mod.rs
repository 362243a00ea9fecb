//! Webhooks in: check the signature, make one typed job, queue it durably, answer as the sender needs it.
//!
//! Intake never writes to the store. It makes one durable write, to the queue, and only then answers with a 2xx.

mod answer;
mod body;
mod check;
mod email;
pub mod endpoints;
pub mod failures;
mod meter;
pub mod poster;
pub mod proof;
mod provider;
mod replies;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use chrono::{DateTime, Utc};
use domain::EndpointId;
use queue::{Client, Receipt};
use uuid::Uuid;

use crate::correlation;
use crate::path::Path;
use crate::problem::{Code, Problem};
use answer::Answer;
use body::Types;
use check::Check;
use endpoints::{Endpoints, Known};
use meter::Meter;
use poster::Poster;

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

    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.queue.clock().now()).unwrap_or_default()
    }
}

/// `POST /webhooks/{provider}/{endpoint}`, and GET for the one that may use it.
pub fn router(intake: Intake) -> Router {
    Router::new()
        .route("/webhooks/{provider}/{endpoint}", post(receive).get(receive))
        .with_state(Arc::new(intake))
}

/// What became of a request that is taken.
struct Taken {
    /// `None` when there was nothing in it to keep.
    receipt: Option<Receipt>,
    answer: Answer,
}

async fn receive(
    State(intake): State<Arc<Intake>>,
    Path((provider, endpoint)): Path<(String, String)>,
    request: Request,
) -> Response {
    let started = std::time::Instant::now();
    let (head, body) = request.into_parts();
    let correlation = correlation::of(&head.headers);
    let mut response = match accept(&intake, &provider, &endpoint, &head, body, correlation).await {
        Ok(Taken { receipt, answer }) => {
            let job = receipt.map(|receipt| tracing::field::display(receipt.job));
            let duplicate = receipt.map(|receipt| receipt.duplicate);
            tracing::info!(job.id = job, duplicate, provider, endpoint, %correlation, "Webhook accepted.");
            answer.respond(receipt)
        }
        Err(problem) => {
            let (code, detail) = (problem.code.row().0, &problem.detail);
            // Who posts chooses the address: only an id of ours is repeated.
            let endpoint = endpoint.parse().ok().map(|id: Uuid| tracing::field::display(id));
            tracing::info!(code, detail, endpoint, %correlation, "Webhook refused.");
            refuse(problem)
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
    head: &Parts,
    body: Body,
    correlation: Uuid,
) -> Result<Taken, Problem> {
    let known = match find(intake, provider, endpoint, head).await {
        Ok(known) => known,
        Err(problem) => {
            // A client that is still sending would not see an early answer.
            body::throw_away(body).await;
            return Err(problem);
        }
    };
    let body = body::read(body).await?;
    types(known.poster).check(&head.headers)?;
    let taken = take(intake, &known, head, &body, correlation).await;
    if taken
        .as_ref()
        .is_err_and(|problem| problem.code == Code::SignatureInvalid)
    {
        intake.endpoints.note_failure(known.id);
    }
    taken
}

async fn take(intake: &Intake, known: &Known, head: &Parts, body: &[u8], correlation: Uuid) -> Result<Taken, Problem> {
    match &known.check {
        Check::Email(verifier) => {
            let receipt = email::accept(intake, known, verifier, &head.headers, body, correlation).await?;
            Ok(Taken {
                receipt: Some(receipt),
                answer: Answer::ACCEPTED,
            })
        }
        Check::Provider(ways) => provider::accept(intake, known, ways, head, body, correlation).await,
    }
}

const fn types(poster: Poster) -> Types {
    match poster {
        Poster::Twilio => Types::FormOrJson,
        _ => Types::Json,
    }
}

async fn find(intake: &Intake, provider: &str, endpoint: &str, head: &Parts) -> Result<Arc<Known>, Problem> {
    let unknown = || {
        Problem::new(
            Code::EndpointUnknown,
            "Check the address: `relais endpoint list` shows all of them.",
        )
    };
    let poster = Poster::named(provider).ok_or_else(unknown)?;
    if !poster.uses(&head.method) {
        return Err(Problem::new(Code::MethodNotAllowed, "/openapi.json names the methods."));
    }
    let id: Uuid = endpoint.parse().map_err(|_| unknown())?;
    let known = intake
        .endpoints
        .find(EndpointId(id))
        .await
        .map_err(Problem::from)?
        .ok_or_else(unknown)?;
    if known.poster == poster {
        Ok(known)
    } else {
        Err(unknown())
    }
}

/// An answer of 405 has to name the methods that are taken (RFC 9110, 15.5.6).
fn refuse(problem: Problem) -> Response {
    let code = problem.code;
    let mut response = problem.into_response();
    if code == Code::MethodNotAllowed {
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// Field names stay as they are written in the body, so only the full stop is added.
fn sentence(text: &str) -> String {
    format!("{text}.")
}
