//! Messages that stayed open are looked up, each by one, and not again at once.

use std::collections::HashSet;
use std::sync::Arc;

use domain::{AttemptState, EventKind, MessageClass, MessageEnd, MessageId, Status};
use tokio::task::JoinSet;

use crate::fresh::{Fresh, event, now, second};
use crate::scene::{NUMBER, not_sent, outgoing, recipient, report, sent, unclear};

impl Fresh {
    async fn silent(&self, before: i64, at: i64) -> Vec<MessageId> {
        let open = self.store.open_messages(second(before), 100, second(at)).await.unwrap();
        open.into_iter().map(|open| open.id).collect()
    }
}

async fn what_may_have_gone_and_was_not_heard_of_is_given_once(fresh: Fresh) {
    let sent_one = fresh.send(&outgoing(&fresh, "sent", NUMBER), "twilio", "SM1").await;
    let intended = fresh.begin(&outgoing(&fresh, "intended", NUMBER), now()).await;
    fresh.go(intended, "twilio", second(1)).await;
    let lost = fresh.begin(&outgoing(&fresh, "unclear", NUMBER), now()).await;
    fresh.go(lost, "twilio", second(2)).await;
    fresh.end(lost, 1, &unclear(), second(2)).await;
    let recent = fresh.begin(&outgoing(&fresh, "recent", NUMBER), now()).await;
    fresh.go(recent, "twilio", second(50)).await;

    assert_eq!(fresh.silent(0, 60).await, []);
    let open = fresh.store.open_messages(second(50), 100, second(60)).await.unwrap();
    let ids: Vec<_> = open.iter().map(|open| open.id).collect();
    assert_eq!(ids, [sent_one, intended, lost]);
    let (first, last) = (&open[0], &open[2]);
    assert_eq!((first.tenant, first.class), (fresh.tenant, MessageClass::Transactional));
    assert_eq!((first.status, first.provider.as_str()), (Status::Accepted, "twilio"));
    assert_eq!(
        (first.external_id.as_deref(), first.attempt_state),
        (Some("SM1"), AttemptState::Sent)
    );
    assert_eq!(
        (last.external_id.as_deref(), last.attempt_state),
        (None, AttemptState::Unclear)
    );
    assert_eq!((last.attempt, last.attempted_at), (1, second(2)));
    assert_eq!(last.recipient, Some(recipient(NUMBER)));

    assert_eq!(fresh.silent(50, 61).await, [], "they are marked");
    assert_eq!(fresh.silent(61, 70).await.len(), 4);
}

async fn what_is_over_or_was_never_sent_is_not_given(fresh: Fresh) {
    fresh.begin(&outgoing(&fresh, "queued", NUMBER), now()).await;
    let failed = fresh.begin(&outgoing(&fresh, "failed", NUMBER), now()).await;
    fresh.go(failed, "twilio", now()).await;
    fresh.end(failed, 1, &not_sent(), now()).await;
    assert_eq!(fresh.silent(1000, 1000).await, [], "it will be tried again by its job");
    let end = MessageEnd::Expired;
    fresh
        .store
        .end_message(fresh.tenant, failed, &end, now())
        .await
        .unwrap();
    fresh
        .send(&outgoing(&fresh, "delivered", NUMBER), "twilio", "SM1")
        .await;
    fresh.hear(&report("SM1", EventKind::Delivered, "1")).await;
    // Sent elsewhere: whoever sent it looks after it.
    fresh.apply(&event("m", domain::EmailEvent::Sent, "2")).await;
    assert_eq!(fresh.silent(1000, 1000).await, []);
    // Its report comes before the answer.
    let early = fresh.begin(&outgoing(&fresh, "early", NUMBER), now()).await;
    fresh.go(early, "twilio", now()).await;
    fresh.hear(&report("SM2", EventKind::Delivered, "3")).await;
    fresh.end(early, 1, &sent("SM2"), now()).await;
    assert_eq!(fresh.silent(1000, 1000).await, []);
}

async fn what_cannot_be_looked_up_is_not_given_again(fresh: Fresh) {
    let message = fresh.send(&outgoing(&fresh, "r", NUMBER), "smtp", "SM1").await;
    assert!(fresh.store.stop_looking(fresh.tenant, message).await.unwrap());
    assert!(!fresh.store.stop_looking(fresh.tenant, message).await.unwrap());
    assert_eq!(fresh.silent(1000, 1000).await, []);
}

async fn two_who_ask_at_once_get_different_ones(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    for n in 0..40 {
        fresh
            .send(&outgoing(&fresh, &n.to_string(), NUMBER), "twilio", &n.to_string())
            .await;
    }
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let fresh = Arc::clone(&fresh);
        tasks.spawn(async move { fresh.store.open_messages(second(10), 10, second(20)).await.unwrap() });
    }
    let mut given: Vec<_> = tasks
        .join_all()
        .await
        .into_iter()
        .flatten()
        .map(|open| open.id)
        .collect();
    // On Postgres, who asks while another does passes over what that one takes, and so may get fewer.
    given.extend(fresh.silent(10, 21).await);
    assert_eq!(given.len(), 40);
    assert_eq!(given.iter().collect::<HashSet<_>>().len(), 40);
}

both!(
    what_may_have_gone_and_was_not_heard_of_is_given_once,
    what_is_over_or_was_never_sent_is_not_given,
    what_cannot_be_looked_up_is_not_given_again,
    two_who_ask_at_once_get_different_ones,
);
