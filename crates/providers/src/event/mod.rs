//! What providers tell, in one form for all of them.
//!
//! An [`Event`] lies in job payloads, so a form once shipped must parse for ever: new fields are optional.

mod call;
mod inbound;
mod report;

use std::fmt;

use chrono::{DateTime, Utc};
use domain::{EmailEventRecord, PersonalText};
use serde::{Deserialize, Serialize};

pub use call::Call;
pub use inbound::{Button, InboundMessage, Media};
pub use report::{DeliveryReport, DeliveryStatus, Permanence};

/// The longest word of a provider that is [shown].
const WORD_BYTES_MAX: usize = 64;

/// Declares the providers together with their stored words and the list of all, so that none can be forgotten in it.
macro_rules! providers {
    ($($(#[$meta:meta])* $provider:ident = $word:literal),+ $(,)?) => {
        /// Who carries messages, and tells of them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "each is the provider of its name")]
        pub enum Provider {
            $($(#[$meta])* #[serde(rename = $word)] $provider),+
        }

        impl Provider {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$provider),+];

            /// The word that is stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$provider => $word),+ }
            }
        }
    };
}

providers! {
    SendGrid = "sendgrid",
    Resend = "resend",
    /// Any mail server. It tells nothing by webhook.
    Smtp = "smtp",
    /// Any system that signs by Standard Webhooks.
    StandardWebhooks = "standard_webhooks",
    Twilio = "twilio",
    GreenApi = "green_api",
    Vapi = "vapi",
}

/// The way that a message or a call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the channel of its name")]
pub enum Channel {
    Email,
    /// Text messages, with pictures or without.
    Sms,
    Whatsapp,
    Voice,
    /// One that we have no word for; its addresses keep the prefix that names it.
    Other,
}

/// One thing that a provider tells.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Who tells it.
    pub provider: Provider,
    /// The provider's own word for what happened: `bounce`, `email.bounced`, `undelivered`.
    pub kind: String,
    /// What makes this event itself: the same text at the same endpoint is the same event, however often, in whichever
    /// batch and whenever it is delivered. 32 hex digits.
    pub identity: String,
    /// When it happened by the provider's clock; when it came in, if the provider does not say.
    pub occurred_at: DateTime<Utc>,
    /// Which of the provider's accounts or instances it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What it means to us.
    pub news: News,
    /// The event as it was sent, without credentials. To be kept sealed.
    pub raw: PersonalText,
}

/// What an event means to us.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// How far one of our messages came.
    Report(DeliveryReport),
    /// Somebody wrote to us.
    Inbound(InboundMessage),
    /// How far a call came.
    Call(Call),
    /// The provider waits for an answer that decides how a call goes on.
    Question(Call),
    /// The account or instance that sends for us works in another way than before.
    SenderState {
        /// The provider's word for it: `authorized`, `yellowCard`, `compliance_suspend`.
        state: String,
    },
    /// Nothing that we act upon, or nothing that we know: to be answered as received.
    Other,
}

/// What an event is made of before it is known what it means.
pub(crate) struct Origin<'a> {
    pub(crate) provider: Provider,
    pub(crate) kind: Option<&'a str>,
    pub(crate) occurred_at: DateTime<Utc>,
    pub(crate) account: Option<String>,
    pub(crate) raw: String,
}

impl Origin<'_> {
    pub(crate) fn event(self, identity: String, news: News) -> Event {
        Event {
            provider: self.provider,
            kind: shown(self.kind.unwrap_or_default()),
            identity,
            occurred_at: self.occurred_at,
            account: self.account,
            news,
            raw: PersonalText::new(self.raw),
        }
    }
}

/// A word that may be shown in a log line: what looks like something else is not repeated.
pub(crate) fn shown(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if word.is_empty() || word.len() > WORD_BYTES_MAX || !word.bytes().all(plain) {
        "unknown".into()
    } else {
        word.into()
    }
}

impl Event {
    /// The event as one about an e-mail, if it is one that e-mail statistics count.
    #[must_use]
    pub fn email_record(&self) -> Option<EmailEventRecord> {
        match &self.news {
            News::Report(report) => report.email_record(self),
            _ => None,
        }
    }
}

/// Shows who tells what kind of thing. Ids stay hidden, because some are addresses.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("provider", &self.provider)
            .field("kind", &self.kind)
            .field("occurred_at", &self.occurred_at)
            .finish_non_exhaustive()
    }
}
