//! Reports of providers on messages: once, in any order, before or after the provider's answer.

use std::sync::Arc;

use domain::{
    AttemptState, Channel, EventKind, FailureCause, Figure, MessageId, Permanence, PersonalText, ReportRecord, Status,
    Suppression,
};
use store::ReportRecorded;
use tokio::task::JoinSet;

use crate::fresh::{Fresh, now, second};
use crate::scene::{ADDRESS, NUMBER, mail_report, outgoing, recipient, report, sent};

async fn a_report_moves_the_message_that_was_sent_and_counts_once(fresh: Fresh) {
    let message = fresh.send(&outgoing(&fresh, "r", NUMBER), "twilio", "SM1").await;
    let delivered = ReportRecord {
        raw: Some(PersonalText::new("MessageStatus=delivered")),
        occurred_at: second(3),
        ..report("SM1", EventKind::Delivered, "e1")
    };
    let applied = fresh.hear(&delivered).await;
    assert_eq!(
        (applied.message, applied.status),
        (Some(message), Some(Status::Delivered))
    );
    assert_eq!((applied.points, applied.score, applied.interaction), (0, None, None));
    let again = fresh
        .store
        .record_report(fresh.tenant, fresh.endpoint, &delivered, second(9))
        .await;
    let expected = ReportRecorded::Duplicate {
        event: applied.event,
        message: Some(message),
    };
    assert_eq!(again.unwrap(), expected);
    assert_eq!(fresh.find(message).await.progress.counters.delivered, 1);
    let events = fresh
        .store
        .message_events(fresh.tenant, message, None, 10)
        .await
        .unwrap()
        .items;
    let delivered = &events[1];
    assert_eq!(
        (delivered.kind, delivered.occurred_at),
        (EventKind::Delivered, second(3))
    );
    assert_eq!(delivered.provider.as_deref(), Some("twilio"));
    assert_eq!(delivered.word.as_deref(), Some("delivered"));
    let raw = fresh.store.message_event_raw(fresh.tenant, delivered.id).await.unwrap();
    assert_eq!(raw, Some(PersonalText::new("MessageStatus=delivered")));
}

async fn a_report_that_comes_before_the_answer_is_kept_and_becomes_the_messages(fresh: Fresh) {
    let record = outgoing(&fresh, "r", NUMBER);
    let message = fresh.begin(&record, now()).await;
    fresh.go(message, "twilio", now()).await;
    let told = report("SM1", EventKind::Delivered, "e1");
    let early = fresh.hear(&told).await;
    assert_ne!(early.message, Some(message), "nobody can know yet whose it is");
    assert_eq!(fresh.find(message).await.progress.status, Status::Queued);
    fresh.end(message, 1, &sent("SM1"), now()).await;
    let found = fresh.find(message).await;
    assert_eq!(
        (found.progress.status, found.progress.counters.delivered),
        (Status::Delivered, 1)
    );
    assert_eq!(fresh.kinds(message).await.len(), 2);
    assert_eq!(fresh.count("SELECT COUNT(*) FROM messages").await, 1);
    assert_eq!(fresh.count("SELECT COUNT(*) FROM contacts").await, 1);
    // And the same report again is still the same.
    let again = fresh
        .store
        .record_report(fresh.tenant, fresh.endpoint, &told, now())
        .await;
    assert!(matches!(again.unwrap(), ReportRecorded::Duplicate { message: Some(of), .. } if of == message));
}

async fn opens_and_clicks_of_mail_score_as_email_events_do(fresh: Fresh) {
    let mut record = outgoing(&fresh, "r", ADDRESS);
    record.person_id = Some("ada".into());
    let message = fresh.send(&record, "sendgrid", "S1").await;
    let opened = fresh.hear(&mail_report("S1", EventKind::Opened, "1")).await;
    assert_eq!((opened.points, opened.score), (3, Some(3)));
    let interaction = fresh.find(message).await.interaction_id;
    assert!(opened.interaction.is_some() && opened.interaction == interaction);
    let again = fresh.hear(&mail_report("S1", EventKind::Opened, "2")).await;
    assert_eq!((again.points, again.score, again.interaction), (1, Some(4), None));
    let clicked = fresh.hear(&mail_report("S1", EventKind::Clicked, "3")).await;
    assert_eq!((clicked.points, clicked.score), (8, Some(12)));
    assert_eq!(fresh.leads().await, [(Some("ada".into()), None, 12)]);
}

async fn what_a_machine_opens_is_marked_and_warms_up_nobody(fresh: Fresh) {
    let message = fresh.send(&outgoing(&fresh, "r", ADDRESS), "sendgrid", "S1").await;
    let fetched = ReportRecord {
        by_machine: true,
        ..mail_report("S1", EventKind::Opened, "1")
    };
    let applied = fresh.hear(&fetched).await;
    assert_eq!((applied.points, applied.score, applied.interaction), (0, None, None));
    let found = fresh.find(message).await;
    assert_eq!(
        (found.progress.status, found.progress.counters.opened),
        (Status::Delivered, 0)
    );
    let events = fresh
        .store
        .message_events(fresh.tenant, message, None, 10)
        .await
        .unwrap()
        .items;
    assert!(
        events
            .iter()
            .any(|event| event.by_machine && event.kind == EventKind::Opened)
    );
}

