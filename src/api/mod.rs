//! What tenants ask: `/v1/…`, with `Authorization: Bearer <key>`.
//!
//! A key belongs to one tenant, and every question is asked of the store in that tenant's name: what belongs to another
//! is the same as what does not exist.

mod auth;
mod cursor;
mod jobs;
mod leads;
mod messages;
pub mod openapi;

use axum::Router;
use axum::routing::get;
use queue::Client;
use store::Store;

/// What the API works with.
#[derive(Clone)]
pub struct Api {
    /// What is remembered.
    pub store: Store,
    /// How work is kept.
    pub queue: Client,
}

/// All routes under `/v1`.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/v1/jobs/{id}", get(jobs::show))
        .route("/v1/leads/hot", get(leads::hot))
        .route("/v1/messages", get(messages::list))
        .route("/v1/messages/{id}", get(messages::show))
        .route("/v1/messages/{id}/events", get(messages::events))
        .with_state(api)
}
