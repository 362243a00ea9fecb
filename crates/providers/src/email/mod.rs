//! Signed e-mail events, from any system that can compute an HMAC.
//!
//! A sender posts a JSON object with two headers:
//!
//! | header | holds |
//! |---|---|
//! | `X-Timestamp` | when it was sent: unix seconds or RFC 3339 |
//! | `X-Signature` | hex of HMAC-SHA256 over `{X-Timestamp}.{body}`, `sha256=` in front allowed |
//!
//! and in the object:
//!
//! | field | holds |
//! |---|---|
//! | `provider` | who reports it: `A-Z a-z 0-9 _ . -`, at most 64, case ignored |
//! | `external_id` | what the provider calls the message, at most 255 bytes |
//! | `event` | `sent`, `delivered`, `opened`, `clicked`, `bounced`, `complained` or `unsubscribed` |
//! | `event_id`? | what the provider calls this event, at most 255 bytes |
//! | `occurred_at`? | when it happened: RFC 3339 or unix seconds; else `X-Timestamp` |
//! | `recipient`? `subject`? `url`? | address, at most 998 bytes, at most 2048 bytes |
//! | `person_id`? or `organisation_id`? | the caller's own id, text or whole number, at most 255 bytes |
//!
//! `null` counts as absent, unknown fields are ignored, a field given twice is refused.

mod body;
mod error;
mod identity;
mod webhook;

use crate::time;

pub use body::{ID_BYTES_MAX, PROVIDER_BYTES_MAX, SUBJECT_BYTES_MAX, URL_BYTES_MAX};
pub use error::EmailWebhookError;
pub use webhook::{EmailVerifier, SIGNATURE_HEADER, TIMESTAMP_AGE_SECONDS_MAX, TIMESTAMP_HEADER, sign};
