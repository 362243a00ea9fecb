//! Does this request show the right token?

use secrecy::SecretString;

use super::body;
use super::error::GreenApiWebhookError;
use crate::event::Event;
use crate::key::UnusableKey;
use crate::token::{Tokens, after_scheme};
use crate::{Request, Verified};

const TOKEN_HEADER: &str = "Authorization";
/// What may stand before the token. `Bearer` is what Green-API's own library expects; others were seen.
const SCHEMES: [&str; 2] = ["Bearer", "Basic"];

/// Checks the requests of one endpoint.
#[derive(Clone, Debug)]
pub struct GreenApiVerifier {
    tokens: Tokens,
    instance: Option<String>,
}

impl GreenApiVerifier {
    /// A verifier that takes any of `tokens`, as given to the instance in `webhookUrlToken`: two while one replaces the
    /// other, else one. Without any, every request is refused.
    ///
    /// # Errors
    /// [`UnusableKey`] when one of them is empty.
    pub fn new<'a>(tokens: impl IntoIterator<Item = &'a SecretString>) -> Result<Self, UnusableKey> {
        Ok(Self {
            tokens: Tokens::new(tokens)?,
            instance: None,
        })
    }

    /// Takes only what concerns this instance, whoever else was given the same token.
    #[must_use]
    pub fn for_instance(self, id: u64) -> Self {
        Self {
            instance: Some(id.to_string()),
            ..self
        }
    }

    /// Checks and reads one request.
    ///
    /// # Errors
    /// [`GreenApiWebhookError`] names the first thing that is wrong.
    pub fn verify(&self, request: &Request<'_>) -> Result<Verified<Event>, GreenApiWebhookError> {
        let header = request.header(TOKEN_HEADER).ok_or(GreenApiWebhookError::TokenMissing)?;
        let shown = SCHEMES.iter().find_map(|scheme| after_scheme(header, scheme));
        // The token may have been set with a scheme in it, or be sent without any.
        if !(self.tokens.vouch(header) | shown.is_some_and(|token| self.tokens.vouch(token))) {
            return Err(GreenApiWebhookError::TokenWrong);
        }
        let event = body::read(request.body, request.received_at)?;
        if self.instance.is_some() && self.instance != event.account {
            return Err(GreenApiWebhookError::InstanceWrong);
        }
        Ok(Verified::vouch(event))
    }
}
