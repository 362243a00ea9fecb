//! Sends mail by SendGrid's API.

use std::fmt;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use super::{error, mail};
use crate::base_url::BaseUrl;
use crate::credentials::UnusableCredentials;
use crate::event::DeliveryStatus;
use crate::http_client::{self, HttpClient};
use crate::outgoing::OutgoingEmail;
use crate::send_error::SendError;
use crate::sender::Sent;
use crate::{json, preview};

/// The header of an answer with the message's id.
const MESSAGE_ID_HEADER: &str = "X-Message-Id";

/// Where an account's mail is sent from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Region {
    /// Anywhere.
    #[default]
    Global,
    /// The European Union.
    Eu,
}

/// An API key, and the region it belongs to.
#[derive(Clone)]
pub struct SendGridCredentials {
    key: SecretString,
    region: Region,
}

/// Sends mail for one account.
#[derive(Clone)]
pub struct SendGridClient {
    http: HttpClient,
    base: BaseUrl,
    credentials: SendGridCredentials,
}

impl SendGridCredentials {
    /// # Errors
    /// [`UnusableCredentials`] when the key is empty or has characters that no key has.
    pub fn new(key: &SecretString, region: Region) -> Result<Self, UnusableCredentials> {
        UnusableCredentials::check_token("api_key", key)?;
        Ok(Self {
            key: key.clone(),
            region,
        })
    }

    /// What may be shown of it: `SG.a…9f`.
    #[must_use]
    pub fn preview(&self) -> String {
        preview::short(self.key.expose_secret())
    }
}

impl SendGridClient {
    /// `base` stands in for SendGrid's own API.
    #[must_use]
    pub fn new(credentials: &SendGridCredentials, http: &HttpClient, base: Option<&BaseUrl>) -> Self {
        let own = || match credentials.region {
            Region::Global => BaseUrl::known("https://api.sendgrid.com"),
            Region::Eu => BaseUrl::known("https://api.eu.sendgrid.com"),
        };
        Self {
            http: http.clone(),
            base: base.cloned().unwrap_or_else(own),
            credentials: credentials.clone(),
        }
    }

    /// Sends a mail. Our id of it comes back with every event, as the custom argument
    /// [`MESSAGE_ID_TAG`](crate::outgoing::MESSAGE_ID_TAG).
    ///
    /// # Errors
    /// [`SendError`] says whether it surely was not sent.
    pub async fn send(&self, email: &OutgoingEmail, now: DateTime<Utc>) -> Result<Sent, SendError> {
        email.check_size()?;
        let request = self.http.post(self.base.join(["v3", "mail", "send"]));
        let request = request.bearer_auth(self.credentials.key.expose_secret());
        let answer = http_client::call(request.json(&mail::Body::of(email)), "/v3/mail/send").await?;
        if !answer.status.is_success() {
            return Err(answer.blamed(error::meaning(&answer, now)));
        }
        // The body is empty (documentation, "Mail Send").
        let id = answer.headers.get(MESSAGE_ID_HEADER).and_then(|id| id.to_str().ok());
        Ok(Sent {
            external_id: id
                .and_then(json::usable_id)
                .ok_or_else(|| answer.blamed(SendError::unreadable_answer()))?,
            status: DeliveryStatus::Queued,
        })
    }
}

/// Shows what [`preview`](Self::preview) does.
impl fmt::Debug for SendGridCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendGridCredentials({}, {:?})", self.preview(), self.region)
    }
}

/// Shows where it sends and a preview of the key.
impl fmt::Debug for SendGridClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendGridClient({:?}, {})", self.base, self.credentials.preview())
    }
}
