//! The whole program, promise by promise: one file each, through HTTP and the command line.
#![allow(clippy::unwrap_used)]

mod alerts;
mod app;
mod attachments;
mod audit;
mod bulk;
mod cli;
mod clock;
mod crash;
mod dead_letters;
mod dev;
mod discretion;
mod documents;
mod erasure;
mod excerpts;
mod frozen;
#[cfg(feature = "services")]
mod health;
mod idempotency;
mod interactions;
mod keys;
mod logs;
mod members;
mod once;
mod one_webhook;
mod otp;
mod outside;
mod pauses;
#[cfg(feature = "services")]
mod queue_away;
mod reconciling;
mod refusals;
mod reminders;
mod replies;
mod requests;
mod roles;
mod rotation;
mod scores;
mod sending;
mod settings;
mod shutdown;
mod sign_in;
#[cfg(feature = "services")]
mod store_away;
mod tenants;
mod troubles;
mod webhooks;