async fn receipts_of_text_messages_make_no_leads(fresh: Fresh) {
    fresh.send(&outgoing(&fresh, "r", NUMBER), "twilio", "SM1").await;
    fresh.hear(&report("SM1", EventKind::Delivered, "1")).await;
    fresh.hear(&report("SM1", EventKind::Read, "2")).await;
    assert_eq!(fresh.count("SELECT COUNT(*) FROM lead_scores").await, 0);
}

async fn failures_tell_why_and_suppress_when_it_is_the_recipient(fresh: Fresh) {
    let message = fresh.send(&outgoing(&fresh, "r", NUMBER), "twilio", "SM1").await;
    let undelivered = ReportRecord {
        error_code: Some("30005".into()),
        permanence: Some(Permanence::Permanent),
        cause: FailureCause::NoSuchRecipient,
        ..report("SM1", EventKind::Undelivered, "1")
    };
    let applied = fresh.hear(&undelivered).await;
    assert_eq!(applied.suppressed, Some(Suppression::HardBounce));
    let found = fresh.find(message).await;
    assert_eq!(
        (found.progress.status, found.error_code.as_deref()),
        (Status::Undelivered, Some("30005"))
    );
    let events = fresh
        .store
        .message_events(fresh.tenant, message, None, 10)
        .await
        .unwrap()
        .items;
    let told = events
        .iter()
        .find(|event| event.kind == EventKind::Undelivered)
        .unwrap();
    assert_eq!(
        (told.error_code.as_deref(), told.permanence),
        (Some("30005"), Some(Permanence::Permanent))
    );
    let stopped = fresh
        .store
        .suppressions_of(fresh.tenant, Channel::Sms, &recipient(NUMBER))
        .await
        .unwrap();
    let told: Vec<_> = stopped
        .iter()
        .map(|found| (found.reason, found.source.as_str()))
        .collect();
    assert_eq!(told, [(Suppression::HardBounce, "twilio")]);
    let whatsapp = fresh
        .store
        .suppressions_of(fresh.tenant, Channel::Whatsapp, &recipient(NUMBER))
        .await;
    assert_eq!(whatsapp.unwrap(), [], "another channel is another matter");
}

async fn a_bounce_that_may_pass_suppresses_nobody_and_one_that_may_not_does(fresh: Fresh) {
    let check = async |request: &str, kind, permanence, expected| {
        let to = format!("{request}@example.com");
        fresh.send(&outgoing(&fresh, request, &to), "sendgrid", request).await;
        let told = ReportRecord {
            permanence,
            ..mail_report(request, kind, request)
        };
        assert_eq!(fresh.hear(&told).await.suppressed, expected, "{request}");
    };
    check("soft", EventKind::Bounced, Some(Permanence::Transient), None).await;
    check(
        "hard",
        EventKind::Bounced,
        Some(Permanence::Permanent),
        Some(Suppression::HardBounce),
    )
    .await;
    check("unsaid", EventKind::Bounced, None, Some(Suppression::HardBounce)).await;
    check("spam", EventKind::Complained, None, Some(Suppression::Complaint)).await;
    check("list", EventKind::Unsubscribed, None, Some(Suppression::Unsubscribed)).await;
    check("dropped", EventKind::Dropped, None, None).await;
}

async fn a_report_that_names_no_message_is_kept_and_still_speaks_of_its_recipient(fresh: Fresh) {
    let nameless = ReportRecord {
        external_id: None,
        recipient: Some(recipient(ADDRESS)),
        ..mail_report("", EventKind::Bounced, "1")
    };
    let applied = fresh.hear(&nameless).await;
    assert_eq!(
        (applied.message, applied.suppressed),
        (None, Some(Suppression::HardBounce))
    );
    let again = fresh
        .store
        .record_report(fresh.tenant, fresh.endpoint, &nameless, now())
        .await;
    assert!(matches!(
        again.unwrap(),
        ReportRecorded::Duplicate { message: None, .. }
    ));
    assert_eq!(fresh.count("SELECT COUNT(*) FROM message_events").await, 1);
}

async fn a_report_on_an_attempt_that_was_not_the_last_is_the_messages_too(fresh: Fresh) {
    let message = fresh.begin(&outgoing(&fresh, "r", NUMBER), now()).await;
    fresh.go(message, "twilio", now()).await;
    fresh.end(message, 1, &crate::scene::unclear(), now()).await;
    let decided = store::NewAttempt {
        although_unclear: true,
        ..crate::scene::by("green_api")
    };
    fresh.try_by(message, &decided, now()).await;
    fresh.end(message, 2, &sent("G1"), now()).await;
    // A look-up finds that the first one had gone as well.
    fresh.end(message, 1, &sent("SM1"), now()).await;
    let applied = fresh.hear(&report("SM1", EventKind::Delivered, "1")).await;
    assert_eq!(applied.message, Some(message));
    let by_name = fresh
        .store
        .message_by_external(fresh.tenant, "twilio", "SM1")
        .await
        .unwrap();
    assert_eq!(by_name.map(|found| found.id), Some(message));
}

