//! SendGrid: mail by its API, and its Event Webhook.
//!
//! A mail is one `POST /v3/mail/send`. There is no key that would make it safe to repeat, so what became of an unclear one
//! is only known by its events, which carry our id of it.
//!
//! SendGrid posts a JSON array of events, of several messages mixed and in any order, with two headers:
//!
//! | header | holds |
//! |---|---|
//! | `X-Twilio-Email-Event-Webhook-Timestamp` | when it was sent, unix seconds |
//! | `X-Twilio-Email-Event-Webhook-Signature` | base64 of an ECDSA signature (P-256, SHA-256, ASN.1 DER) over `{timestamp}{body}` |
//!
//! The signature covers the raw bytes, of which CR LF after every element is a part. Source: SendGrid's documentation,
//! "Event Webhook security features" and "Event Webhook reference".

mod body;
mod client;
mod error;
mod mail;
mod webhook;

pub use client::{Region, SendGridClient, SendGridCredentials};
pub use error::SendGridWebhookError;
pub use webhook::{SIGNATURE_HEADER, SendGridVerifier, TIMESTAMP_AGE_SECONDS_MAX, TIMESTAMP_HEADER};
