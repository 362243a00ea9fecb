//! Any provider's client, for whoever sends by whichever a tenant has.

use chrono::{DateTime, TimeDelta, Utc};

use crate::base_url::BaseUrl;
use crate::credentials::{Credentials, UnusableCredentials};
use crate::event::{Channel, DeliveryStatus, Provider};
use crate::http_client::HttpClient;
use crate::outgoing::Outgoing;
use crate::resend::{IDEMPOTENT_FOR, ResendClient};
use crate::send_error::{Class, SendError};
use crate::sendgrid::SendGridClient;
use crate::smtp::SmtpClient;

/// A message that a provider took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What the provider calls it, and its reports name.
    pub external_id: String,
    /// How far it came until the provider answered.
    pub status: DeliveryStatus,
}

/// Sends for one account of any provider. A clone shares its connections.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the client of its name")]
pub enum Sender {
    Smtp(SmtpClient),
    SendGrid(SendGridClient),
    Resend(ResendClient),
}

/// What can be done about a message of which it is unclear whether it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconcile {
    /// Send it again: the provider knows it by its id and does not send it twice.
    Idempotent {
        /// For so long after the first try.
        within: TimeDelta,
    },
    /// Nothing. It may be that a report tells.
    Neither,
}

/// What stands in for the providers' own APIs: a simulator. Where there is none, the provider is called itself.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each is the base URL of its provider")]
pub struct StandIns {
    pub sendgrid: Option<BaseUrl>,
    pub resend: Option<BaseUrl>,
}

impl Sender {
    /// # Errors
    /// [`UnusableCredentials`] when TLS cannot be set up with what they hold.
    pub fn new(
        credentials: &Credentials,
        http: &HttpClient,
        stand_ins: &StandIns,
    ) -> Result<Self, UnusableCredentials> {
        Ok(match credentials {
            Credentials::Smtp(known) => Self::Smtp(SmtpClient::new(known)?),
            Credentials::SendGrid(known) => {
                Self::SendGrid(SendGridClient::new(known, http, stand_ins.sendgrid.as_ref()))
            }
            Credentials::Resend(known) => Self::Resend(ResendClient::new(known, http, stand_ins.resend.as_ref())),
        })
    }

    /// Who sends.
    #[must_use]
    pub const fn provider(&self) -> Provider {
        match self {
            Self::Smtp(_) => Provider::Smtp,
            Self::SendGrid(_) => Provider::SendGrid,
            Self::Resend(_) => Provider::Resend,
        }
    }

    /// Whether messages of this channel can be sent.
    #[must_use]
    pub const fn carries(&self, channel: Channel) -> bool {
        match self {
            Self::Smtp(_) | Self::SendGrid(_) | Self::Resend(_) => matches!(channel, Channel::Email),
        }
    }

    /// What can be done when it is unclear whether a message was sent.
    #[must_use]
    pub const fn reconcile(&self) -> Reconcile {
        match self {
            Self::Resend(_) => Reconcile::Idempotent { within: IDEMPOTENT_FOR },
            Self::Smtp(_) | Self::SendGrid(_) => Reconcile::Neither,
        }
    }

    /// Sends one message, in one attempt.
    ///
    /// # Errors
    /// [`SendError`] says what it means for the message, and whether it surely was not sent. A message of a channel that is
    /// not [carried](Self::carries) is rejected.
    pub async fn send(&self, message: &Outgoing, now: DateTime<Utc>) -> Result<Sent, SendError> {
        match (self, message) {
            (Self::Smtp(client), Outgoing::Email(email)) => client.send(email, now).await,
            (Self::SendGrid(client), Outgoing::Email(email)) => client.send(email, now).await,
            (Self::Resend(client), Outgoing::Email(email)) => client.send(email, now).await,
            (_, Outgoing::Text(_) | Outgoing::Whatsapp(_)) => Err(SendError::rejected(
                Class::Configuration,
                "channel",
                "the provider does not carry messages of this channel",
            )),
        }
    }
}
