//! SendGrid: `POST /sendgrid/v3/mail/send`, and signed batches of events.
//!
//! Bearer authentication. Source of paths, fields and errors: SendGrid's documentation, "Mail Send", "Event Webhook
//! reference", "Event Webhook security features".

mod account;
mod batch;
mod body;
mod error;
mod events;
mod key;
mod send;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;

use crate::world::World;

pub use account::SendGridAccount;
pub(crate) use batch::{Event, add};
pub use key::SendGridKey;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/v3/mail/send", post(send::send))
        .fallback(async || error::not_found())
        .method_not_allowed_fallback(async || error::method_not_allowed())
}
