//! Twilio: text messages, WhatsApp, and numbers to buy.
//!
//! | path below `/twilio/2010-04-01/Accounts/{sid}` | |
//! |---|---|
//! | `POST /Messages.json` | sends one: 201 |
//! | `GET /Messages.json`, `GET /Messages/{sid}.json` | what became of messages |
//! | `GET /AvailablePhoneNumbers/{country}/{type}.json` | numbers on sale |
//! | `POST`, `GET /IncomingPhoneNumbers.json` and `…/{sid}.json`, `DELETE` | buys, shows, changes and releases numbers |
//!
//! Basic authentication with SID and auth token, or with an API key. Source of paths, fields, codes: Twilio's
//! documentation, "Messages resource", "AvailablePhoneNumber resource", "IncomingPhoneNumber resource", "Error and Warning
//! Dictionary".

mod account;
mod create;
mod error;
mod inbound;
mod magic;
mod memory;
mod messages;
mod numbers;
mod overrides;
mod segments;
mod status;
mod stock;
mod twiml;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::world::World;

pub use account::{TwilioAccount, TwilioApiKey};
pub(crate) use inbound::reply;
pub(crate) use memory::Memory;

/// What stands before every path. Links in answers hold it whole, so that who follows one stays here; Twilio's own begin
/// with the date.
const PATH: &str = "/twilio/2010-04-01";

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route(
            "/Accounts/{sid}/Messages.json",
            get(messages::list).post(create::create),
        )
        .route("/Accounts/{sid}/Messages/{file}", get(messages::fetch))
        .route(
            "/Accounts/{sid}/AvailablePhoneNumbers/{country}/{file}",
            get(numbers::search),
        )
        .route(
            "/Accounts/{sid}/IncomingPhoneNumbers.json",
            get(numbers::list).post(numbers::buy),
        )
        .route(
            "/Accounts/{sid}/IncomingPhoneNumbers/{file}",
            get(numbers::fetch).post(numbers::change).delete(numbers::release),
        )
        .fallback(async || error::not_found())
}
