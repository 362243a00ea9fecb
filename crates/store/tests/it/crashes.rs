//! A worker may die between any two steps. Here its work is dropped at each point where it waits for the database.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use domain::{EmailEvent, EventKind, Status};
use store::{AttemptBegun, Recorded};
#[cfg(feature = "services")]
use store::{ConnectOptions, Db, Store};

#[cfg(feature = "services")]
use crate::fresh::options;
use crate::fresh::{Fresh, event, now, of_person};
use crate::scene::{NUMBER, by, inbound, mail_report, outgoing, sent};

/// Lets `work` go on until it has waited so many times, then drops it. `None`: dropped.
pub(crate) async fn cut_short<T>(work: impl Future<Output = T>, waits: u32) -> Option<T> {
    let mut work = pin!(work);
    let mut left = waits;
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

/// How often the work waits at most is for the machine to say: a quick answer is no wait. So every cut is made thrice.
const ROUNDS: u32 = 60;
const WAITS_MAX: u32 = 20;

async fn an_event_cut_short_anywhere_and_run_again_counts_once(fresh: Fresh) {
    let mut dropped = 0;
    for round in 0..ROUNDS {
        let person = format!("person {round}");
        // First heard of anonymously, so that the second event has a contact to merge as well.
        fresh
            .apply(&event(&person, EmailEvent::Delivered, &format!("{person} delivered")))
            .await;
        let opened = of_person(event(&person, EmailEvent::Opened, &format!("{person} opened")), &person);

        let work = fresh
            .store
            .record_email_event(fresh.tenant, fresh.endpoint, &opened, now());
        let first = cut_short(work, round % WAITS_MAX).await.map(Result::unwrap);
        let again = fresh.record(&opened).await;
        match first {
            Some(first) => {
                assert!(
                    matches!((first, again), (Recorded::Applied(_), Recorded::Duplicate { .. })),
                    "{again:?}"
                );
            }
            None => dropped += 1,
        }

        let message = fresh.message(&person).await;
        assert_eq!(
            (message.progress.counters.opened, message.person_id.as_deref()),
            (1, Some(person.as_str()))
        );
        let leads = fresh.store.leads_hot(fresh.tenant, 1, 500).await.unwrap();
        let lead = leads
            .into_iter()
            .find(|lead| lead.contact_id == message.contact_id)
            .unwrap();
        assert_eq!(lead.score, 3, "round {round}");
        let events = fresh
            .store
            .message_events(fresh.tenant, message.id, None, 10)
            .await
            .unwrap()
            .items;
        assert_eq!(events.len(), 2);
    }
    assert!(dropped > ROUNDS / WAITS_MAX, "nothing was cut short after it had begun");
    assert_eq!(fresh.count("SELECT COUNT(*) FROM contacts").await, i64::from(ROUNDS));
    assert_eq!(
        fresh.count("SELECT COUNT(*) FROM interactions").await,
        i64::from(ROUNDS)
    );
}

async fn an_answer_cut_short_anywhere_and_written_again_sends_once_and_loses_no_report(fresh: Fresh) {
    let mut dropped = 0;
    for round in 0..ROUNDS {
        let name = format!("S{round}");
        let message = outgoing(&fresh, &name, &format!("a{round}@example.com"));
        let begin = fresh.store.begin_message(fresh.tenant, &message, now());
        cut_short(begin, round % 8).await.transpose().unwrap();
        fresh.store.begin_message(fresh.tenant, &message, now()).await.unwrap();
        let new = by("sendgrid");
        let attempt = fresh.store.begin_attempt(fresh.tenant, message.id, &new, now());
        cut_short(attempt, round % 10).await.transpose().unwrap();
        let begun = fresh.try_by(message.id, &new, now()).await;
        let cut = matches!(begun, AttemptBegun::Go { .. });
        assert!(
            cut || matches!(&begun, AttemptBegun::Open(open) if open.number == 1),
            "{begun:?}"
        );
        // Reports come in before the answer is written, so that there is something to absorb.
        fresh.hear(&mail_report(&name, EventKind::Opened, &name)).await;

        let answer = sent(&name);
        let work = fresh.store.end_attempt(fresh.tenant, message.id, 1, &answer, now());
        if cut_short(work, round % 30).await.transpose().unwrap().is_none() {
            dropped += 1;
        }
        fresh.end(message.id, 1, &answer, now()).await;
        let found = fresh.find(message.id).await;
        assert_eq!(
            (found.progress.status, found.progress.counters.opened),
            (Status::Opened, 1)
        );
        assert!(found.interaction_id.is_some());
        assert_eq!(fresh.kinds(message.id).await.len(), 2);
        assert_eq!(fresh.store.attempts(fresh.tenant, message.id).await.unwrap().len(), 1);
    }
    assert!(dropped > ROUNDS / 6, "nothing was cut short after it had begun");
    let rounds = i64::from(ROUNDS);
    assert_eq!(fresh.count("SELECT COUNT(*) FROM messages").await, rounds);
    assert_eq!(fresh.count("SELECT COUNT(*) FROM contacts").await, rounds);
    assert_eq!(fresh.count("SELECT COUNT(*) FROM interactions").await, rounds);
    assert_eq!(
        fresh
            .count("SELECT CAST(SUM(opened) AS BIGINT) FROM delivery_daily")
            .await,
        rounds
    );
    assert_eq!(
        fresh.count("SELECT CAST(SUM(score) AS BIGINT) FROM lead_scores").await,
        3 * rounds
    );
}

async fn a_reply_cut_short_anywhere_and_taken_in_again_is_logged_once(fresh: Fresh) {
    for round in 0..ROUNDS {
        let record = inbound(NUMBER, "STOP", &round.to_string());
        let work = fresh.store.record_inbound(fresh.tenant, fresh.endpoint, &record, now());
        cut_short(work, round % WAITS_MAX).await.transpose().unwrap();
        fresh
            .store
            .record_inbound(fresh.tenant, fresh.endpoint, &record, now())
            .await
            .unwrap();
    }
    for table in [
        "SELECT COUNT(*) FROM inbound_messages",
        "SELECT COUNT(*) FROM interactions",
    ] {
        assert_eq!(fresh.count(table).await, i64::from(ROUNDS), "{table}");
    }
}

/// The driver does not count a transaction whose `BEGIN` is under way, so that nobody would end it.
#[cfg(feature = "services")]
#[tokio::test]
async fn who_gives_up_while_a_transaction_begins_leaves_none_behind() {
    let fresh = Fresh::postgres().await;
    // One connection: what is written next goes through the one that was given up.
    let one = ConnectOptions {
        connections: 1,
        ..options()
    };
    let keyring = seal::Keyring::parse(&fresh.keyring_text).unwrap();
    let narrow = Store::new(Db::connect(&fresh.url, &one).await.unwrap(), keyring);
    narrow.db().ping().await.unwrap();
    for round in 0..ROUNDS {
        let record = inbound(NUMBER, "STOP", &round.to_string());
        let work = narrow.record_inbound(fresh.tenant, fresh.endpoint, &record, now());
        cut_short(work, round % WAITS_MAX).await.transpose().unwrap();
        let next = narrow
            .create_tenant(&format!("after round {round}"), now())
            .await
            .unwrap();
        let found = fresh.store.tenant(next.id).await.unwrap();
        assert!(
            found.is_some(),
            "round {round}: what was written through the pool is not there"
        );
    }
}

both!(
    an_event_cut_short_anywhere_and_run_again_counts_once,
    an_answer_cut_short_anywhere_and_written_again_sends_once_and_loses_no_report,
    a_reply_cut_short_anywhere_and_taken_in_again_is_logged_once,
);
