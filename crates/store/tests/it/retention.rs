//! What is old goes in steps, is counted before it goes, and leaves the rest alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Months, Utc};
use domain::scoring::Reason;
use domain::{EmailEvent, EventKind, Figure};
use store::{Db, RetentionBefore, RetentionDue};
use tokio::task::JoinSet;

use crate::crashes::cut_short;
use crate::fresh::{Fresh, event, now, of_person};
use crate::scene::{ADDRESS, mail_report, outgoing};

fn later(months: u32) -> DateTime<Utc> {
    now() + Months::new(months)
}

impl Fresh {
    /// A message that is sent, delivered and opened at [`now`]: two events of the provider's, an attempt, and what we
    /// wrote down ourselves.
    async fn story(&self, name: &str) {
        self.send(&outgoing(self, name, ADDRESS), "sendgrid", name).await;
        for kind in [EventKind::Delivered, EventKind::Opened] {
            self.hear(&mail_report(name, kind, &format!("{name} {kind}"))).await;
        }
    }

    /// Lets everything go that was there before; steps of so many.
    async fn purge(&self, before: DateTime<Utc>, limit: u32) {
        let mut from = None;
        loop {
            let step = self.store.purge_sends(self.tenant, before, from, limit).await.unwrap();
            from = step.reached;
            if from.is_none() {
                return;
            }
        }
    }

    async fn totals(&self) -> BTreeMap<String, i64> {
        self.store.retention_totals().await.unwrap().into_iter().collect()
    }

    async fn rows(&self) -> [i64; 3] {
        [
            self.count("SELECT COUNT(*) FROM messages").await,
            self.count("SELECT COUNT(*) FROM message_events").await,
            self.count("SELECT COUNT(*) FROM message_attempts").await,
        ]
    }
}

async fn old_messages_go_with_their_events_and_attempts_and_the_figures_of_their_days_stay(fresh: Fresh) {
    for name in ["a", "b", "c"] {
        fresh.story(name).await;
    }
    let young = outgoing(&fresh, "young", ADDRESS);
    fresh.begin(&young, later(5)).await;
    let [messages, events, attempts] = fresh.rows().await;
    assert_eq!((messages, attempts), (4, 3));
    let due = async || {
        let before = RetentionBefore {
            sends: later(1),
            scores: later(1),
            crossings: later(1),
        };
        fresh.store.retention_due(fresh.tenant, &before).await.unwrap()
    };
    let expected = |messages| RetentionDue {
        messages,
        scores: 1,
        crossings: 0,
    };
    assert_eq!(due().await, expected(3));
    assert_eq!(
        fresh.rows().await,
        [messages, events, attempts],
        "asking changes nothing"
    );

    fresh.purge(later(1), 2).await;
    let left = fresh.rows().await;
    assert_eq!((left[0], left[2]), (1, 0));
    let totals = fresh.totals().await;
    let gone = |kind: &str| totals.get(kind).copied().unwrap_or(0);
    assert_eq!((gone("messages"), gone("attempts")), (3, 3));
    assert_eq!(gone("events"), events - left[1]);
    assert_eq!(due().await, expected(0));
    assert!(fresh.store.message(fresh.tenant, young.id).await.unwrap().is_some());

    let today = now().date_naive();
    let rates = fresh.store.delivery_rates(fresh.tenant, today, today).await.unwrap();
    assert_eq!((rates[0].count(Figure::Sent), rates[0].count(Figure::Opened)), (3, 3));
    assert_eq!(fresh.store.leads_hot(fresh.tenant, 1, 10).await.unwrap()[0].score, 9);
    assert_eq!(fresh.count("SELECT COUNT(*) FROM interactions").await, 3);
}

async fn a_message_with_more_events_than_a_step_takes_goes_in_several(fresh: Fresh) {
    fresh.story("a").await;
    let many = match fresh.store.db() {
        Db::Postgres(_) => {
            "INSERT INTO message_events (id, tenant_id, message_id, kind, occurred_at, recorded_at)
             SELECT md5(n::text)::uuid, tenant_id, id, 'opened', n, n FROM messages, generate_series(1, 1200) n"
        }
        Db::Sqlite { .. } => {
            "INSERT INTO message_events (id, tenant_id, message_id, kind, occurred_at, recorded_at)
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1200)
             SELECT randomblob(16), tenant_id, id, 'opened', n, n FROM messages, numbers"
        }
    };
    fresh.execute(many).await.unwrap();
    let first = fresh.store.purge_sends(fresh.tenant, later(1), None, 10).await.unwrap();
    assert_eq!((first.messages, first.events), (0, 500));
    fresh.purge(later(1), 10).await;
    assert_eq!(fresh.rows().await, [0, 0, 0]);
    assert!(fresh.totals().await["events"] > 1200);
}

async fn a_message_that_was_to_go_later_is_as_old_as_that(fresh: Fresh) {
    let mut scheduled = outgoing(&fresh, "a", ADDRESS);
    scheduled.scheduled_at = Some(later(3));
    fresh.begin(&scheduled, now()).await;
    fresh.purge(later(2), 10).await;
    assert_eq!(fresh.rows().await[0], 1);
    fresh.purge(later(4), 10).await;
    assert_eq!(fresh.rows().await[0], 0);
}

