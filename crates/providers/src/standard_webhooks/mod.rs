//! Standard Webhooks, as any system may send them, Svix among them.
//!
//! | header | holds |
//! |---|---|
//! | `webhook-id` | the message's name, the same on every attempt |
//! | `webhook-timestamp` | when this attempt was made, unix seconds |
//! | `webhook-signature` | signatures of this attempt, separated by single spaces: `v1,{base64}` or `v1a,{base64}` |
//!
//! Svix sends the same three as `svix-…`. Signed is `{id}.{timestamp}.{body}`: by `v1` with HMAC-SHA256 and a shared
//! `whsec_…` secret, by `v1a` with ed25519, which a `whpk_…` key checks. Source: the Standard Webhooks specification.

mod error;
mod key;
mod webhook;

pub use error::StandardWebhookError;
pub(crate) use webhook::{Genuine, STANDARD, SVIX};
pub use webhook::{PUBLIC_SIGNATURES_MAX, StandardVerifier, TIMESTAMP_AGE_SECONDS_MAX, sign};
