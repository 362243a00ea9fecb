//! What is told about a message that went out: by its provider, or by ourselves when we tried to send it.

mod figures;

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use figures::{Figure, Figures};

use crate::channel::Channel;
use crate::delivery::{EmailEvent, Progress, Span, Status, TextEvent};
use crate::email_event::EmailEventRecord;
use crate::ids::MessageId;
use crate::masking::PersonalText;
use crate::outgoing::Recipient;
use crate::suppression::{FailureCause, Lift, Suppression};

stored! {
    /// What happened to a message, on whichever channel.
    EventKind {
        /// The provider has it: to be sent at once, in its turn, or at the time asked for.
        Accepted = "accepted",
        /// The provider is handing it on.
        Sending = "sending",
        /// The provider handed it on.
        Sent = "sent",
        /// The other side did not take it yet; the provider goes on trying.
        Delayed = "delayed",
        /// The recipient's server or handset took it.
        Delivered = "delivered",
        /// The recipient saw it, by the channel's own receipt.
        Read = "read",
        /// The recipient saw it, by a picture in it.
        Opened = "opened",
        /// The recipient followed a link.
        Clicked = "clicked",
        /// It was taken back before it went.
        Canceled = "canceled",
        /// Its time was over before it went.
        Expired = "expired",
        /// It could not be sent.
        Failed = "failed",
        /// The carrier or the handset did not take it.
        Undelivered = "undelivered",
        /// The provider would not send it: earlier trouble with the recipient, or its own rules.
        Dropped = "dropped",
        /// It came back.
        Bounced = "bounced",
        /// The recipient called it spam.
        Complained = "complained",
        /// The recipient wants no more. Says nothing about this message's way.
        Unsubscribed = "unsubscribed",
        /// The recipient wants to hear from us again.
        Resubscribed = "resubscribed",
        /// Ours: a provider refused it, and the next one may be asked.
        Rejected = "rejected",
        /// Ours: an attempt to send it surely failed, and may be made again.
        NotSent = "not_sent",
        /// Ours: nobody knows whether an attempt sent it.
        Unclear = "unclear",
        /// Ours: its recipient is not written to.
        Suppressed = "suppressed",
    }
}

impl EventKind {
    /// The status that it speaks of, if it speaks of one.
    #[must_use]
    pub const fn status(self) -> Option<Status> {
        Some(match self {
            Self::Accepted => Status::Accepted,
            Self::Sending | Self::Delayed => Status::Sending,
            Self::Sent => Status::Sent,
            Self::Delivered => Status::Delivered,
            Self::Read => Status::Read,
            Self::Opened => Status::Opened,
            Self::Clicked => Status::Clicked,
            Self::Canceled => Status::Canceled,
            Self::Expired => Status::Expired,
            Self::Failed | Self::Dropped | Self::Suppressed => Status::Failed,
            Self::Undelivered => Status::Undelivered,
            Self::Bounced => Status::Bounced,
            Self::Complained => Status::Complained,
            Self::Unsubscribed | Self::Resubscribed | Self::Rejected | Self::NotSent | Self::Unclear => return None,
        })
    }

    /// The event that counters and lead scores know it as, if they do.
    #[must_use]
    pub const fn counted(self) -> Option<EmailEvent> {
        Some(match self {
            Self::Sent => EmailEvent::Sent,
            Self::Delivered => EmailEvent::Delivered,
            Self::Opened => EmailEvent::Opened,
            Self::Clicked => EmailEvent::Clicked,
            Self::Bounced => EmailEvent::Bounced,
            Self::Complained => EmailEvent::Complained,
            Self::Unsubscribed => EmailEvent::Unsubscribed,
            _ => return None,
        })
    }

    /// What it makes of the recipient, given what is said of the failure. Mail that was not even sent counts only if the
    /// provider says that it is because of the recipient.
    #[must_use]
    pub const fn suppression(self, channel: Channel, cause: FailureCause) -> Option<Suppression> {
        let event = match self {
            Self::Failed | Self::Dropped => TextEvent::Failed,
            Self::Undelivered => TextEvent::Undelivered,
            _ => {
                return match self.counted() {
                    Some(event) => Suppression::after_email(event, cause),
                    None => None,
                };
            }
        };
        match (channel, cause) {
            (Channel::Email, FailureCause::OptedOut | FailureCause::NoSuchRecipient) => {
                Suppression::after_email(EmailEvent::Bounced, cause)
            }
            (Channel::Email, _) => None,
            (Channel::Sms | Channel::Whatsapp, _) => Suppression::after_text(event, cause),
        }
    }

    /// What it lifts.
    #[must_use]
    pub const fn lift(self) -> Option<Lift> {
        match self {
            Self::Resubscribed => Some(Lift::Resubscribed),
            _ => None,
        }
    }
}

impl From<EmailEvent> for EventKind {
    fn from(event: EmailEvent) -> Self {
        match event {
            EmailEvent::Sent => Self::Sent,
            EmailEvent::Delivered => Self::Delivered,
            EmailEvent::Opened => Self::Opened,
            EmailEvent::Clicked => Self::Clicked,
            EmailEvent::Bounced => Self::Bounced,
            EmailEvent::Complained => Self::Complained,
            EmailEvent::Unsubscribed => Self::Unsubscribed,
        }
    }
}

