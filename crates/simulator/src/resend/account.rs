//! An account at Resend, and how a caller proves to be its owner.

use std::fmt;
use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;

use super::error;
use crate::account::Named;
use crate::secret;
use crate::unusable::Unusable;
use crate::web::Asked;
use crate::world::World;

/// An account at Resend: a team.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResendAccount {
    /// What the ledger calls it.
    pub name: String,
    /// `re_…`.
    pub api_key: SecretString,
    /// Where events are posted to, also those of mail that comes in.
    #[serde(default)]
    pub webhook_url: Option<String>,
    /// `whsec_…`.
    #[serde(default)]
    pub webhook_secret: SecretString,
}

impl ResendAccount {
    /// An account whose events nobody hears.
    #[must_use]
    pub fn new(name: &str, api_key: &str) -> Self {
        Self {
            name: name.to_owned(),
            api_key: api_key.into(),
            webhook_url: None,
            webhook_secret: SecretString::default(),
        }
    }
}

impl Named for ResendAccount {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), Unusable> {
        if self.name.is_empty() {
            return Err(Unusable("a Resend account has a name"));
        }
        if secret::is(&self.api_key, "") {
            return Err(Unusable("a Resend account has an API key"));
        }
        let signs = providers::standard_webhooks::sign(&self.webhook_secret, "id", "0", b"").is_ok();
        if self.webhook_url.is_some() && !signs {
            return Err(Unusable(
                "a Resend account with a webhook URL has a webhook secret, whsec_ and base64",
            ));
        }
        Ok(())
    }
}

/// URLs may hold tokens.
impl fmt::Debug for ResendAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResendAccount")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The account that the request is for, if whoever makes it may use it.
pub(super) fn authenticate(world: &World, asked: &Asked) -> Result<Arc<ResendAccount>, Box<Response>> {
    if asked.header("user-agent").unwrap_or_default().is_empty() {
        // Not by Resend itself but by what stands before it.
        return Err(Box::new((StatusCode::FORBIDDEN, "error code: 1010").into_response()));
    }
    let token = asked
        .header("authorization")
        .and_then(secret::bearer)
        .unwrap_or_default();
    if token.is_empty() {
        return Err(Box::new(error::MISSING_KEY.respond()));
    }
    let account = world.look(|state| {
        state
            .accounts
            .resend
            .find(|account| secret::is(&account.api_key, token))
    });
    account.ok_or_else(|| Box::new(error::INVALID_KEY.respond()))
}
