//! Attempts: written down before a provider is called and after, so that nothing is sent twice unknowingly.

use std::sync::Arc;

use domain::{AttemptState, EventKind, FailureCause, MessageEnd, MessageId, Status, Suppression};
use store::{AttemptBegun, NewAttempt};
use tokio::task::JoinSet;

use crate::fresh::{Fresh, now, second};
use crate::scene::{ADDRESS, NUMBER, by, not_sent, outgoing, recipient, rejected, report, sent, unclear};

async fn a_message_that_was_sent_is_not_sent_again(fresh: Fresh) {
    let message = fresh.send(&outgoing(&fresh, "r", NUMBER), "twilio", "SM1").await;
    let found = fresh.find(message).await;
    assert_eq!(found.progress.status, Status::Accepted);
    assert_eq!(found.provider.as_deref(), Some("twilio"));
    assert_eq!(found.external_id.as_deref(), Some("SM1"));
    assert_eq!(found.last_attempt, Some(AttemptState::Sent));
    let by_name = fresh.store.message_by_external(fresh.tenant, "twilio", "SM1").await;
    assert_eq!(by_name.unwrap(), Some(found));
    let again = fresh.try_by(message, &by("twilio"), second(1)).await;
    assert!(matches!(again, AttemptBegun::Sent(attempt) if attempt.external_id.as_deref() == Some("SM1")));
    assert_eq!(fresh.kinds(message).await, [EventKind::Accepted]);
}

async fn an_intent_without_a_result_is_found_and_ended_by_whoever_finds_out(fresh: Fresh) {
    let message = fresh.begin(&outgoing(&fresh, "r", NUMBER), now()).await;
    let number = fresh.go(message, "twilio", now()).await;
    // The worker dies here.
    let AttemptBegun::Open(open) = fresh.try_by(message, &by("green_api"), second(30)).await else {
        panic!("the intent is not found");
    };
    assert_eq!(
        (open.number, open.provider.as_str(), open.state),
        (number, "twilio", AttemptState::Intended)
    );
    assert_eq!((open.started_at, open.ended_at), (now(), None));
    let ended = fresh.end(message, open.number, &not_sent(), second(31)).await;
    assert_eq!((ended.state, ended.ended_at), (AttemptState::NotSent, Some(second(31))));
    assert_eq!(fresh.go(message, "green_api", second(32)).await, 2);
}

async fn of_many_at_once_one_goes(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    let message = fresh.begin(&outgoing(&fresh, "r", NUMBER), now()).await;
    let mut tasks = JoinSet::new();
    for _ in 0..30 {
        let fresh = Arc::clone(&fresh);
        tasks.spawn(async move { fresh.try_by(message, &by("twilio"), now()).await });
    }
    let begun = tasks.join_all().await;
    let gone = begun
        .iter()
        .filter(|begun| matches!(begun, AttemptBegun::Go { number: 1 }));
    let open = begun.iter().filter(|begun| matches!(begun, AttemptBegun::Open(_)));
    assert_eq!((gone.count(), open.count()), (1, 29));
}

async fn an_unclear_attempt_stands_in_the_way_until_somebody_decides(fresh: Fresh) {
    let message = fresh.begin(&outgoing(&fresh, "r", NUMBER), now()).await;
    fresh.go(message, "twilio", now()).await;
    fresh.end(message, 1, &unclear(), now()).await;
    let found = fresh.find(message).await;
    assert_eq!(found.last_attempt, Some(AttemptState::Unclear));
    assert_eq!(found.error_code.as_deref(), Some("timeout"));
    let again = fresh.try_by(message, &by("twilio"), second(1)).await;
    assert!(matches!(again, AttemptBegun::Unclear(_)), "{again:?}");
    let decided = NewAttempt {
        although_unclear: true,
        ..by("twilio")
    };
    assert_eq!(
        fresh.try_by(message, &decided, second(2)).await,
        AttemptBegun::Go { number: 2 }
    );
    // The first one still is unclear when the second one surely failed.
    fresh.end(message, 2, &not_sent(), second(3)).await;
    let again = fresh.try_by(message, &by("twilio"), second(4)).await;
    assert!(matches!(again, AttemptBegun::Unclear(attempt) if attempt.number == 1));
}

async fn what_is_sure_of_an_attempt_is_not_overwritten(fresh: Fresh) {
    let message = fresh.send(&outgoing(&fresh, "r", NUMBER), "twilio", "SM1").await;
    for result in [
        sent("SM2"),
        unclear(),
        not_sent(),
        rejected("21211", FailureCause::NoSuchRecipient),
    ] {
        let stands = fresh.end(message, 1, &result, second(9)).await;
        assert_eq!(stands.external_id.as_deref(), Some("SM1"));
        assert_eq!(stands.ended_at, Some(now()));
    }
    assert_eq!(fresh.kinds(message).await, [EventKind::Accepted]);
    let unknown = fresh
        .store
        .end_attempt(fresh.tenant, message, 2, &sent("SM3"), now())
        .await;
    assert_eq!(unknown.unwrap(), None);
}

