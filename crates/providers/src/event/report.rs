//! How far a message of ours came.

use std::collections::BTreeMap;
use std::fmt;

use domain::{EmailAddress, EmailEvent, EmailEventRecord, PersonalText};
use serde::{Deserialize, Serialize};

use super::{Channel, Event};
use crate::email::{SUBJECT_BYTES_MAX, URL_BYTES_MAX};
use crate::json;

/// What a provider reports about a message that we sent.
///
/// Reports come late, twice and out of order; none of these words says that another came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// The provider has it and will look for a sender.
    Accepted,
    /// The provider keeps it for later.
    Scheduled,
    /// The provider will send it.
    Queued,
    /// The provider is sending it.
    Sending,
    /// The provider handed it on.
    Sent,
    /// The other side did not take it yet; the provider goes on trying.
    Delayed,
    /// The recipient's server or handset took it.
    Delivered,
    /// The recipient saw it, by the channel's own receipt.
    Read,
    /// The recipient opened it, by a picture in it.
    Opened,
    /// The recipient followed a link in it.
    Clicked,
    /// Handed on, but not taken.
    Undelivered,
    /// The recipient's server refused it, at once or later.
    Bounced,
    /// The provider could not send it.
    Failed,
    /// The provider would not send it: earlier trouble with the recipient, or its own rules.
    Dropped,
    /// We took it back in time.
    Canceled,
    /// The recipient called it spam.
    Complained,
    /// The recipient wants no more.
    Unsubscribed,
    /// The recipient wants to hear from us again.
    Resubscribed,
}

/// Whether what failed would fail again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permanence {
    /// It would: the address does not exist, the recipient is blocked.
    Permanent,
    /// It may pass: a full mailbox, a reputation.
    Transient,
}

/// What a provider tells about a message that we sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryReport {
    /// What happened.
    pub status: DeliveryStatus,
    /// The way the message went.
    pub channel: Channel,
    /// What the provider calls the message. Late bounces of SendGrid may lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Who it went to, if the report concerns one recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<PersonalText>,
    /// Why it did not arrive, as a code: `30003`, `5.1.1`, `MailboxFull`, `noAccount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Why, in somebody's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<PersonalText>,
    /// Whether another attempt would fail too, if the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permanence: Option<Permanence>,
    /// The message's subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<PersonalText>,
    /// The link that was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<PersonalText>,
    /// A machine opened it, not a person: a mail service that fetches pictures ahead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_machine: bool,
    /// What we gave the provider to hand back: SendGrid's custom arguments, Resend's tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, PersonalText>,
}

impl DeliveryReport {
    /// Nothing but the status is known yet.
    pub(crate) const fn new(channel: Channel, status: DeliveryStatus) -> Self {
        Self {
            status,
            channel,
            external_id: None,
            recipient: None,
            error_code: None,
            reason: None,
            permanence: None,
            subject: None,
            url: None,
            by_machine: false,
            tags: BTreeMap::new(),
        }
    }

    /// The tag of this name, if it is short and plain enough for an id.
    #[must_use]
    pub fn tagged_id(&self, name: &str) -> Option<String> {
        json::usable_id(self.tags.get(name)?.expose())
    }

    pub(super) fn email_record(&self, event: &Event) -> Option<EmailEventRecord> {
        if self.channel != Channel::Email {
            return None;
        }
        let person_id = self.tagged_id("person_id");
        Some(EmailEventRecord {
            provider: event.provider.as_str().to_owned(),
            external_id: self.external_id.clone()?,
            kind: email_event(self.status)?,
            identity: event.identity.clone(),
            occurred_at: event.occurred_at,
            recipient: self
                .recipient
                .as_ref()
                .and_then(|text| EmailAddress::parse(text.expose()).ok()),
            subject: short(self.subject.as_ref(), SUBJECT_BYTES_MAX),
            organisation_id: person_id.is_none().then(|| self.tagged_id("organisation_id")).flatten(),
            person_id,
            url: short(self.url.as_ref(), URL_BYTES_MAX),
        })
    }
}

/// What is longer than statistics keep is left out of them; the event still has it.
fn short(text: Option<&PersonalText>, bytes_max: usize) -> Option<PersonalText> {
    text.filter(|text| text.expose().len() <= bytes_max).cloned()
}

/// What e-mail statistics call it, if they count it.
const fn email_event(status: DeliveryStatus) -> Option<EmailEvent> {
    Some(match status {
        DeliveryStatus::Sent => EmailEvent::Sent,
        DeliveryStatus::Delivered => EmailEvent::Delivered,
        DeliveryStatus::Opened => EmailEvent::Opened,
        DeliveryStatus::Clicked => EmailEvent::Clicked,
        DeliveryStatus::Bounced => EmailEvent::Bounced,
        DeliveryStatus::Complained => EmailEvent::Complained,
        DeliveryStatus::Unsubscribed => EmailEvent::Unsubscribed,
        _ => return None,
    })
}

/// Shows what happened and why. Ids and tags stay hidden, because some are addresses.
impl fmt::Debug for DeliveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryReport")
            .field("status", &self.status)
            .field("channel", &self.channel)
            .field("recipient", &self.recipient)
            .field("permanence", &self.permanence)
            .finish_non_exhaustive()
    }
}
