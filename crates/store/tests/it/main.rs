//! Every public function of the store, on both databases.
//!
//! A test takes a [`Fresh`] database and is listed in its file's `both!`: forgetting to list one is a warning, and so
//! an error.
#![allow(clippy::unwrap_used)]

#[macro_use]
mod fresh;

mod api_keys;
mod concurrency;
mod connecting;
mod contacts;
mod crashes;
mod endpoints;
mod events;
mod leads;
mod lists;
mod migrations;
mod model;
mod sealing;
mod tenants;
