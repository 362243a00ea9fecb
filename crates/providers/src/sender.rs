//! Any provider's client, for whoever sends by whichever a tenant has.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::E164;

use crate::Verified;
use crate::base_url::BaseUrl;
use crate::credentials::{Credentials, UnusableCredentials};
use crate::event::{DeliveryStatus, Event, Provider};
use crate::green_api::{self, GreenApiClient};
use crate::http_client::HttpClient;
use crate::outgoing::Outgoing;
use crate::resend::{IDEMPOTENT_FOR, ResendClient};
use crate::send_error::{Class, Failure, SendError};
use crate::sendgrid::SendGridClient;
use crate::smtp::SmtpClient;
use crate::twilio::{self, TwilioClient};

/// How long looking for a message may take, however many calls it needs.
pub const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(20);

/// A message that a provider took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What the provider calls it, and its reports name.
    pub external_id: String,
    /// How far it came until the provider answered.
    pub status: DeliveryStatus,
}

/// Sends for one account of any provider. To be kept as long as the account is used, because it keeps connections; a
/// clone shares them.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the client of its name")]
pub enum Sender {
    Smtp(SmtpClient),
    SendGrid(SendGridClient),
    Resend(ResendClient),
    Twilio(TwilioClient),
    GreenApi(GreenApiClient),
}

/// What can be done about a message of which it is unclear whether it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconcile {
    /// Send it again: the provider knows it by its id and does not send it twice.
    Idempotent {
        /// For so long after the first try.
        within: TimeDelta,
    },
    /// Look for it: [`Sender::look_up`].
    LookUp {
        /// So long after the first try, or later.
        after: TimeDelta,
    },
    /// Neither. It may be that a report tells.
    Neither,
}

