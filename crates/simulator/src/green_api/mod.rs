//! Green-API: WhatsApp by a telephone of one's own.
//!
//! | path below `/green-api/waInstance{id}` | |
//! |---|---|
//! | `POST /sendMessage/{token}` | takes a message into the queue |
//! | `POST /getMessage/{token}` | one message of a chat |
//! | `GET /showMessagesQueue/{token}` | what is not sent yet |
//! | `GET /lastOutgoingMessages/{token}` | what was sent, `?minutes=` back |
//! | `GET /getStateInstance/{token}` | that the telephone is linked |
//!
//! Notifications carry a token and go one after another, each until it was answered with 200. Source of paths, fields and
//! errors: Green-API's documentation, "SendMessage", "GetMessage", "ShowMessagesQueue", "LastOutgoingMessages", "Common
//! errors", "Webhook endpoint technology".

mod account;
mod error;
mod inbound;
mod journal;
mod notification;
mod send;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::world::World;

pub use account::GreenApiAccount;
pub(crate) use inbound::reply;
pub(crate) use notification::add;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/{instance}/sendMessage/{token}", post(send::send))
        .route("/{instance}/getMessage/{token}", post(journal::message))
        .route("/{instance}/showMessagesQueue/{token}", get(journal::queue))
        .route("/{instance}/lastOutgoingMessages/{token}", get(journal::outgoing))
        .route("/{instance}/getStateInstance/{token}", get(journal::state))
        .fallback(async || error::not_found())
}

/// What a person's chat ends with; a group's ends otherwise.
const PERSON: &str = "@c.us";

/// A person's number as everybody else writes it; a group keeps its id.
fn number(chat: &str) -> String {
    match chat.strip_suffix(PERSON) {
        Some(digits) => format!("+{digits}"),
        None => chat.to_owned(),
    }
}

/// The reverse.
fn chat(number: &str) -> String {
    match number.strip_prefix('+') {
        Some(digits) => format!("{digits}{PERSON}"),
        None => number.to_owned(),
    }
}