async fn the_next_provider_is_tried_after_a_refusal_and_the_timeline_tells_it(fresh: Fresh) {
    let message = fresh.begin(&outgoing(&fresh, "r", NUMBER), now()).await;
    fresh.go(message, "twilio", now()).await;
    fresh
        .end(message, 1, &rejected("21408", FailureCause::Other), now())
        .await;
    assert_eq!(fresh.find(message).await.error_code.as_deref(), Some("21408"));
    fresh.go(message, "green_api", second(1)).await;
    fresh.end(message, 2, &sent("G1"), second(2)).await;
    let found = fresh.find(message).await;
    assert_eq!((found.provider.as_deref(), found.error_code), (Some("green_api"), None));
    assert_eq!(fresh.kinds(message).await, [EventKind::Rejected, EventKind::Accepted]);
    let attempts = fresh.store.attempts(fresh.tenant, message).await.unwrap();
    let told: Vec<_> = attempts
        .iter()
        .map(|attempt| {
            (
                attempt.number,
                attempt.provider.as_str(),
                attempt.state,
                attempt.code.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, "twilio", AttemptState::Rejected, Some("21408")),
            (2, "green_api", AttemptState::Sent, None)
        ]
    );
}

async fn a_refusal_because_of_the_recipient_suppresses(fresh: Fresh) {
    let check = async |request: &str, to: &str, result, expected: &[Suppression]| {
        let record = outgoing(&fresh, request, to);
        let message = fresh.begin(&record, now()).await;
        fresh.go(message, "p", now()).await;
        fresh.end(message, 1, &result, now()).await;
        let found = fresh
            .store
            .suppressions_of(fresh.tenant, record.channel, &record.recipient);
        let reasons: Vec<_> = found.await.unwrap().iter().map(|found| found.reason).collect();
        assert_eq!(reasons, expected, "{request}");
    };
    check(
        "1",
        "+33612345601",
        rejected("21610", FailureCause::OptedOut),
        &[Suppression::Stop],
    )
    .await;
    check(
        "2",
        "+33612345602",
        rejected("21614", FailureCause::NoSuchRecipient),
        &[Suppression::HardBounce],
    )
    .await;
    check("3", "+33612345603", rejected("21617", FailureCause::Other), &[]).await;
    check(
        "4",
        "a@example.com",
        rejected("550 5.1.1", FailureCause::NoSuchRecipient),
        &[Suppression::HardBounce],
    )
    .await;
    check("5", "b@example.com", rejected("552 5.2.2", FailureCause::Passing), &[]).await;
    check("6", "c@example.com", unclear(), &[]).await;
}

async fn nothing_goes_to_a_suppressed_recipient_and_the_message_may_then_be_given_up(fresh: Fresh) {
    let message = fresh.begin(&outgoing(&fresh, "r", ADDRESS), now()).await;
    for (reason, at) in [(Suppression::Manual, 20), (Suppression::Complaint, 10)] {
        let (channel, to) = (domain::Channel::Email, recipient(ADDRESS));
        let said = fresh
            .store
            .suppress(fresh.tenant, channel, &to, reason, "api", second(at));
        assert!(said.await.unwrap());
    }
    let begun = fresh.try_by(message, &by("smtp"), second(30)).await;
    let expected = AttemptBegun::Suppressed {
        reason: Suppression::Complaint,
        since: second(10),
    };
    assert_eq!(begun, expected);
    assert_eq!(fresh.find(message).await.progress.status, Status::Queued);
    let end = MessageEnd::Suppressed(Suppression::Complaint);
    for _ in 0..2 {
        let ended = fresh.store.end_message(fresh.tenant, message, &end, second(31)).await;
        assert_eq!(ended.unwrap(), Some(Status::Failed));
    }
    let found = fresh.find(message).await;
    assert_eq!(
        (found.progress.status, found.error_code.as_deref()),
        (Status::Failed, Some("complaint"))
    );
    assert_eq!(fresh.kinds(message).await, [EventKind::Suppressed]);
    let begun = fresh.try_by(message, &by("smtp"), second(32)).await;
    assert_eq!(begun, AttemptBegun::Ended(Status::Failed));
}

