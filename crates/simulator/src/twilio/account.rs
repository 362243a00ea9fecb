//! An account, and how a caller proves to be its owner.

use std::fmt;
use std::sync::Arc;

use axum::response::Response;
use secrecy::SecretString;
use serde::Deserialize;

use super::error;
use crate::account::Named;
use crate::secret;
use crate::unusable::Unusable;
use crate::web::Asked;
use crate::world::World;

/// What a messaging service sends from when the account has no number.
const SERVICE_NUMBER: &str = "+15005550006";

/// An account at Twilio.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwilioAccount {
    /// `AC…`.
    pub sid: String,
    /// Logs in, and signs webhooks whoever logged in.
    pub auth_token: SecretString,
    /// Other ways to log in. They sign nothing.
    #[serde(default)]
    pub api_keys: Vec<TwilioApiKey>,
    /// The numbers that it owns, beside those it buys here. If there are none, any number may send.
    #[serde(default)]
    pub numbers: Vec<String>,
    /// Where text messages that come in are posted to, for numbers without a URL of their own.
    #[serde(default)]
    pub sms_url: Option<String>,
    /// Where WhatsApp messages that come in are posted to.
    #[serde(default)]
    pub whatsapp_url: Option<String>,
}

/// A way to log in that is not the auth token.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwilioApiKey {
    /// `SK…`.
    pub sid: String,
    /// Shown once by Twilio.
    pub secret: SecretString,
}

impl TwilioAccount {
    /// An account with nothing but a way to log in.
    #[must_use]
    pub fn new(sid: &str, auth_token: &str) -> Self {
        Self {
            sid: sid.to_owned(),
            auth_token: auth_token.into(),
            api_keys: Vec::new(),
            numbers: Vec::new(),
            sms_url: None,
            whatsapp_url: None,
        }
    }

    /// The number that a messaging service sends from.
    pub(super) fn service_number(&self) -> &str {
        self.numbers.first().map_or(SERVICE_NUMBER, String::as_str)
    }

    fn is_opened_by(&self, user: &str, password: &str) -> bool {
        let by_key = |key: &TwilioApiKey| key.sid == user && secret::is(&key.secret, password);
        self.sid == user && secret::is(&self.auth_token, password) || self.api_keys.iter().any(by_key)
    }
}

impl Named for TwilioAccount {
    fn name(&self) -> &str {
        &self.sid
    }

    fn check(&self) -> Result<(), Unusable> {
        if self.sid.is_empty() {
            return Err(Unusable("a Twilio account has a SID"));
        }
        if secret::is(&self.auth_token, "") {
            return Err(Unusable("a Twilio account has an auth token"));
        }
        Ok(())
    }
}

/// The numbers stay hidden.
impl fmt::Debug for TwilioAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwilioAccount")
            .field("sid", &self.sid)
            .field("numbers", &self.numbers.len())
            .finish_non_exhaustive()
    }
}

/// The account that the request is for, if whoever makes it may use it.
pub(super) fn authenticate(world: &World, asked: &Asked, sid: &str) -> Result<Arc<TwilioAccount>, Box<Response>> {
    let shown = asked.header("authorization").and_then(secret::basic);
    let opened = shown.and_then(|(user, password)| {
        world.look(|state| {
            let accounts = &state.accounts.twilio;
            accounts.find(|account| account.is_opened_by(&user, &password))
        })
    });
    match opened {
        Some(account) if account.sid == sid => Ok(account),
        Some(_) => Err(Box::new(error::not_found())),
        None => Err(Box::new(error::unauthenticated())),
    }
}
