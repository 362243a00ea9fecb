#![doc = include_str!("../README.md")]

pub mod email;
pub mod event;
pub mod green_api;
mod identity;
mod json;
mod key;
mod refusal;
mod request;
pub mod resend;
pub mod sendgrid;
pub mod standard_webhooks;
mod time;
mod token;
pub mod twilio;
pub mod vapi;
mod verified;
mod verifier;

pub use event::{Event, News, Provider};
pub use key::UnusableKey;
pub use refusal::{Refusal, Stale, Unreadable};
pub use request::Request;
pub use verified::Verified;
pub use verifier::{Verifier, WebhookError};
