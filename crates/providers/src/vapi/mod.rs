//! Vapi: calls that an assistant leads.
//!
//! Vapi posts `{"message":{"type",…}}` and proves itself in the way that was configured:
//!
//! | way | wire form |
//! |---|---|
//! | inline secret | `X-Vapi-Secret: {secret}` |
//! | Bearer credential | `Authorization: Bearer {token}`; the header and whether `Bearer ` stands there are configurable |
//! | HMAC credential | a signature and a timestamp header; nearly everything is configurable: [`HmacPlan`] |
//!
//! Bodies may contain the tenant's Twilio credentials and links that steer a running call. They are taken out before
//! anything is handed on. Source: the types of Vapi's server SDK; "Server events" and "Server authentication".

mod body;
mod error;
mod plan;
mod redact;
mod webhook;

pub use error::VapiWebhookError;
pub use plan::{Algorithm, Encoding, HmacPlan, UnusablePlan};
pub use webhook::{SECRET_HEADER, TIMESTAMP_AGE_SECONDS_MAX, VapiVerifier};
