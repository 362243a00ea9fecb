//! Any mail server, by SMTP (RFC 5321).
//!
//! A message is handed over in stages, and what a failure means depends on the stage: before the dot that ends the
//! content the message surely was not taken, after it only the server knows. So the stages are walked one by one here,
//! each with what is left of one time limit. lettre does what a stage consists of: connecting, TLS, authentication, the
//! commands and their replies.
//!
//! Its own transport is not used: it tells of a failure but not of the stage, waits for replies without a limit, and
//! puts a connection back into its pool in the middle of a message when whoever waited for it gives up.

mod client;
mod credentials;
mod dkim;
mod error;
mod mail;
mod session;

pub use client::{CONNECT_TIMEOUT, SEND_TIMEOUT, SmtpClient};
pub use credentials::{Security, SmtpCredentials};
pub use dkim::{Dkim, UnusableDkim};