/// What stands in for the providers' own APIs: a simulator. Where there is none, the provider is called itself.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each is the base URL of its provider")]
pub struct StandIns {
    pub sendgrid: Option<BaseUrl>,
    pub resend: Option<BaseUrl>,
    pub twilio: Option<BaseUrl>,
    pub green_api: Option<BaseUrl>,
    /// For every server that the files of mails lie on: its name is the first part of the path.
    pub files: Option<BaseUrl>,
    /// For every server that webhooks of tenants go to, in the same way.
    pub hooks: Option<BaseUrl>,
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
            Credentials::Twilio(known) => Self::Twilio(TwilioClient::new(known, http, stand_ins.twilio.as_ref())),
            Credentials::GreenApi(known) => {
                Self::GreenApi(GreenApiClient::new(known, http, stand_ins.green_api.as_ref()))
            }
        })
    }

    /// Who sends.
    #[must_use]
    pub const fn provider(&self) -> Provider {
        match self {
            Self::Smtp(_) => Provider::Smtp,
            Self::SendGrid(_) => Provider::SendGrid,
            Self::Resend(_) => Provider::Resend,
            Self::Twilio(_) => Provider::Twilio,
            Self::GreenApi(_) => Provider::GreenApi,
        }
    }

    /// What can be done when it is unclear whether a message was sent.
    #[must_use]
    pub const fn reconcile(&self) -> Reconcile {
        match self {
            Self::Resend(_) => Reconcile::Idempotent { within: IDEMPOTENT_FOR },
            Self::Twilio(_) => Reconcile::LookUp {
                after: twilio::LOOK_UP_AFTER,
            },
            Self::GreenApi(_) => Reconcile::LookUp {
                after: green_api::LOOK_UP_AFTER,
            },
            Self::Smtp(_) | Self::SendGrid(_) => Reconcile::Neither,
        }
    }

    /// Sends one message, in one attempt.
    ///
    /// # Errors
    /// [`SendError`] says what it means for the message, and whether it surely was not sent. A message of a channel that is
    /// not [carried](Provider::carries) is rejected.
    pub async fn send(&self, message: &Outgoing, now: DateTime<Utc>) -> Result<Sent, SendError> {
        match (self, message) {
            (Self::Smtp(client), Outgoing::Email(email)) => client.send(email, now).await,
            (Self::SendGrid(client), Outgoing::Email(email)) => client.send(email, now).await,
            (Self::Resend(client), Outgoing::Email(email)) => client.send(email, now).await,
            (Self::Twilio(client), Outgoing::Text(text)) => client.send_text(text, now).await,
            (Self::Twilio(client), Outgoing::Whatsapp(message)) => client.send_whatsapp(message, now).await,
            (Self::GreenApi(client), Outgoing::Whatsapp(message)) => client.send(message, now).await,
            (Self::Smtp(_) | Self::SendGrid(_) | Self::Resend(_), Outgoing::Text(_) | Outgoing::Whatsapp(_))
            | (Self::Twilio(_), Outgoing::Email(_))
            | (Self::GreenApi(_), Outgoing::Email(_) | Outgoing::Text(_)) => Err(not_carried()),
        }
    }

    /// Looks for a message of which it is unclear whether it was sent, where that is how it is
    /// [reconciled](Self::reconcile). `sent_at` is when the first try began.
    ///
    /// What is found went by the same way between the same two, at that time or later, and says the same. It may be
    /// another message of ours: one that is known by its [`Sent::external_id`] does not count. If nothing is left, the
    /// message was not sent.
    ///
    /// # Errors
    /// [`SendError`], in which [`Failure::Unreachable`] stands for no answer, and [`Failure::Deferred`] for nothing found
    /// at a time when it might not be found yet; `until` is when it is.
    pub async fn look_up(
        &self,
        message: &Outgoing,
        sent_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Sent>, SendError> {
        let Reconcile::LookUp { after } = self.reconcile() else {
            return Err(not_asked());
        };
        let found = tokio::time::timeout(LOOK_UP_TIMEOUT, self.look(message, sent_at, now)).await;
        let found = found.map_err(|_| {
            let detail = "the provider's list did not come in time";
            SendError::new(Failure::Unreachable, "timeout", detail)
        })??;
        let until = sent_at + after;
        if found.is_empty() && now < until {
            let error = SendError::new(Failure::Deferred, "early", "the message may not be found yet");
            return Err(error.not_before(Some(until)));
        }
        Ok(found)
    }

    async fn look(
        &self,
        message: &Outgoing,
        sent_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Sent>, SendError> {
        match (self, message) {
            (Self::Twilio(client), Outgoing::Text(text)) => client.look_up_text(text, sent_at, now).await,
            (Self::Twilio(client), Outgoing::Whatsapp(message)) => client.look_up_whatsapp(message, sent_at, now).await,
            (Self::GreenApi(client), Outgoing::Whatsapp(message)) => client.look_up(message, sent_at, now).await,
            (Self::Smtp(_) | Self::SendGrid(_) | Self::Resend(_), _) => Err(not_asked()),
            (Self::Twilio(_), Outgoing::Email(_)) | (Self::GreenApi(_), Outgoing::Email(_) | Outgoing::Text(_)) => {
                Err(not_carried())
            }
        }
    }

    /// How far a message to `to` came, as the event that the provider would have posted by webhook, and with its identity:
    /// both together count once. `None` if the provider knows nothing of it.
    ///
    /// # Errors
    /// [`SendError`], in which [`Failure::Unreachable`] stands for no answer. Providers of mail are not asked: their events
    /// have no identity that an answer could share.
    pub async fn fetch(
        &self,
        external_id: &str,
        to: &E164,
        now: DateTime<Utc>,
    ) -> Result<Option<Verified<Event>>, SendError> {
        match self {
            Self::Twilio(client) => client.fetch(external_id, now).await,
            Self::GreenApi(client) => client.fetch(external_id, to, now).await,
            Self::Smtp(_) | Self::SendGrid(_) | Self::Resend(_) => Err(not_asked()),
        }
    }
}

fn not_carried() -> SendError {
    let detail = "the provider does not carry messages of this channel";
    SendError::rejected(Class::Configuration, "channel", detail)
}

fn not_asked() -> SendError {
    let detail = "the provider cannot be asked what became of a message";
    SendError::rejected(Class::Configuration, "reconcile", detail)
}
