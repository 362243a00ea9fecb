//! Resend, whose webhooks are delivered by Svix: headers `svix-id`, `svix-timestamp` and `svix-signature`, checked as in
//! [`standard_webhooks`](crate::standard_webhooks).
//!
//! The body is `{"type","created_at","data"}`. Source: Resend's documentation, "Webhooks".

mod body;
mod error;
mod webhook;

pub use error::ResendWebhookError;
pub use webhook::ResendVerifier;
