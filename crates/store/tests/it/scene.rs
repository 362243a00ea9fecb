//! What most tests of messages on their way begin with.

use chrono::{DateTime, Utc};
use domain::{
    AttemptResult, Channel, EventKind, FailureCause, Fingerprint, InboundRecord, MessageClass, MessageId,
    OutgoingRecord, PersonalText, Recipient, ReportRecord, TenantId,
};
use store::{Attempt, AttemptBegun, Message, MessageBegun, NewAttempt, ReportApplied, ReportRecorded, StoreError};

use crate::fresh::{Fresh, now};

pub(crate) const NUMBER: &str = "+33612345678";
pub(crate) const ADDRESS: &str = "marie@example.com";

pub(crate) fn recipient(text: &str) -> Recipient {
    text.to_owned().try_into().unwrap()
}

/// A message that `request` asks for: an SMS to a number, a mail to an address.
pub(crate) fn outgoing(fresh: &Fresh, request: &str, to: &str) -> OutgoingRecord {
    outgoing_of(fresh.tenant, request, to)
}

pub(crate) fn outgoing_of(tenant: TenantId, request: &str, to: &str) -> OutgoingRecord {
    OutgoingRecord {
        id: MessageId::of_request(tenant, request),
        fingerprint: Fingerprint([7; 32]),
        channel: if to.contains('@') { Channel::Email } else { Channel::Sms },
        recipient: recipient(to),
        class: MessageClass::Transactional,
        language: None,
        template: None,
        tags: Vec::new(),
        scheduled_at: None,
        person_id: None,
        organisation_id: None,
        subject: None,
        content: Some(PersonalText::new("Bonjour")),
        to_member: false,
    }
}

pub(crate) fn by(provider: &str) -> NewAttempt {
    NewAttempt {
        provider: provider.into(),
        credential: None,
        although_unclear: false,
        although_stopped: false,
    }
}

pub(crate) fn sent(external_id: &str) -> AttemptResult {
    AttemptResult::Sent {
        external_id: external_id.into(),
        kind: EventKind::Accepted,
    }
}

pub(crate) fn rejected(code: &str, cause: FailureCause) -> AttemptResult {
    AttemptResult::Rejected {
        code: code.into(),
        cause,
    }
}

pub(crate) fn unclear() -> AttemptResult {
    AttemptResult::Unclear { code: "timeout".into() }
}

pub(crate) fn not_sent() -> AttemptResult {
    AttemptResult::NotSent {
        code: "http_503".into(),
    }
}

/// Twilio reports on an SMS it calls `external_id`, with everything optional left out.
pub(crate) fn report(external_id: &str, kind: EventKind, identity: &str) -> ReportRecord {
    ReportRecord {
        provider: "twilio".into(),
        channel: Channel::Sms,
        message: None,
        external_id: Some(external_id.into()),
        kind,
        word: kind.as_str().into(),
        identity: identity.into(),
        occurred_at: now(),
        recipient: None,
        error_code: None,
        permanence: None,
        cause: FailureCause::Other,
        by_machine: false,
        subject: None,
        person_id: None,
        organisation_id: None,
        url: None,
        raw: None,
    }
}

/// SendGrid reports on a mail.
pub(crate) fn mail_report(external_id: &str, kind: EventKind, identity: &str) -> ReportRecord {
    ReportRecord {
        provider: "sendgrid".into(),
        channel: Channel::Email,
        ..report(external_id, kind, identity)
    }
}

/// Somebody writes an SMS.
pub(crate) fn inbound(from: &str, text: &str, identity: &str) -> InboundRecord {
    InboundRecord {
        provider: "twilio".into(),
        channel: Channel::Sms,
        external_id: format!("in {identity}"),
        identity: identity.into(),
        occurred_at: now(),
        from: PersonalText::new(from),
        to: Some(PersonalText::new("+33600000000")),
        text: Some(PersonalText::new(text)),
        button: None,
        button_label: None,
        opt_out: None,
        answers: None,
        raw: None,
    }
}

/// Of two transactions that wait for each other Postgres ends one: whoever asked for it asks again, as a job does.
async fn again<T, F: Future<Output = Result<T, StoreError>>>(ask: impl Fn() -> F) -> T {
    for _ in 0..5 {
        match ask().await {
            Err(StoreError::Unavailable(_)) => {}
            answered => return answered.unwrap(),
        }
    }
    panic!("five times in a row something else was in the way");
}

impl Fresh {
    /// Begins a message that must be new.
    pub(crate) async fn begin(&self, message: &OutgoingRecord, now: DateTime<Utc>) -> MessageId {
        let begun = self.store.begin_message(self.tenant, message, now).await.unwrap();
        assert_eq!(begun, MessageBegun::New);
        message.id
    }

    /// Begins an attempt that must be let go; its number.
    pub(crate) async fn go(&self, message: MessageId, provider: &str, now: DateTime<Utc>) -> u32 {
        match self.try_by(message, &by(provider), now).await {
            AttemptBegun::Go { number } => number,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn try_by(&self, message: MessageId, attempt: &NewAttempt, now: DateTime<Utc>) -> AttemptBegun {
        self.store
            .begin_attempt(self.tenant, message, attempt, now)
            .await
            .unwrap()
    }

    pub(crate) async fn end(
        &self,
        message: MessageId,
        number: u32,
        result: &AttemptResult,
        now: DateTime<Utc>,
    ) -> Attempt {
        let ended = again(|| self.store.end_attempt(self.tenant, message, number, result, now)).await;
        ended.unwrap()
    }

    /// Begins and sends a message.
    pub(crate) async fn send(&self, message: &OutgoingRecord, provider: &str, external_id: &str) -> MessageId {
        self.begin(message, now()).await;
        let number = self.go(message.id, provider, now()).await;
        self.end(message.id, number, &sent(external_id), now()).await;
        message.id
    }

    /// Records a report that must be new.
    pub(crate) async fn hear(&self, report: &ReportRecord) -> ReportApplied {
        let recorded = again(|| self.store.record_report(self.tenant, self.endpoint, report, now())).await;
        match recorded {
            ReportRecorded::Applied(applied) => applied,
            ReportRecorded::Duplicate { .. } => panic!("this report should be new"),
        }
    }

    pub(crate) async fn find(&self, message: MessageId) -> Message {
        self.store.message(self.tenant, message).await.unwrap().unwrap()
    }

    /// The kinds of a message's events, in the order they happened.
    pub(crate) async fn kinds(&self, message: MessageId) -> Vec<EventKind> {
        let events = self
            .store
            .message_events(self.tenant, message, None, 100)
            .await
            .unwrap();
        events.items.into_iter().map(|event| event.kind).collect()
    }
}
