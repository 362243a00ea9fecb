//! Many events at once.

use std::sync::Arc;

use domain::{EmailEvent, EmailEventRecord};
use store::Recorded;
use tokio::task::JoinSet;

use crate::fresh::{Fresh, event, now, of_person, to_address};

/// Records everything at once and counts what was new.
async fn at_once(fresh: &Arc<Fresh>, records: Vec<EmailEventRecord>) -> usize {
    let mut tasks = JoinSet::new();
    for record in records {
        let fresh = Arc::clone(fresh);
        tasks.spawn(async move {
            fresh
                .store
                .record_email_event(fresh.tenant, fresh.endpoint, &record, now())
                .await
                .unwrap()
        });
    }
    let recorded = tasks.join_all().await;
    recorded
        .into_iter()
        .filter(|recorded| matches!(recorded, Recorded::Applied(_)))
        .count()
}

async fn the_same_event_a_hundred_times_at_once_counts_once(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    let record = of_person(event("m", EmailEvent::Opened, "1"), "ada");
    assert_eq!(at_once(&fresh, vec![record; 100]).await, 1);
    assert_eq!(fresh.leads().await, [(Some("ada".into()), None, 3)]);
    assert_eq!(fresh.message("m").await.progress.counters.opened, 1);
    assert_eq!(fresh.count("SELECT COUNT(*) FROM interactions").await, 1);
    assert_eq!(fresh.count("SELECT COUNT(*) FROM message_events").await, 1);
}

async fn a_thousand_events_of_one_contact_at_once_add_up_exactly(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    // 20 messages, each opened 25 times and clicked 25 times.
    let records = (0..1000).map(|n| {
        let kind = if n % 2 == 0 {
            EmailEvent::Opened
        } else {
            EmailEvent::Clicked
        };
        of_person(event(&(n / 2 % 20).to_string(), kind, &n.to_string()), "ada")
    });
    assert_eq!(at_once(&fresh, records.collect()).await, 1000);
    let score = 20 * ((3 + 24) + (8 + 24 * 2));
    assert_eq!(fresh.leads().await, [(Some("ada".into()), None, score)]);
    for message in 0..20 {
        let counters = fresh.message(&message.to_string()).await.progress.counters;
        assert_eq!((counters.opened, counters.clicked), (25, 25));
    }
    assert_eq!(fresh.count("SELECT COUNT(*) FROM interactions").await, 20);
    assert_eq!(
        fresh.count("SELECT CAST(SUM(points) AS BIGINT) FROM lead_ledger").await,
        score
    );
}

async fn contacts_merged_from_all_sides_at_once_lose_nothing(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    // Every message is first anonymous or known by one of two addresses, then named after one of two persons; the
    // order is whatever the tasks make of it, and so is who is merged into whom.
    let mut records = Vec::new();
    for message in 0..30 {
        for open in 0..6 {
            let record = event(&message.to_string(), EmailEvent::Opened, &format!("{message} {open}"));
            records.push(match open {
                0 | 1 => record,
                2 | 3 => to_address(
                    record,
                    if message % 3 == 0 {
                        "a@example.com"
                    } else {
                        "b@example.com"
                    },
                ),
                _ => of_person(record, if message % 2 == 0 { "ada" } else { "bob" }),
            });
        }
    }
    assert_eq!(at_once(&fresh, records).await, 180);
    let leads = fresh.leads().await;
    assert_eq!(leads.iter().map(|lead| lead.2).sum::<i64>(), 30 * (3 + 5), "{leads:?}");
    for message in 0..30 {
        let message = fresh.message(&message.to_string()).await;
        assert_eq!(message.progress.counters.opened, 6);
        assert!(message.person_id.is_some());
    }
    assert_eq!(fresh.count("SELECT COUNT(*) FROM contacts").await, 2);
    assert_eq!(fresh.count("SELECT COUNT(*) FROM interactions").await, 30);
}

both!(
    the_same_event_a_hundred_times_at_once_counts_once,
    a_thousand_events_of_one_contact_at_once_add_up_exactly,
    contacts_merged_from_all_sides_at_once_lose_nothing,
);