impl From<TextEvent> for EventKind {
    fn from(event: TextEvent) -> Self {
        match event {
            TextEvent::Accepted => Self::Accepted,
            TextEvent::Sending => Self::Sending,
            TextEvent::Sent => Self::Sent,
            TextEvent::Canceled => Self::Canceled,
            TextEvent::Expired => Self::Expired,
            TextEvent::Failed => Self::Failed,
            TextEvent::Undelivered => Self::Undelivered,
            TextEvent::Delivered => Self::Delivered,
            TextEvent::Read => Self::Read,
        }
    }
}

impl Progress {
    /// The progress once `kind`, which happened at `at`, is known too. A machine that fetches pictures or tries links
    /// ahead of its person shows that the message arrived, and nothing of the person.
    #[must_use]
    pub fn after_event(mut self, kind: EventKind, by_machine: bool, at: DateTime<Utc>) -> Self {
        match kind.counted() {
            Some(counted) if !by_machine => self.after(counted, at),
            _ => {
                let status = if by_machine {
                    Some(Status::Delivered)
                } else {
                    kind.status()
                };
                self.status = status.map_or(self.status, |status| self.status.max(status));
                self.events = Some(Span::stretched(self.events, at));
                self
            }
        }
    }

    /// All that is known of one message, when two turn out to be the same.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        let joined = |one: Option<Span>, other: Option<Span>| match (one, other) {
            (span, None) => span,
            (span, Some(other)) => Some(Span::stretched(Some(Span::stretched(span, other.first)), other.last)),
        };
        Self {
            status: self.status.max(other.status),
            counters: self.counters.joined(other.counters),
            events: joined(self.events, other.events),
            opens: joined(self.opens, other.opens),
            clicks: joined(self.clicks, other.clicks),
        }
    }
}

stored! {
    /// Whether what failed would fail again, if the provider says so.
    Permanence {
        /// It would: the address does not exist, the recipient is blocked.
        Permanent = "permanent",
        /// It may pass: a full mailbox, a reputation.
        Transient = "transient",
    }
}

/// What a provider, or our own tracking, tells about one message.
///
/// It lies in job payloads, so a form once shipped must parse for ever: new fields are optional.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRecord {
    /// Who tells it, as one word: `sendgrid`.
    pub provider: String,
    /// How the message went.
    pub channel: Channel,
    /// Which message, if it was sent with its id attached and the report hands it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// What the provider calls the message. Late bounces of SendGrid may lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// What happened.
    pub kind: EventKind,
    /// The provider's own word for it: `bounce`, `email.bounced`, `undelivered`.
    pub word: String,
    /// What makes this event itself: the same text at the same endpoint is the same event. Made by the provider's parser.
    pub identity: String,
    /// When it happened, by the provider's clock.
    pub occurred_at: DateTime<Utc>,
    /// Who it went to, if the report says so in a form that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<Recipient>,
    /// Why it did not arrive, as a code: `30003`, `5.1.1`, `MailboxFull`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Whether another attempt would fail too, if the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permanence: Option<Permanence>,
    /// What the failure says of the recipient, by the provider's codes.
    #[serde(default = "unsaid")]
    pub cause: FailureCause,
    /// A machine opened or clicked, not a person: a mail service that fetches pictures and tries links ahead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_machine: bool,
    /// The message's subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<PersonalText>,
    /// The caller's own id of the person it went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_id: Option<String>,
    /// The caller's own id of the organisation it went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation_id: Option<String>,
    /// The link that was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<PersonalText>,
    /// The event as it was sent, without credentials. To be kept sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<PersonalText>,
}

const fn unsaid() -> FailureCause {
    FailureCause::Other
}

impl ReportRecord {
    /// The same without whom it is about and what they saw and did: what is left counts.
    #[must_use]
    pub fn of_nobody(&self) -> Self {
        Self {
            recipient: None,
            subject: None,
            person_id: None,
            organisation_id: None,
            url: None,
            raw: None,
            ..self.clone()
        }
    }

    /// What it says of the recipient: the cause, unless only that it may pass is known.
    #[must_use]
    pub fn cause(&self) -> FailureCause {
        match (self.cause, self.permanence) {
            (FailureCause::Other, Some(Permanence::Transient)) => FailureCause::Passing,
            (cause, _) => cause,
        }
    }

    /// What it makes of the recipient.
    #[must_use]
    pub fn suppression(&self) -> Option<Suppression> {
        self.kind.suppression(self.channel, self.cause())
    }
}

impl From<EmailEventRecord> for ReportRecord {
    fn from(record: EmailEventRecord) -> Self {
        Self {
            provider: record.provider,
            channel: Channel::Email,
            message: None,
            external_id: Some(record.external_id),
            kind: record.kind.into(),
            word: record.kind.as_str().to_owned(),
            identity: record.identity,
            occurred_at: record.occurred_at,
            recipient: record.recipient.map(Recipient::Address),
            error_code: None,
            permanence: None,
            cause: FailureCause::Other,
            by_machine: false,
            subject: record.subject,
            person_id: record.person_id,
            organisation_id: record.organisation_id,
            url: record.url,
            raw: None,
        }
    }
}

/// Shows what happened and why. Ids and the identity stay hidden, because some are addresses and links.
impl fmt::Debug for ReportRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportRecord")
            .field("provider", &self.provider)
            .field("channel", &self.channel)
            .field("kind", &self.kind)
            .field("occurred_at", &self.occurred_at)
            .field("recipient", &self.recipient)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