async fn a_thousand_reports_of_one_batch_with_duplicates_count_each_once(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    for n in 0..10 {
        fresh
            .send(&outgoing(&fresh, &n.to_string(), ADDRESS), "sendgrid", &n.to_string())
            .await;
    }
    let mut tasks = JoinSet::new();
    for n in 0..1000 {
        let fresh = Arc::clone(&fresh);
        let kind = [EventKind::Delivered, EventKind::Opened][n / 10 % 2];
        // Every event five times.
        let told = mail_report(&(n % 10).to_string(), kind, &(n % 200).to_string());
        tasks.spawn(async move {
            let recorded = fresh
                .store
                .record_report(fresh.tenant, fresh.endpoint, &told, now())
                .await;
            matches!(recorded.unwrap(), ReportRecorded::Applied(_))
        });
    }
    let applied = tasks.join_all().await;
    assert_eq!(applied.into_iter().filter(|applied| *applied).count(), 200);
    for n in 0..10 {
        let message = MessageId::of_request(fresh.tenant, &n.to_string());
        let counters = fresh.find(message).await.progress.counters;
        assert_eq!((counters.delivered, counters.opened), (10, 10));
    }
    let day = now().date_naive();
    let rates = fresh.store.delivery_rates(fresh.tenant, day, day).await.unwrap();
    assert_eq!(rates.len(), 1);
    assert_eq!(
        (rates[0].count(Figure::Delivered), rates[0].count(Figure::Opened)),
        (10, 10)
    );
}

async fn answers_and_reports_at_once_end_as_one_message(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    let mut tasks = JoinSet::new();
    for n in 0..25 {
        let mut record = outgoing(&fresh, &n.to_string(), ADDRESS);
        record.person_id = (n % 2 == 0).then(|| format!("p{}", n % 4));
        let message = fresh.begin(&record, now()).await;
        fresh.go(message, "sendgrid", now()).await;
        let name = format!("S{n}");
        let answered = Arc::clone(&fresh);
        let called = name.clone();
        tasks.spawn(async move {
            answered.end(message, 1, &sent(&called), now()).await;
        });
        for (place, kind) in [
            EventKind::Sent,
            EventKind::Delivered,
            EventKind::Opened,
            EventKind::Clicked,
        ]
        .into_iter()
        .enumerate()
        {
            let fresh = Arc::clone(&fresh);
            let told = ReportRecord {
                recipient: Some(recipient(ADDRESS)),
                ..mail_report(&name, kind, &format!("{n} {place}"))
            };
            tasks.spawn(async move {
                fresh.hear(&told).await;
            });
        }
    }
    tasks.join_all().await;
    assert_eq!(fresh.count("SELECT COUNT(*) FROM messages").await, 25);
    for n in 0..25 {
        let found = fresh.find(MessageId::of_request(fresh.tenant, &n.to_string())).await;
        assert_eq!(
            (found.progress.status, found.last_attempt),
            (Status::Clicked, Some(AttemptState::Sent))
        );
        assert_eq!(
            (found.progress.counters.opened, found.progress.counters.clicked),
            (1, 1)
        );
        assert_eq!(fresh.kinds(found.id).await.len(), 5);
    }
    assert_eq!(fresh.count("SELECT COUNT(*) FROM interactions").await, 25);
    let points: i64 = fresh.leads().await.into_iter().map(|(_, _, score)| score).sum();
    assert_eq!(points, 25 * 11);
    let day = now().date_naive();
    let rates = fresh.store.delivery_rates(fresh.tenant, day, day).await.unwrap();
    let counts: Vec<_> = rates.iter().map(|rate| rate.count(Figure::Clicked)).collect();
    assert_eq!(counts, [25]);
}

both!(
    a_report_moves_the_message_that_was_sent_and_counts_once,
    a_report_that_comes_before_the_answer_is_kept_and_becomes_the_messages,
    opens_and_clicks_of_mail_score_as_email_events_do,
    what_a_machine_opens_is_marked_and_warms_up_nobody,
    receipts_of_text_messages_make_no_leads,
    failures_tell_why_and_suppress_when_it_is_the_recipient,
    a_bounce_that_may_pass_suppresses_nobody_and_one_that_may_not_does,
    a_report_that_names_no_message_is_kept_and_still_speaks_of_its_recipient,
    a_report_on_an_attempt_that_was_not_the_last_is_the_messages_too,
    a_thousand_reports_of_one_batch_with_duplicates_count_each_once,
    answers_and_reports_at_once_end_as_one_message,
);
