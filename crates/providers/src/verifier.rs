//! Any provider's verifier, for whoever keeps one for each endpoint.

use crate::event::{Event, Provider};
use crate::green_api::{GreenApiVerifier, GreenApiWebhookError};
use crate::refusal::Refusal;
use crate::resend::{ResendVerifier, ResendWebhookError};
use crate::sendgrid::{SendGridVerifier, SendGridWebhookError};
use crate::standard_webhooks::{StandardVerifier, StandardWebhookError};
use crate::twilio::{TwilioVerifier, TwilioWebhookError};
use crate::vapi::{VapiVerifier, VapiWebhookError};
use crate::{Request, Verified};

/// Checks the requests of one endpoint, whoever posts there.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the verifier of its name")]
pub enum Verifier {
    SendGrid(SendGridVerifier),
    Resend(ResendVerifier),
    StandardWebhooks(StandardVerifier),
    Twilio(TwilioVerifier),
    GreenApi(GreenApiVerifier),
    Vapi(VapiVerifier),
}

/// Why a request was refused, in the words of its provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
#[expect(missing_docs, reason = "each is the error of its provider")]
pub enum WebhookError {
    SendGrid(#[from] SendGridWebhookError),
    Resend(#[from] ResendWebhookError),
    StandardWebhooks(#[from] StandardWebhookError),
    Twilio(#[from] TwilioWebhookError),
    GreenApi(#[from] GreenApiWebhookError),
    Vapi(#[from] VapiWebhookError),
}

impl Verifier {
    /// Who posts there.
    #[must_use]
    pub const fn provider(&self) -> Provider {
        match self {
            Self::SendGrid(_) => Provider::SendGrid,
            Self::Resend(_) => Provider::Resend,
            Self::StandardWebhooks(_) => Provider::StandardWebhooks,
            Self::Twilio(_) => Provider::Twilio,
            Self::GreenApi(_) => Provider::GreenApi,
            Self::Vapi(_) => Provider::Vapi,
        }
    }

    /// Checks and reads one request. SendGrid sends many events at once, the others one.
    ///
    /// # Errors
    /// [`WebhookError`] names the first thing that is wrong.
    pub fn verify(&self, request: &Request<'_>) -> Result<Verified<Vec<Event>>, WebhookError> {
        Ok(match self {
            Self::SendGrid(verifier) => verifier.verify(request)?,
            Self::Resend(verifier) => verifier.verify(request)?.into_list(),
            Self::StandardWebhooks(verifier) => verifier.verify(request)?.into_list(),
            Self::Twilio(verifier) => verifier.verify(request)?.into_list(),
            Self::GreenApi(verifier) => verifier.verify(request)?.into_list(),
            Self::Vapi(verifier) => verifier.verify(request)?.into_list(),
        })
    }
}

impl WebhookError {
    /// How far the request came, and so what to answer.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::SendGrid(error) => error.refusal(),
            Self::Resend(error) => error.refusal(),
            Self::StandardWebhooks(error) => error.refusal(),
            Self::Twilio(error) => error.refusal(),
            Self::GreenApi(error) => error.refusal(),
            Self::Vapi(error) => error.refusal(),
        }
    }
}
