//! Sends mail by Resend's API.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use super::{error, mail};
use crate::base_url::BaseUrl;
use crate::credentials::UnusableCredentials;
use crate::event::DeliveryStatus;
use crate::http_client::{self, HttpClient};
use crate::json::{self, Fields as _};
use crate::outgoing::OutgoingEmail;
use crate::preview;
use crate::send_error::SendError;
use crate::sender::Sent;

/// How long Resend knows an idempotency key (documentation, "Idempotency keys").
pub const IDEMPOTENT_FOR: TimeDelta = TimeDelta::hours(24);

const KEY_HEADER: &str = "Idempotency-Key";

/// An API key.
#[derive(Clone)]
pub struct ResendCredentials {
    key: SecretString,
}

/// Sends mail for one account.
#[derive(Clone)]
pub struct ResendClient {
    http: HttpClient,
    base: BaseUrl,
    credentials: ResendCredentials,
}

impl ResendCredentials {
    /// # Errors
    /// [`UnusableCredentials`] when the key is empty or has characters that no key has.
    pub fn new(key: &SecretString) -> Result<Self, UnusableCredentials> {
        UnusableCredentials::check_token("api_key", key)?;
        Ok(Self { key: key.clone() })
    }

    /// What may be shown of it: `re_a…9f`.
    #[must_use]
    pub fn preview(&self) -> String {
        preview::short(self.key.expose_secret())
    }
}

impl ResendClient {
    /// `base` stands in for Resend's own API.
    #[must_use]
    pub fn new(credentials: &ResendCredentials, http: &HttpClient, base: Option<&BaseUrl>) -> Self {
        Self {
            http: http.clone(),
            base: base
                .cloned()
                .unwrap_or_else(|| BaseUrl::known("https://api.resend.com")),
            credentials: credentials.clone(),
        }
    }

    /// Sends a mail. Within [`IDEMPOTENT_FOR`], the same mail again gets the same answer and is not sent again; another one
    /// with the same id is refused. Our id comes back with every event, as the tag
    /// [`MESSAGE_ID_TAG`](crate::outgoing::MESSAGE_ID_TAG).
    ///
    /// # Errors
    /// [`SendError`] says whether it surely was not sent.
    pub async fn send(&self, email: &OutgoingEmail, now: DateTime<Utc>) -> Result<Sent, SendError> {
        email.check_size()?;
        let request = self.http.post(self.base.join(["emails"]));
        let request = request.bearer_auth(self.credentials.key.expose_secret());
        let request = request.header(KEY_HEADER, email.id.to_string());
        let answer = http_client::call(request.json(&mail::Body::of(email)), "/emails").await?;
        if !answer.status.is_success() {
            return Err(answer.blamed(error::meaning(&answer, now)));
        }
        let body = json::object(&answer.body).unwrap_or_default();
        Ok(Sent {
            external_id: body
                .id("id")
                .ok_or_else(|| answer.blamed(SendError::unreadable_answer()))?,
            status: DeliveryStatus::Queued,
        })
    }
}

/// Shows what [`preview`](Self::preview) does.
impl fmt::Debug for ResendCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResendCredentials({})", self.preview())
    }
}

/// Shows where it sends and a preview of the key.
impl fmt::Debug for ResendClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResendClient({:?}, {})", self.base, self.credentials.preview())
    }
}
