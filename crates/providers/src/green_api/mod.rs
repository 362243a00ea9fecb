//! Green-API: WhatsApp by a telephone that stays the customer's.
//!
//! A message is one `POST …/sendMessage/…`, which puts it into the instance's queue. Nothing makes it safe to repeat; what
//! became of an unclear one is found out by looking for it in that queue and in the journal of messages behind it.
//!
//! A webhook carries the token that the instance was given, in `Authorization`: `Bearer {token}`. Nothing is signed, so
//! whoever has seen one request can make others: identities have to be remembered. Green-API waits for exactly 200 and
//! holds back everything behind a notification that got another answer. Source: Green-API's documentation, "Webhook
//! endpoint technology" and "Incoming webhooks format".

mod body;
mod client;
mod credentials;
mod error;
mod journal;
mod webhook;

pub use client::{GreenApiClient, LOOK_UP_AFTER};
pub use credentials::GreenApiCredentials;
pub use error::GreenApiWebhookError;
pub use webhook::GreenApiVerifier;
