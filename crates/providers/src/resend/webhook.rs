//! Is this request genuine, and is it fresh?

use secrecy::SecretString;

use super::body;
use super::error::ResendWebhookError;
use crate::event::Event;
use crate::key::UnusableKey;
use crate::standard_webhooks::{STANDARD, SVIX, StandardVerifier};
use crate::{Request, Verified};

/// Checks the requests of one endpoint.
#[derive(Clone, Debug)]
pub struct ResendVerifier(StandardVerifier);

impl ResendVerifier {
    /// A verifier that takes a signature by any of `secrets`, `whsec_…`: two while one replaces the other, else one.
    /// Without any, every request is refused.
    ///
    /// # Errors
    /// [`UnusableKey`] when one of them is something else.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Result<Self, UnusableKey> {
        StandardVerifier::new(secrets).map(Self)
    }

    /// Checks and reads one request. The `svix-…` headers are looked for, then the `webhook-…` ones.
    ///
    /// # Errors
    /// [`ResendWebhookError`] names the first thing that is wrong. Nothing of the body is looked at before the signature
    /// and the time have been found right.
    pub fn verify(&self, request: &Request<'_>) -> Result<Verified<Event>, ResendWebhookError> {
        let genuine = self.0.check(request, [SVIX, STANDARD])?;
        Ok(Verified::vouch(body::read(request.body, &genuine)?))
    }
}