async fn steps_cut_short_anywhere_and_taken_twice_at_once_count_what_goes_once(fresh: Fresh) {
    for number in 0..12 {
        fresh.story(&number.to_string()).await;
    }
    let before = fresh.rows().await;
    let mut dropped = 0;
    for waits in 1..=12 {
        let step = fresh.store.purge_sends(fresh.tenant, later(1), None, 1);
        dropped += usize::from(cut_short(step, waits).await.transpose().unwrap().is_none());
        let (totals, rows) = (fresh.totals().await, fresh.rows().await);
        for (kind, (before, left)) in ["messages", "events", "attempts"].iter().zip(before.iter().zip(rows)) {
            assert_eq!(totals.get(*kind).copied().unwrap_or(0), before - left, "{kind}");
        }
    }
    assert!(dropped > 0, "nothing was cut short");
    let fresh = Arc::new(fresh);
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        let fresh = Arc::clone(&fresh);
        tasks.spawn(async move { fresh.purge(later(1), 2).await });
    }
    tasks.join_all().await;
    fresh.purge(later(1), 2).await;
    assert_eq!(fresh.rows().await, [0, 0, 0]);
    let totals = fresh.totals().await;
    let counted = ["messages", "events", "attempts"].map(|kind| totals[kind]);
    assert_eq!(counted, before);
}

async fn what_somebody_works_on_is_passed_over(fresh: Fresh) {
    fresh.story("a").await;
    // SQLite has one writer: nobody else works on anything.
    let Db::Postgres(pool) = fresh.store.db() else { return };
    let mut other = pool.begin().await.unwrap();
    for table in ["SELECT 1 FROM messages FOR UPDATE", "SELECT 1 FROM contacts FOR UPDATE"] {
        sqlx::query(table).execute(&mut *other).await.unwrap();
    }
    let purged = fresh.store.purge_sends(fresh.tenant, later(1), None, 10).await.unwrap();
    assert_eq!((purged.messages, purged.events, purged.reached), (0, 0, None));
    let archived = fresh
        .store
        .archive_scores(fresh.tenant, later(1), None, 10, later(30))
        .await
        .unwrap();
    assert_eq!(archived.scores, 0);
    other.rollback().await.unwrap();
    fresh.purge(later(1), 10).await;
    assert_eq!(fresh.rows().await, [0, 0, 0]);
}

async fn idle_scores_leave_their_sums_in_the_archive_and_begin_at_nothing(fresh: Fresh) {
    let contact = fresh.click("ada", "1", now()).await.contact;
    let opened = of_person(event("1", EmailEvent::Opened, "open"), "ada");
    fresh.apply_at(&opened, later(1)).await;
    fresh.click("bob", "2", later(20)).await;
    let archive = async |before| {
        let store = &fresh.store;
        let step = store
            .archive_scores(fresh.tenant, before, None, 10, later(30))
            .await
            .unwrap();
        (step.scores, step.lines)
    };
    assert_eq!(archive(later(1)).await, (0, 0), "its last event is what counts");
    let lines = u64::try_from(fresh.ledger(contact).await.len()).unwrap();
    assert_eq!(archive(later(2)).await, (1, lines));
    assert_eq!(archive(later(2)).await, (0, 0), "twice is harmless");
    assert_eq!(fresh.leads().await, [(Some("bob".into()), None, 8)]);
    assert_eq!(fresh.ledger(contact).await, []);
    let kept =
        "SELECT COUNT(*) FROM lead_archive WHERE reasons LIKE '%\"first_click\"%' AND reasons LIKE '%\"decay\"%'";
    assert_eq!(fresh.count(kept).await, 1);
    let totals = fresh.totals().await;
    assert_eq!(
        (totals["scores"], totals["ledger_lines"]),
        (1, i64::try_from(lines).unwrap())
    );

    fresh.click("ada", "3", later(30)).await;
    assert_eq!(fresh.ledger(contact).await, [(Reason::FirstClick, 8, 8, 8)]);
}

async fn an_archive_goes_along_when_its_contact_turns_out_to_be_another(fresh: Fresh) {
    fresh.apply_at(&event("m", EmailEvent::Clicked, "1"), now()).await;
    let step = fresh
        .store
        .archive_scores(fresh.tenant, later(1), None, 10, later(30))
        .await
        .unwrap();
    assert_eq!(step.scores, 1);
    let named = of_person(event("m", EmailEvent::Delivered, "2"), "ada");
    fresh.apply_at(&named, later(30)).await;
    let of_ada = "SELECT COUNT(*) FROM lead_archive archive
         JOIN contacts contact ON contact.tenant_id = archive.tenant_id AND contact.id = archive.contact_id
         WHERE contact.external_id = 'ada'";
    assert_eq!(fresh.count(of_ada).await, 1);
}

both!(
    old_messages_go_with_their_events_and_attempts_and_the_figures_of_their_days_stay,
    a_message_with_more_events_than_a_step_takes_goes_in_several,
    a_message_that_was_to_go_later_is_as_old_as_that,
    steps_cut_short_anywhere_and_taken_twice_at_once_count_what_goes_once,
    what_somebody_works_on_is_passed_over,
    idle_scores_leave_their_sums_in_the_archive_and_begin_at_nothing,
    an_archive_goes_along_when_its_contact_turns_out_to_be_another,
);
