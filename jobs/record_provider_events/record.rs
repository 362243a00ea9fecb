//! What the store is given of an event.

use domain::{Channel, EventKind, InboundRecord, MessageId, Permanence, PersonalText, Recipient, ReportRecord};
use providers::event::{self, DeliveryReport, DeliveryStatus, InboundMessage};
use providers::outgoing::MESSAGE_ID_TAG;
use providers::{Event, News};
use store::KeptEvent;
use uuid::Uuid;

use super::cause;

/// What an event is recorded as.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Record {
    /// How far a message of ours came.
    Report(ReportRecord),
    /// Somebody wrote to us.
    Inbound(InboundRecord),
    /// Calls, the state of a sender, and what nobody knows yet: kept whole, for whoever learns to read it.
    Kept(KeptEvent),
}

pub(super) fn of(event: &Event) -> Record {
    let record = match &event.news {
        News::Report(told) => report(event, told).map(Record::Report),
        News::Inbound(message) => inbound(event, message).map(Record::Inbound),
        News::Call(_) | News::Question(_) | News::SenderState { .. } | News::Other => None,
    };
    record.unwrap_or_else(|| Record::Kept(kept(event)))
}

/// All of it, what was read as well as what was sent: [`Event`] parses what it once was.
fn kept(event: &Event) -> KeptEvent {
    KeptEvent {
        provider: event.provider.as_str().to_owned(),
        word: event.kind.clone(),
        occurred_at: event.occurred_at,
        // Texts, numbers and times: this cannot fail.
        content: PersonalText::new(serde_json::to_string(event).unwrap_or_default()),
    }
}

fn report(event: &Event, told: &DeliveryReport) -> Option<ReportRecord> {
    let channel = channel(told.channel)?;
    let person_id = told.tagged_id("person_id");
    Some(ReportRecord {
        provider: event.provider.as_str().to_owned(),
        channel,
        message: told
            .tagged_id(MESSAGE_ID_TAG)
            .and_then(|id| id.parse::<Uuid>().ok())
            .map(MessageId),
        external_id: told.external_id.clone(),
        kind: kind(told.status),
        word: event.kind.clone(),
        identity: event.identity.clone(),
        occurred_at: event.occurred_at,
        recipient: told
            .recipient
            .as_ref()
            .and_then(|text| Recipient::parse(channel, text.expose()).ok()),
        error_code: told.error_code.clone(),
        permanence: told.permanence.map(permanence),
        cause: cause::of(event.provider, told),
        by_machine: told.by_machine,
        subject: told.subject.clone(),
        organisation_id: person_id.is_none().then(|| told.tagged_id("organisation_id")).flatten(),
        person_id,
        url: told.url.clone(),
        raw: Some(event.raw.clone()),
    })
}

/// What was written in a group was written to the group: it answers nothing of ours, and a STOP in it stops nobody.
fn inbound(event: &Event, message: &InboundMessage) -> Option<InboundRecord> {
    if message.group.is_some() {
        return None;
    }
    let button = message.button.as_ref();
    Some(InboundRecord {
        provider: event.provider.as_str().to_owned(),
        channel: channel(message.channel)?,
        external_id: message.external_id.clone(),
        identity: event.identity.clone(),
        occurred_at: event.occurred_at,
        from: message.from.clone(),
        to: message.to.clone(),
        text: message.text.clone(),
        button: button.and_then(|button| button.payload.clone()),
        button_label: button.and_then(|button| button.label.clone()),
        opt_out: message.opt_out.clone(),
        answers: message.answers.clone(),
        raw: Some(event.raw.clone()),
    })
}

/// `None` for the ways that messages are not sent by.
const fn channel(channel: event::Channel) -> Option<Channel> {
    match channel {
        event::Channel::Email => Some(Channel::Email),
        event::Channel::Sms => Some(Channel::Sms),
        event::Channel::Whatsapp => Some(Channel::Whatsapp),
        event::Channel::Voice | event::Channel::Other => None,
    }
}

const fn kind(status: DeliveryStatus) -> EventKind {
    match status {
        DeliveryStatus::Accepted | DeliveryStatus::Scheduled | DeliveryStatus::Queued => EventKind::Accepted,
        DeliveryStatus::Sending => EventKind::Sending,
        DeliveryStatus::Sent => EventKind::Sent,
        DeliveryStatus::Delayed => EventKind::Delayed,
        DeliveryStatus::Delivered => EventKind::Delivered,
        DeliveryStatus::Read => EventKind::Read,
        DeliveryStatus::Opened => EventKind::Opened,
        DeliveryStatus::Clicked => EventKind::Clicked,
        DeliveryStatus::Undelivered => EventKind::Undelivered,
        DeliveryStatus::Bounced => EventKind::Bounced,
        DeliveryStatus::Failed => EventKind::Failed,
        DeliveryStatus::Dropped => EventKind::Dropped,
        DeliveryStatus::Canceled => EventKind::Canceled,
        DeliveryStatus::Complained => EventKind::Complained,
        DeliveryStatus::Unsubscribed => EventKind::Unsubscribed,
        DeliveryStatus::Resubscribed => EventKind::Resubscribed,
    }
}

const fn permanence(permanence: event::Permanence) -> Permanence {
    match permanence {
        event::Permanence::Permanent => Permanence::Permanent,
        event::Permanence::Transient => Permanence::Transient,
    }
}
