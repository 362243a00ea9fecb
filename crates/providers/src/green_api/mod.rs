//! Green-API: WhatsApp by a telephone that stays the customer's.
//!
//! A request carries the token that the instance was given, in `Authorization`: `Bearer {token}`. Nothing is signed, so
//! whoever has seen one request can make others: identities have to be remembered. Green-API waits for exactly 200 and
//! holds back everything behind a notification that got another answer. Source: Green-API's documentation, "Webhook
//! endpoint technology" and "Incoming webhooks format".

mod body;
mod error;
mod webhook;

pub use error::GreenApiWebhookError;
pub use webhook::GreenApiVerifier;