async fn what_confirms_a_stop_goes_to_who_said_it_and_to_nobody_who_is_suppressed_otherwise(fresh: Fresh) {
    let suppress = async |reason, at| {
        let (channel, to) = (domain::Channel::Sms, recipient(NUMBER));
        let said = fresh
            .store
            .suppress(fresh.tenant, channel, &to, reason, "reply", second(at));
        assert!(said.await.unwrap());
    };
    let confirms = NewAttempt {
        although_stopped: true,
        ..by("twilio")
    };
    suppress(Suppression::Stop, 1).await;
    let message = fresh.begin(&outgoing(&fresh, "r", NUMBER), now()).await;
    let begun = fresh.try_by(message, &by("twilio"), second(2)).await;
    assert!(
        matches!(
            begun,
            AttemptBegun::Suppressed {
                reason: Suppression::Stop,
                ..
            }
        ),
        "{begun:?}"
    );
    assert_eq!(
        fresh.try_by(message, &confirms, second(2)).await,
        AttemptBegun::Go { number: 1 }
    );

    suppress(Suppression::Manual, 3).await;
    let message = fresh.begin(&outgoing(&fresh, "s", NUMBER), now()).await;
    let begun = fresh.try_by(message, &confirms, second(4)).await;
    assert!(
        matches!(
            begun,
            AttemptBegun::Suppressed {
                reason: Suppression::Manual,
                ..
            }
        ),
        "{begun:?}"
    );
}

async fn a_message_that_may_have_gone_is_not_given_up(fresh: Fresh) {
    let end = async |message| {
        let end = MessageEnd::Failed {
            code: "no_route".into(),
        };
        fresh
            .store
            .end_message(fresh.tenant, message, &end, second(9))
            .await
            .unwrap()
    };
    let intended = fresh.begin(&outgoing(&fresh, "1", NUMBER), now()).await;
    fresh.go(intended, "twilio", now()).await;
    assert_eq!(end(intended).await, Some(Status::Queued));
    fresh.end(intended, 1, &unclear(), now()).await;
    assert_eq!(end(intended).await, Some(Status::Queued));
    fresh.end(intended, 1, &not_sent(), now()).await;
    assert_eq!(end(intended).await, Some(Status::Failed));
    let sent = fresh.send(&outgoing(&fresh, "2", NUMBER), "twilio", "SM1").await;
    assert_eq!(end(sent).await, Some(Status::Accepted));
    assert_eq!(end(MessageId::of_request(fresh.tenant, "404")).await, None);
}

async fn a_report_proves_that_an_attempt_of_which_nothing_was_heard_did_send(fresh: Fresh) {
    for (request, result) in [("1", None), ("2", Some(unclear())), ("3", Some(not_sent()))] {
        let message = fresh.begin(&outgoing(&fresh, request, NUMBER), now()).await;
        fresh.go(message, "twilio", now()).await;
        if let Some(result) = result {
            fresh.end(message, 1, &result, now()).await;
        }
        let mut tagged = report(&format!("SM{request}"), EventKind::Delivered, request);
        tagged.message = Some(message);
        fresh.hear(&tagged).await;
        let begun = fresh.try_by(message, &by("twilio"), second(1)).await;
        assert!(
            matches!(&begun, AttemptBegun::Sent(attempt) if attempt.external_id == tagged.external_id),
            "{begun:?}"
        );
        let found = fresh.find(message).await;
        assert_eq!(
            (found.external_id, found.last_attempt),
            (tagged.external_id, Some(AttemptState::Sent))
        );
    }
}

async fn an_unknown_message_has_no_attempts(fresh: Fresh) {
    let unknown = MessageId::of_request(fresh.tenant, "404");
    assert_eq!(fresh.try_by(unknown, &by("twilio"), now()).await, AttemptBegun::Unknown);
    assert_eq!(fresh.store.attempts(fresh.tenant, unknown).await.unwrap(), []);
}

both!(
    a_message_that_was_sent_is_not_sent_again,
    an_intent_without_a_result_is_found_and_ended_by_whoever_finds_out,
    of_many_at_once_one_goes,
    an_unclear_attempt_stands_in_the_way_until_somebody_decides,
    what_is_sure_of_an_attempt_is_not_overwritten,
    the_next_provider_is_tried_after_a_refusal_and_the_timeline_tells_it,
    a_refusal_because_of_the_recipient_suppresses,
    nothing_goes_to_a_suppressed_recipient_and_the_message_may_then_be_given_up,
    what_confirms_a_stop_goes_to_who_said_it_and_to_nobody_who_is_suppressed_otherwise,
    a_message_that_may_have_gone_is_not_given_up,
    a_report_proves_that_an_attempt_of_which_nothing_was_heard_did_send,
    an_unknown_message_has_no_attempts,
);
