//! A worker may die between any two steps. Here its work is dropped at each point where it waits for the database.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use domain::EmailEvent;
use store::Recorded;

use crate::fresh::{Fresh, event, now, of_person};

/// Lets `work` go on until it has waited so many times, then drops it. `None`: dropped.
async fn cut_short<T>(work: impl Future<Output = T>, waits: u32) -> Option<T> {
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

both!(an_event_cut_short_anywhere_and_run_again_counts_once);
