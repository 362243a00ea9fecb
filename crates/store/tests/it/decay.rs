//! What goes of scores with every week goes once.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::scoring::Reason;
use domain::{ContactId, EmailEvent};
use store::{Db, DecayStep};
use tokio::task::JoinSet;

use crate::crashes::cut_short;
use crate::fresh::{Fresh, event, now, of_person};
use crate::scoring::week;

/// 19 points.
async fn warm(fresh: &Fresh, person: &str) -> ContactId {
    for message in 0..2 {
        fresh.click(person, &format!("{person} {message}"), now()).await;
    }
    let opened = of_person(
        event(&format!("{person} 0"), EmailEvent::Opened, &format!("{person} open")),
        person,
    );
    fresh.apply_at(&opened, now()).await.contact
}

impl Fresh {
    /// Passes over all leads until nobody was passed over; how many lost something.
    async fn decay(&self, limit: u32, at: DateTime<Utc>) -> usize {
        let (mut decayed, mut place, mut passed_over) = (0, None, 0);
        loop {
            let step = self.store.decay_scores(self.tenant, place, limit, at).await.unwrap();
            decayed += step.decayed;
            passed_over += step.passed_over;
            place = step.next;
            if place.is_none() && passed_over == 0 {
                return decayed;
            }
            if place.is_none() {
                passed_over = 0;
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn a_week_takes_its_share_once_however_often_it_is_asked_for(fresh: Fresh) {
    let contact = warm(&fresh, "ada").await;
    assert_eq!(fresh.decay(10, now()).await, 0, "in the week of the points themselves");
    for (at, decayed, score) in [(week(1), 1, 17), (week(1), 0, 17), (week(2), 1, 15), (week(2), 0, 15)] {
        assert_eq!(fresh.decay(10, at).await, decayed);
        assert_eq!(fresh.leads().await, [(Some("ada".into()), None, score)]);
    }
    let ledger = fresh.ledger(contact).await;
    assert_eq!(ledger[3..], [(Reason::Decay, -2, -2, 17), (Reason::Decay, -2, -2, 15)]);
    fresh.assert_ledgers_add_up().await;
}

async fn three_weeks_that_were_missed_go_at_once_and_are_one_line(fresh: Fresh) {
    let contact = warm(&fresh, "ada").await;
    // 19, 17, 15, 13.
    assert_eq!(fresh.decay(10, week(3)).await, 1);
    assert_eq!(fresh.ledger(contact).await[3..], [(Reason::Decay, -6, -6, 13)]);
    assert_eq!(fresh.decay(10, week(3)).await, 0);
}

async fn an_event_brings_its_contact_up_to_date_before_it_counts(fresh: Fresh) {
    let contact = warm(&fresh, "ada").await;
    fresh.click("ada", "late", week(3)).await;
    assert_eq!(
        fresh.ledger(contact).await[3..],
        [(Reason::Decay, -6, -6, 13), (Reason::FirstClick, 8, 8, 21)]
    );
    assert_eq!(fresh.decay(10, week(3)).await, 0);
    // As it would be had the weeks been taken in time.
    let other = warm(&fresh, "bob").await;
    for at in [week(1), week(2), week(3)] {
        fresh.decay(10, at).await;
    }
    fresh.click("bob", "late too", week(3)).await;
    assert_eq!(fresh.ledger(other).await.last().unwrap().3, 21);
    fresh.assert_ledgers_add_up().await;
}

async fn a_share_counts_for_weeks_after_it_was_said(fresh: Fresh) {
    fresh.rules(now(), |rules| rules.decay.percent = 0).await;
    warm(&fresh, "ada").await;
    assert_eq!(fresh.decay(10, week(4)).await, 0);
    fresh.rules(week(5), |rules| rules.decay.percent = 50).await;
    assert_eq!(fresh.decay(10, week(5)).await, 0, "nothing is taken for weeks before");
    assert_eq!(fresh.decay(10, week(6)).await, 1);
    assert_eq!(fresh.leads().await, [(Some("ada".into()), None, 9)]);
}

async fn a_score_of_before_loses_nothing_for_weeks_that_nobody_kept(fresh: Fresh) {
    warm(&fresh, "ada").await;
    fresh.execute("UPDATE lead_scores SET decayed_week = 0").await.unwrap();
    assert_eq!(fresh.decay(10, week(4)).await, 0);
    assert_eq!(fresh.decay(10, week(5)).await, 1);
    assert_eq!(fresh.leads().await, [(Some("ada".into()), None, 17)]);
}

async fn a_merge_brings_both_up_to_date(fresh: Fresh) {
    let contact = warm(&fresh, "ada").await;
    fresh.apply_at(&event("m", EmailEvent::Clicked, "1"), now()).await;
    // 19 and 8 are 17 and 7 a week later.
    fresh
        .apply_at(&of_person(event("m", EmailEvent::Delivered, "2"), "ada"), week(1))
        .await;
    assert_eq!(fresh.leads().await, [(Some("ada".into()), None, 24)]);
    assert_eq!(fresh.decay(10, week(1)).await, 0);
    assert_eq!(fresh.ledger(contact).await.last().unwrap(), &(Reason::Merge, 7, 0, 24));
    fresh.assert_ledgers_add_up().await;
}

async fn steps_at_once_and_events_beside_them_take_each_week_once(fresh: Fresh) {
    const PEOPLE: usize = 40;
    let fresh = Arc::new(fresh);
    for person in 0..PEOPLE {
        warm(&fresh, &format!("p{person}")).await;
    }
    let mut tasks = JoinSet::new();
    for limit in [3, 7, 50] {
        let fresh = Arc::clone(&fresh);
        tasks.spawn(async move {
            fresh.decay(limit, week(1)).await;
        });
    }
    for person in 0..PEOPLE {
        let fresh = Arc::clone(&fresh);
        tasks.spawn(async move {
            fresh
                .click(&format!("p{person}"), &format!("new {person}"), week(1))
                .await;
        });
    }
    tasks.join_all().await;
    let leads = fresh.leads().await;
    assert_eq!(leads.len(), PEOPLE);
    // Whoever came first.
    assert!(leads.iter().all(|lead| lead.2 == 17 + 8), "{leads:?}");
    let lines = fresh
        .count("SELECT COUNT(*) FROM lead_ledger WHERE reason = 'decay'")
        .await;
    assert_eq!(lines, i64::try_from(PEOPLE).unwrap());
    fresh.assert_ledgers_add_up().await;
}

async fn a_step_that_is_cut_short_anywhere_and_taken_again_takes_each_week_once(fresh: Fresh) {
    const PEOPLE: usize = 6;
    const WEEKS: i64 = 12;
    for person in 0..PEOPLE {
        warm(&fresh, &format!("p{person}")).await;
    }
    let mut dropped = 0;
    let mut expected = 19;
    for number in 1..=WEEKS {
        let waits = u32::try_from(number).unwrap();
        let step = fresh.store.decay_scores(fresh.tenant, None, 4, week(number));
        dropped += usize::from(cut_short(step, waits).await.transpose().unwrap().is_none());
        fresh.decay(4, week(number)).await;
        expected = domain::scoring::Decay::default().after(expected, 1);
        let leads = fresh.leads().await;
        assert!(leads.iter().all(|lead| lead.2 == expected), "week {number}: {leads:?}");
    }
    assert!(dropped > 0, "nothing was cut short");
    fresh.assert_ledgers_add_up().await;
}

async fn who_is_being_worked_on_is_passed_over_and_found_again(fresh: Fresh) {
    warm(&fresh, "ada").await;
    // SQLite has one writer: nobody else works on anything.
    let Db::Postgres(pool) = fresh.store.db() else { return };
    let mut other = pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM contacts FOR UPDATE")
        .execute(&mut *other)
        .await
        .unwrap();
    let step = async || fresh.store.decay_scores(fresh.tenant, None, 10, week(1)).await.unwrap();
    let passed_over = DecayStep {
        passed_over: 1,
        ..DecayStep::default()
    };
    assert_eq!(step().await, passed_over);
    other.rollback().await.unwrap();
    assert_eq!(step().await.decayed, 1);
}

both!(
    a_week_takes_its_share_once_however_often_it_is_asked_for,
    three_weeks_that_were_missed_go_at_once_and_are_one_line,
    an_event_brings_its_contact_up_to_date_before_it_counts,
    a_share_counts_for_weeks_after_it_was_said,
    a_score_of_before_loses_nothing_for_weeks_that_nobody_kept,
    a_merge_brings_both_up_to_date,
    steps_at_once_and_events_beside_them_take_each_week_once,
    a_step_that_is_cut_short_anywhere_and_taken_again_takes_each_week_once,
    who_is_being_worked_on_is_passed_over_and_found_again,
);
