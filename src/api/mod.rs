//! What tenants ask: `/v1/…`, with `Authorization: Bearer <key>`.
//!
//! A key belongs to one tenant, and every question is asked of the store in that tenant's name: what belongs to another
//! is the same as what does not exist.

mod auth;
mod body;
mod cursor;
mod events;
mod interactions;
mod jobs;
mod leads;
mod messages;
pub mod openapi;
mod otp;
mod render;
mod send;
mod stats;
mod suppressions;
mod templates;
mod track;

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use queue::Client;
use store::Store;

use crate::problem::{Code, Problem};

/// A request is answered within this, whatever becomes of the database meanwhile: longer than its body may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);

/// What the API works with.
#[derive(Clone)]
pub struct Api {
    /// What is remembered.
    pub store: Store,
    /// How work is kept.
    pub queue: Client,
}

/// All routes under `/v1`, and those that links in mail lead to.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/v1/jobs/{id}", get(jobs::show))
        .route("/v1/interactions", get(interactions::list))
        .route("/v1/interactions/{id}", get(interactions::show))
        .route("/v1/leads/hot", get(leads::hot))
        .route("/v1/messages", get(messages::list).post(send::create))
        .route("/v1/messages/{id}", get(messages::show))
        .route("/v1/messages/{id}/events", get(events::list))
        .route("/v1/stats/delivery", get(stats::delivery))
        .route("/v1/otp", post(otp::ask))
        .route("/v1/otp/{id}/verify", post(otp::verify))
        .route("/v1/templates", get(templates::list).post(templates::create))
        .route("/v1/templates/{name}", get(templates::versions))
        .route("/v1/templates/{name}/preview", post(templates::preview))
        .route("/v1/suppressions", get(suppressions::list).post(suppressions::add))
        .route("/v1/suppressions/lift", post(suppressions::lift))
        .route("/t/o/{token}", get(track::open))
        .route("/t/c/{token}", get(track::click))
        .layer(middleware::from_fn(in_time))
        .with_state(api)
}

async fn in_time(request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(ANSWERED_WITHIN, next.run(request)).await;
    answered.unwrap_or_else(|_| {
        let why = "The database did not answer in time. Try again, with the same Idempotency-Key if there was one.";
        Problem::new(Code::StoreUnavailable, why).into_response()
    })
}
