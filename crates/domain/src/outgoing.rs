//! A message that goes out: to whom, what kind of message it is, and what came of trying to send it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::channel::{Channel, Language};
use crate::ids::MessageId;
use crate::masking::{AddressError, EmailAddress, PersonalText};
use crate::phone::{E164, PhoneError};
use crate::report::EventKind;
use crate::suppression::{FailureCause, Suppression};

/// Where a message goes, or came from: an address or a number, by channel. In JSON it is a plain text: every address has
/// an `@` and no number does.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Recipient {
    /// Of mail.
    Address(EmailAddress),
    /// Of SMS and WhatsApp.
    Number(E164),
}

/// What is wrong with a recipient. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// It is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// It is no number.
    #[error(transparent)]
    Number(#[from] PhoneError),
}

impl Recipient {
    /// Reads what a message of this channel goes to.
    ///
    /// # Errors
    /// [`RecipientError`] says what is wrong.
    pub fn parse(channel: Channel, text: &str) -> Result<Self, RecipientError> {
        Ok(if channel.is_by_number() {
            Self::Number(E164::parse(text)?)
        } else {
            Self::Address(EmailAddress::parse(text)?)
        })
    }

    /// Whether messages of this channel can go there.
    #[must_use]
    pub const fn is_reached_by(&self, channel: Channel) -> bool {
        match self {
            Self::Address(_) => !channel.is_by_number(),
            Self::Number(_) => channel.is_by_number(),
        }
    }

    /// The address or number itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        match self {
            Self::Address(address) => address.expose(),
            Self::Number(number) => number.expose(),
        }
    }

    /// The form that all spellings of it share.
    #[must_use]
    pub fn expose_folded(&self) -> String {
        match self {
            Self::Address(address) => address.expose_folded(),
            Self::Number(number) => number.expose().to_owned(),
        }
    }
}

impl TryFrom<String> for Recipient {
    type Error = RecipientError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Ok(if text.contains('@') {
            Self::Address(EmailAddress::parse(&text)?)
        } else {
            Self::Number(E164::parse(&text)?)
        })
    }
}

impl From<Recipient> for String {
    fn from(recipient: Recipient) -> Self {
        match recipient {
            Recipient::Address(address) => address.into(),
            Recipient::Number(number) => number.into(),
        }
    }
}

impl From<EmailAddress> for Recipient {
    fn from(address: EmailAddress) -> Self {
        Self::Address(address)
    }
}

impl From<E164> for Recipient {
    fn from(number: E164) -> Self {
        Self::Number(number)
    }
}

/// Masked, as addresses and numbers are.
impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

stored! {
    /// What kind of message it is, which decides when it may go and what follows if nobody knows whether it went.
    MessageClass {
        /// Somebody asked for it by what they did: a receipt, an appointment. A second one would confuse.
        Transactional = "transactional",
        /// A one-time code. Useless when late; a second one says the same.
        Code = "code",
        /// Nobody asked for it. Waits for the end of quiet hours.
        Marketing = "marketing",
        /// Must arrive, and once: an invoice, an alarm. When it is unclear whether it went, a person decides.
        Critical = "critical",
    }
}

/// SHA-256 of a request, by which a second request with the same key and another wish is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub [u8; 32]);

/// One version of a template.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TemplateVersion {
    /// The template's name.
    pub name: String,
    /// Counted from 1.
    pub version: u32,
}

/// A message that is about to be sent, as it is written down before anybody is called.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingRecord {
    /// Its id, derived from the request ([`MessageId::of_request`]), so that the request's answer can name it.
    pub id: MessageId,
    /// What the request asked for, in short.
    pub fingerprint: Fingerprint,
    /// How it goes.
    pub channel: Channel,
    /// Where it goes.
    pub recipient: Recipient,
    /// What kind of message it is.
    pub class: MessageClass,
    /// The language it is written in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// What it is written with, if with a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateVersion>,
    /// The tenant's own words for it. Not sealed: no place for what is personal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// When it was to go, if not at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<DateTime<Utc>>,
    /// The tenant's own id of the person it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_id: Option<String>,
    /// The tenant's own id of the organisation it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation_id: Option<String>,
    /// A mail's subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<PersonalText>,
    /// What it says, in whatever form the sender reads again. None for a code: it is computed when it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<PersonalText>,
}

