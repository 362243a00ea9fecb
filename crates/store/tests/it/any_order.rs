//! Whatever is known of a message ends the same, in whichever order it becomes known.

use chrono::{DateTime, TimeDelta, Utc};
use domain::delivery::Span;
use domain::{
    AttemptState, Channel, EventKind, FailureCause, Figure, MessageId, OutgoingRecord, Permanence, Progress,
    ReportRecord, Suppression,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use store::{DeliveryRate, MessageFilter};

use crate::fresh::{Fresh, now};
use crate::scene::{mail_report, outgoing, report, sent};

/// So many orders are tried of each story.
const ORDERS: usize = 40;

/// Something that becomes known.
#[derive(Clone, Debug)]
enum Step {
    /// The provider's answer to the attempt.
    Answer,
    /// A report, of which recipient, external id and identity are still to be filled in.
    Report(Box<ReportRecord>),
}

/// What is left in the end, with times as if the case had been played on the first day. Names are left out.
#[derive(Debug, PartialEq)]
struct End {
    progress: Progress,
    error_code: Option<String>,
    attempts: Vec<(AttemptState, Option<DateTime<Utc>>)>,
    events: Vec<(EventKind, DateTime<Utc>)>,
    suppressed: Vec<(Suppression, DateTime<Utc>)>,
    figures: Vec<(String, [u64; Figure::ALL.len()])>,
    score: i64,
    has_interaction: bool,
    messages: usize,
}

fn at(seconds: i64) -> DateTime<Utc> {
    now() + TimeDelta::seconds(seconds)
}

/// A mail that is opened, clicked, and at last unwanted; some reports name the recipient, some the message itself.
fn story_of_a_mail() -> Vec<Step> {
    let mut steps = vec![Step::Answer];
    let kinds = [
        (EventKind::Sent, 1),
        (EventKind::Delayed, 2),
        (EventKind::Delivered, 3),
        (EventKind::Opened, 4),
        (EventKind::Opened, 5),
        (EventKind::Clicked, 6),
        (EventKind::Unsubscribed, 7),
        (EventKind::Resubscribed, 8),
        (EventKind::Unsubscribed, 9),
        (EventKind::Complained, 10),
    ];
    steps.extend(kinds.map(|(kind, seconds)| {
        Step::Report(Box::new(ReportRecord {
            occurred_at: at(seconds),
            by_machine: seconds == 5,
            ..mail_report("?", kind, "?")
        }))
    }));
    steps
}

/// A text message that its carrier gives up and then finds to be delivered after all.
fn story_of_a_text() -> Vec<Step> {
    let mut steps = vec![Step::Answer];
    let kinds = [
        (EventKind::Accepted, None),
        (EventKind::Sending, None),
        (EventKind::Sent, None),
        (EventKind::Failed, Some("30003")),
        (EventKind::Undelivered, Some("30005")),
    ];
    steps.extend(kinds.into_iter().zip(1..).map(|((kind, code), seconds)| {
        Step::Report(Box::new(ReportRecord {
            occurred_at: at(seconds),
            error_code: code.map(Into::into),
            permanence: code.map(|_| Permanence::Permanent),
            cause: if code == Some("30005") {
                FailureCause::NoSuchRecipient
            } else {
                FailureCause::Other
            },
            ..report("?", kind, "?")
        }))
    }));
    steps
}

/// Plays a story in one order, as a message of its own on a day of its own.
async fn play(fresh: &Fresh, case: usize, template: &OutgoingRecord, steps: &[(usize, Step)], names: &[bool]) -> End {
    let to = match template.channel {
        Channel::Email => format!("case{case}@example.com"),
        _ => format!("+336123{case:05}"),
    };
    let today = now() + TimeDelta::days(case as i64);
    let record = OutgoingRecord {
        id: MessageId::of_request(fresh.tenant, &format!("{} {case}", template.channel)),
        recipient: to.clone().try_into().unwrap(),
        person_id: Some(format!("{} {case}", template.channel)),
        ..template.clone()
    };
    let external_id = format!("{} {case}", template.channel);
    let provider = if template.channel == Channel::Email {
        "sendgrid"
    } else {
        "twilio"
    };
    fresh.begin(&record, today).await;
    fresh.go(record.id, provider, today).await;
    for (place, step) in steps {
        match step {
            Step::Answer => {
                fresh.end(record.id, 1, &sent(&external_id), today).await;
            }
            Step::Report(told) => {
                let told = ReportRecord {
                    external_id: Some(external_id.clone()),
                    identity: format!("{external_id} {place}"),
                    recipient: names[*place].then(|| record.recipient.clone()),
                    occurred_at: today + (told.occurred_at - now()),
                    ..(**told).clone()
                };
                // Every report comes twice.
                for _ in 0..2 {
                    let recorded = fresh
                        .store
                        .record_report(fresh.tenant, fresh.endpoint, &told, today)
                        .await;
                    recorded.unwrap();
                }
            }
        }
    }
    end(fresh, &record, today).await
}

async fn end(fresh: &Fresh, record: &OutgoingRecord, today: DateTime<Utc>) -> End {
    let message = fresh.find(record.id).await;
    let attempts = fresh.store.attempts(fresh.tenant, record.id).await.unwrap();
    let events = fresh
        .store
        .message_events(fresh.tenant, record.id, None, 100)
        .await
        .unwrap();
    let suppressed = fresh
        .store
        .suppressions_of(fresh.tenant, record.channel, &record.recipient)
        .await;
    let rates = fresh
        .store
        .delivery_rates(fresh.tenant, today.date_naive(), today.date_naive())
        .await
        .unwrap();
    let leads = fresh.store.leads_hot(fresh.tenant, 1, 500).await.unwrap();
    let all = fresh
        .store
        .messages(fresh.tenant, &MessageFilter::default(), None, 500)
        .await
        .unwrap();
    let first_day = |at: DateTime<Utc>| at - (today - now());
    let first_days = |span: Span| Span {
        first: first_day(span.first),
        last: first_day(span.last),
    };
    let mut kinds: Vec<_> = events
        .items
        .into_iter()
        .map(|event| (event.kind, first_day(event.occurred_at)))
        .collect();
    kinds.sort();
    let counts = |rate: &DeliveryRate| std::array::from_fn(|place| rate.count(Figure::ALL[place]));
    let figures = rates
        .iter()
        .map(|rate| (format!("{} {}", rate.channel, rate.provider), counts(rate)));
    let score = leads
        .iter()
        .find(|lead| lead.contact_id == message.contact_id)
        .map_or(0, |lead| lead.score);
    End {
        progress: Progress {
            events: message.progress.events.map(first_days),
            opens: message.progress.opens.map(first_days),
            clicks: message.progress.clicks.map(first_days),
            ..message.progress
        },
        error_code: message.error_code,
        attempts: attempts
            .into_iter()
            .map(|attempt| (attempt.state, attempt.ended_at.map(first_day)))
            .collect(),
        events: kinds,
        suppressed: suppressed
            .unwrap()
            .into_iter()
            .map(|found| (found.reason, first_day(found.since)))
            .collect(),
        figures: figures
            .filter(|(_, counts)| *counts != [0; Figure::ALL.len()])
            .collect(),
        score,
        has_interaction: message.interaction_id.is_some(),
        messages: all
            .items
            .iter()
            .filter(|other| other.external_id == message.external_id)
            .count(),
    }
}

async fn check(fresh: &Fresh, template: OutgoingRecord, story: Vec<Step>) -> End {
    let steps: Vec<_> = story.into_iter().enumerate().collect();
    let places = steps.len();
    let expected = play(fresh, 0, &template, &steps, &vec![false; places]).await;
    let orders = (
        Just(steps).prop_shuffle(),
        proptest::collection::vec(any::<bool>(), places),
    );
    let mut runner = TestRunner::deterministic();
    for case in 1..=ORDERS {
        let (order, names) = orders.new_tree(&mut runner).unwrap().current();
        let found = play(fresh, case, &template, &order, &names).await;
        assert_eq!(found, expected, "{order:#?}\n{names:?}");
    }
    expected
}

async fn a_mail_ends_the_same_in_any_order_of_arrival(fresh: Fresh) {
    let template = outgoing(&fresh, "t", "a@example.com");
    let end = check(&fresh, template, story_of_a_mail()).await;
    assert_eq!(end.progress.status, domain::Status::Complained);
    assert_eq!((end.score, end.has_interaction, end.messages), (3 + 8, true, 1));
    let reasons: Vec<_> = end.suppressed.iter().map(|(reason, _)| *reason).collect();
    assert_eq!(reasons, [Suppression::Unsubscribed, Suppression::Complaint]);
    assert_eq!(end.events.len(), 11);
}

async fn a_text_message_ends_the_same_in_any_order_of_arrival(fresh: Fresh) {
    let template = outgoing(&fresh, "t", "+33612300000");
    let end = check(&fresh, template, story_of_a_text()).await;
    assert_eq!(end.progress.status, domain::Status::Undelivered);
    assert_eq!(end.error_code.as_deref(), Some("30005"));
    assert_eq!((end.score, end.messages, end.suppressed.len()), (0, 1, 1));
}

both!(
    a_mail_ends_the_same_in_any_order_of_arrival,
    a_text_message_ends_the_same_in_any_order_of_arrival,
);
