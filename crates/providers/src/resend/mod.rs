//! Resend: mail by its API, and webhooks that Svix delivers.
//!
//! A mail is one `POST /emails` with an `Idempotency-Key`: the same mail again within 24 hours is not sent twice, so what
//! became of an unclear one is found out by sending it again.
//!
//! A webhook has the headers `svix-id`, `svix-timestamp` and `svix-signature`, checked as in
//! [`standard_webhooks`](crate::standard_webhooks).
//!
//! The body is `{"type","created_at","data"}`. Source: Resend's documentation, "Webhooks".

mod body;
mod client;
mod error;
mod mail;
mod webhook;

pub use client::{IDEMPOTENT_FOR, ResendClient, ResendCredentials};
pub use error::ResendWebhookError;
pub use webhook::ResendVerifier;
