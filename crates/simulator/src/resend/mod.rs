//! Resend: `POST /resend/emails`, `GET /resend/emails/{id}`, `GET /resend/emails/receiving/{id}`, and events with Svix
//! headers.
//!
//! Bearer authentication, and `User-Agent` is demanded. Source of paths, fields and errors: Resend's documentation, "Send
//! Email", "Retrieve Email", "Idempotency Keys", "Errors", "Webhooks".

mod account;
mod body;
mod error;
mod events;
mod idempotency;
mod inbound;
mod look;
mod memory;
mod send;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::world::World;

pub use account::ResendAccount;
pub(crate) use inbound::reply;
pub(crate) use memory::Memory;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/emails", post(send::send))
        .route("/emails/{id}", get(look::sent))
        .route("/emails/receiving/{id}", get(look::received))
        .fallback(async || error::NOT_FOUND.respond())
        .method_not_allowed_fallback(async || error::METHOD_NOT_ALLOWED.respond())
}