/// Shows the kind of message and the masked recipient. Callers' ids are left out, because some are addresses.
impl fmt::Debug for OutgoingRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingRecord")
            .field("id", &self.id)
            .field("channel", &self.channel)
            .field("recipient", &self.recipient)
            .field("class", &self.class)
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

stored! {
    /// What is known of one call to a provider that was to send a message.
    AttemptState {
        /// It is about to be made, or was, and nobody wrote down what came of it.
        Intended = "intended",
        /// The provider took the message.
        Sent = "sent",
        /// The provider refused the message, and would again.
        Rejected = "rejected",
        /// The message surely was not sent, and may be tried again.
        NotSent = "not_sent",
        /// Nobody knows whether it was sent.
        Unclear = "unclear",
    }
}

impl AttemptState {
    /// Whether the message may have been sent, so that sending it again may send it twice.
    #[must_use]
    pub const fn may_have_gone(self) -> bool {
        matches!(self, Self::Intended | Self::Sent | Self::Unclear)
    }

    /// Whether `next` may be written over this. What was surely sent, or surely not, stays so; that nothing is known is
    /// only ever replaced by what is known. An attempt once thought lost turns out to be sent when a report names it.
    #[must_use]
    pub const fn gives_way_to(self, next: Self) -> bool {
        match self {
            Self::Intended => !matches!(next, Self::Intended),
            Self::Unclear => matches!(next, Self::Sent | Self::Rejected | Self::NotSent),
            Self::Rejected | Self::NotSent => matches!(next, Self::Sent),
            Self::Sent => false,
        }
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    /// The provider took the message.
    Sent {
        /// What the provider calls it.
        external_id: String,
        /// How far it came until the provider answered: accepted, sending, sent.
        kind: EventKind,
    },
    /// The provider refused the message, and would again.
    Rejected {
        /// The provider's code: `21610`, `550 5.1.1`.
        code: String,
        /// What the code says of the recipient.
        cause: FailureCause,
    },
    /// The message surely was not sent, and may be tried again.
    NotSent {
        /// The provider's code, or what stands for one: `http_503`.
        code: String,
    },
    /// Nobody knows whether it was sent.
    Unclear {
        /// What stands for the answer: `timeout`, `answer`.
        code: String,
    },
}

impl AttemptResult {
    /// The state that it leaves the attempt in.
    #[must_use]
    pub const fn state(&self) -> AttemptState {
        match self {
            Self::Sent { .. } => AttemptState::Sent,
            Self::Rejected { .. } => AttemptState::Rejected,
            Self::NotSent { .. } => AttemptState::NotSent,
            Self::Unclear { .. } => AttemptState::Unclear,
        }
    }

    /// How it shows among the message's events.
    #[must_use]
    pub const fn event(&self) -> EventKind {
        match self {
            Self::Sent { kind, .. } => *kind,
            Self::Rejected { .. } => EventKind::Rejected,
            Self::NotSent { .. } => EventKind::NotSent,
            Self::Unclear { .. } => EventKind::Unclear,
        }
    }

    /// The code of what went wrong.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Sent { .. } => None,
            Self::Rejected { code, .. } | Self::NotSent { code } | Self::Unclear { code } => Some(code),
        }
    }

    /// What it makes of the recipient of a message of this channel.
    #[must_use]
    pub const fn suppression(&self, channel: Channel) -> Option<Suppression> {
        match self {
            Self::Rejected { cause, .. } => EventKind::Failed.suppression(channel, *cause),
            _ => None,
        }
    }
}

/// Why a message that nobody was able, or allowed, to send is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageEnd {
    /// No provider took it.
    Failed {
        /// The last provider's code, or ours: `no_route`.
        code: String,
    },
    /// Its recipient is not written to.
    Suppressed(Suppression),
    /// It was taken back.
    Canceled,
    /// Its time was over.
    Expired,
}

impl MessageEnd {
    /// How it shows among the message's events.
    #[must_use]
    pub const fn event(&self) -> EventKind {
        match self {
            Self::Failed { .. } => EventKind::Failed,
            Self::Suppressed(_) => EventKind::Suppressed,
            Self::Canceled => EventKind::Canceled,
            Self::Expired => EventKind::Expired,
        }
    }

    /// The code beside it.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Failed { code } => Some(code),
            Self::Suppressed(reason) => Some(reason.as_str()),
            Self::Canceled | Self::Expired => None,
        }
    }
}
