//! Twilio: text messages, WhatsApp and calls.
//!
//! A message is one `POST …/Messages.json`. Nothing makes it safe to repeat, and a message carries no id of ours: what
//! became of an unclear one is found out by looking for it in the list of messages, by number, time and text.
//!
//! Of a webhook, the header `X-Twilio-Signature` holds base64 of HMAC-SHA1, with the account's auth token as the key, over the URL as
//! it stands in Twilio's configuration and, for a form, the decoded parameters: sorted by name, name and value one after
//! another without anything between. A JSON body is vouched for by its SHA-256 in the URL's parameter `bodySHA256`.
//!
//! There is no timestamp, so a recorded request stays genuine for ever: identities have to be remembered long. Source:
//! Twilio's documentation, "Webhooks security", and the validators in its libraries.

mod body;
mod client;
mod codes;
mod credentials;
mod error;
mod form;
mod message;
mod resource;
mod url;
mod webhook;

pub use client::{LOOK_UP_AFTER, TwilioClient};
pub use codes::meaning_of;
pub use credentials::TwilioCredentials;
pub use error::TwilioWebhookError;
pub use message::CALLBACK_RETRIES;
pub use webhook::{SIGNATURE_HEADER, TwilioVerifier, sign};
