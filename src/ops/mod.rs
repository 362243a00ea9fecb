//! What machines ask about the program itself: alive, ready, figures.

pub mod metrics;
pub(crate) mod serving;
mod vitals;
pub(crate) mod why;

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use queue::Client;
use serde_json::json;
use store::Store;

use metrics::Figures;
pub use vitals::Vitals;

/// How long a part may take to answer before it counts as unreachable.
const ANSWER_WITHIN: Duration = Duration::from_millis(1500);

/// What the questions are answered from.
#[derive(Clone)]
pub struct Ops {
    /// What is remembered.
    pub store: Store,
    /// How work is kept.
    pub queue: Client,
    /// The figures of this process.
    pub figures: Figures,
    /// How its work goes.
    pub vitals: Vitals,
}

/// `/health`, `/ready`, `/metrics`, `/openapi.json`.
pub fn router(ops: Ops) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(figures))
        .route("/openapi.json", get(crate::api::openapi::json))
        .with_state(ops)
}

/// The process is alive, whatever it depends on.
async fn health() -> Response {
    axum::Json(json!({ "status": "ok" })).into_response()
}

/// Store and queue can be reached, and the work of this process is progressing.
async fn ready(State(ops): State<Ops>) -> Response {
    let (store, queue) = tokio::join!(
        tokio::time::timeout(ANSWER_WITHIN, ops.store.db().ping()),
        tokio::time::timeout(ANSWER_WITHIN, ops.queue.backend().ping()),
    );
    let (store, queue) = (matches!(store, Ok(Ok(()))), matches!(queue, Ok(Ok(()))));
    let word = |reachable| if reachable { "ok" } else { "unreachable" };
    let ready = store && queue && ops.vitals.are_good();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mut body =
        json!({ "status": if ready { "ok" } else { "unavailable" }, "store": word(store), "queue": word(queue) });
    if let Some(work) = ops.vitals.to_json() {
        body["work"] = work;
    }
    (status, axum::Json(body)).into_response()
}

async fn figures(State(ops): State<Ops>) -> Response {
    let text = ops.figures.render(&**ops.queue.backend(), &ops.store).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
