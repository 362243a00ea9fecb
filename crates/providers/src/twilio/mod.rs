//! Twilio: text messages, WhatsApp and calls.
//!
//! The header `X-Twilio-Signature` holds base64 of HMAC-SHA1, with the account's auth token as the key, over the URL as
//! it stands in Twilio's configuration and, for a form, the decoded parameters: sorted by name, name and value one after
//! another without anything between. A JSON body is vouched for by its SHA-256 in the URL's parameter `bodySHA256`.
//!
//! There is no timestamp, so a recorded request stays genuine for ever: identities have to be remembered long. Source:
//! Twilio's documentation, "Webhooks security", and the validators in its libraries.

mod body;
mod error;
mod form;
mod url;
mod webhook;

pub use error::TwilioWebhookError;
pub use webhook::{SIGNATURE_HEADER, TwilioVerifier, sign};
