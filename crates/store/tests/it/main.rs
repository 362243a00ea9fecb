//! Every public function of the store, on both databases.
//!
//! A test takes a [`Fresh`] database and is listed in its file's `both!`: forgetting to list one is a warning, and so
//! an error.
#![allow(clippy::unwrap_used)]

#[macro_use]
mod fresh;
mod scene;

mod account_lists;
mod alerts;
mod any_order;
mod api_keys;
mod attempts;
mod bulk;
mod circuits;
mod concurrency;
mod connecting;
mod contacts;
mod crashes;
mod credentials;
mod crossings;
mod decay;
mod endpoints;
mod erasure;
mod events;
mod inbound;
mod inbox;
mod interactions;
mod kept_events;
mod leads;
mod lists;
mod members;
mod message_requests;
mod migrations;
mod model;
mod open_messages;
mod otp;
mod outgoing;
mod rates;
mod reminders;
mod reports;
mod resealing;
mod retention;
mod scoring;
mod sealing;
mod sessions;
mod settings;
mod sign_in_links;
mod suppressions;
mod templates;
mod tenants;
