//! When leads become hot.

use chrono::TimeDelta;
use domain::interaction::InteractionStatus;
use domain::{CrossingId, EmailEvent, InteractionId, Role};
use store::{InteractionDraft, Recorded, RetentionBefore, WithWhom};
use uuid::Uuid;

use crate::fresh::{Fresh, event, now, of_person, second};
use crate::scoring::week;

impl Fresh {
    /// (score, from which on it was hot) of every crossing that nobody handed on, oldest first.
    async fn crossings(&self) -> Vec<(i64, i64)> {
        let mut crossings = Vec::new();
        for (tenant, id) in self.store.crossings_waiting(100).await.unwrap() {
            let crossing = self.store.crossing(tenant, id).await.unwrap().unwrap();
            crossings.push((crossing.score, crossing.hot_from));
        }
        crossings
    }
}

async fn a_lead_becomes_hot_once_for_each_time_its_score_rises_from_below(fresh: Fresh) {
    fresh.rules(now(), |rules| rules.hot_from = Some(10)).await;
    fresh.click("ada", "1", now()).await;
    assert_eq!(fresh.crossings().await, []);
    let opened = of_person(event("1", EmailEvent::Opened, "open"), "ada");
    fresh.apply_at(&opened, second(1)).await;
    assert_eq!(fresh.crossings().await, [(11, 10)]);
    fresh.click("ada", "2", second(2)).await;
    assert_eq!(fresh.crossings().await, [(11, 10)], "it was hot already");
    for bounce in ["a", "b"] {
        let bounced = of_person(event("1", EmailEvent::Bounced, bounce), "ada");
        fresh.apply_at(&bounced, second(3)).await;
    }
    fresh.click("ada", "3", second(4)).await;
    fresh.click("ada", "4", second(5)).await;
    assert_eq!(fresh.crossings().await, [(11, 10), (16, 10)]);
    // Told again, nothing changes.
    let again = fresh
        .store
        .record_email_event(fresh.tenant, fresh.endpoint, &opened, second(6))
        .await
        .unwrap();
    assert!(matches!(again, Recorded::Duplicate { .. }));
    assert_eq!(fresh.crossings().await.len(), 2);
}

async fn a_lead_that_cooled_down_with_the_weeks_may_become_hot_again(fresh: Fresh) {
    fresh.rules(now(), |rules| rules.hot_from = Some(8)).await;
    fresh.click("ada", "1", now()).await;
    fresh.click("ada", "2", week(2)).await;
    // 8, then 7 and 6; then 14.
    assert_eq!(fresh.crossings().await, [(8, 8), (14, 8)]);
}

async fn a_crossing_creates_follow_up_work(fresh: Fresh) {
    fresh.rules(now(), |rules| rules.hot_from = Some(8)).await;
    let contact = fresh.click("ada", "1", now()).await.contact;
    let (tenant, id) = fresh.store.crossings_waiting(10).await.unwrap()[0];
    let crossing = fresh.store.crossing(tenant, id).await.unwrap().unwrap();
    assert_eq!(
        (crossing.contact_id, crossing.person_id.as_deref()),
        (contact, Some("ada"))
    );
    assert_eq!(crossing.crossed_at, now());
    let work = fresh
        .store
        .interaction(tenant, InteractionId::of_crossing(id))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((work.contact_id, work.status), (contact, InteractionStatus::Todo));
    assert_eq!(work.reason.as_str(), "hot_lead");
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    assert_eq!(fresh.store.crossing(other, id).await.unwrap(), None);
}

async fn a_merge_that_makes_a_lead_hot_is_a_crossing_and_brings_those_of_before_along(fresh: Fresh) {
    fresh.rules(now(), |rules| rules.hot_from = Some(8)).await;
    let anonymous = fresh.apply(&event("m", EmailEvent::Clicked, "1")).await.contact;
    fresh.rules(now(), |rules| rules.hot_from = Some(15)).await;
    fresh.click("ada", "2", second(1)).await;
    let named = of_person(event("m", EmailEvent::Delivered, "3"), "ada");
    let contact = fresh.apply_at(&named, second(2)).await.contact;
    assert_ne!(anonymous, contact);
    assert_eq!(fresh.crossings().await, [(8, 8), (16, 15)]);
}

async fn a_lead_that_was_hot_is_not_hot_again_when_its_contact_is_merged(fresh: Fresh) {
    fresh.rules(now(), |rules| rules.hot_from = Some(5)).await;
    let anonymous = fresh.apply(&event("m", EmailEvent::Clicked, "1")).await.contact;
    let named = of_person(event("m", EmailEvent::Delivered, "2"), "ada");
    let contact = fresh.apply_at(&named, second(1)).await.contact;
    assert_ne!(anonymous, contact);
    assert_eq!(fresh.crossings().await, [(8, 5)]);
}

async fn a_hot_lead_is_the_work_of_who_sells_and_due_at_once(fresh: Fresh) {
    fresh.rules(now(), |rules| rules.hot_from = Some(8)).await;
    let joined = async |name: &str, role| {
        fresh
            .join(fresh.tenant, &format!("{name}@example.com"), role)
            .await
            .user
    };
    joined("owner", Role::Owner).await;
    joined("member", Role::Member).await;
    fresh.click("ada", "1", now()).await;
    assert_eq!(
        fresh.store.claim_overdue(10, second(1)).await.unwrap(),
        1,
        "an owner's, for want of sales"
    );
    let ben = joined("ben", Role::Sales).await;
    let draft = InteractionDraft {
        with: WithWhom::Person("eve".into()),
        title: None,
        note: None,
        assignee: Some(joined("zoe", Role::Member).await),
        next_action_at: None,
    };
    let zoe = fresh.ask_for(&draft, now()).await.assignee;
    for (person, expected, at) in [("bob", Some(ben), second(2)), ("eve", zoe, second(3))] {
        fresh.click(person, person, at).await;
        let crossings = fresh.store.crossings_waiting(10).await.unwrap();
        let id = InteractionId::of_crossing(crossings.last().unwrap().1);
        let work = fresh.store.interaction(fresh.tenant, id).await.unwrap().unwrap();
        assert_eq!((work.assignee, work.next_action_at), (expected, Some(at)), "{person}");
    }
    assert_eq!(fresh.store.claim_overdue(10, second(4)).await.unwrap(), 2);
}

async fn without_a_threshold_nobody_is_hot_and_one_that_is_set_tells_nothing_of_those_above_it(fresh: Fresh) {
    fresh.click("ada", "1", now()).await;
    fresh.rules(now(), |rules| rules.hot_from = Some(5)).await;
    fresh.click("ada", "2", now()).await;
    assert_eq!(fresh.crossings().await, []);
}

async fn a_crossing_that_was_handed_on_is_not_found_again_and_forgotten_when_it_is_old(fresh: Fresh) {
    fresh.rules(now(), |rules| rules.hot_from = Some(8)).await;
    for (number, person) in ["ada", "bob", "eve"].into_iter().enumerate() {
        let number = i64::try_from(number).unwrap();
        fresh.click(person, person, second(number)).await;
    }
    let waiting = fresh.store.crossings_waiting(2).await.unwrap();
    assert_eq!(waiting.len(), 2, "the oldest first, and no more than were asked for");
    let ids: Vec<CrossingId> = waiting.iter().map(|(_, id)| *id).collect();
    for _ in 0..2 {
        fresh.store.crossings_handed(&ids, second(9)).await.unwrap();
    }
    fresh.store.crossings_handed(&[], second(9)).await.unwrap();
    fresh
        .store
        .crossings_handed(&[CrossingId(Uuid::nil())], second(9))
        .await
        .unwrap();
    let left = fresh.store.crossings_waiting(10).await.unwrap();
    assert!(left.len() == 1 && !ids.contains(&left[0].1));
    // What was never handed on is kept, however old it is.
    let later = now() + TimeDelta::days(900);
    let due = async |crossings| {
        let before = RetentionBefore {
            sends: now(),
            scores: now(),
            crossings,
        };
        fresh
            .store
            .retention_due(fresh.tenant, &before)
            .await
            .unwrap()
            .crossings
    };
    assert_eq!((due(second(1)).await, due(later).await), (1, 2));
    assert_eq!(fresh.store.forget_crossings(second(1), 10).await.unwrap(), 1);
    assert_eq!(fresh.store.forget_crossings(later, 10).await.unwrap(), 1);
    assert_eq!(fresh.store.forget_crossings(later, 10).await.unwrap(), 0);
    assert_eq!(due(later).await, 0);
    let counted = fresh.store.retention_totals().await.unwrap();
    assert_eq!(counted, [("crossings".to_owned(), 2)]);
    assert_eq!(fresh.store.crossings_waiting(10).await.unwrap(), left);
}

both!(
    a_lead_that_was_hot_is_not_hot_again_when_its_contact_is_merged,
    a_hot_lead_is_the_work_of_who_sells_and_due_at_once,
    a_lead_becomes_hot_once_for_each_time_its_score_rises_from_below,
    a_lead_that_cooled_down_with_the_weeks_may_become_hot_again,
    a_crossing_creates_follow_up_work,
    a_merge_that_makes_a_lead_hot_is_a_crossing_and_brings_those_of_before_along,
    without_a_threshold_nobody_is_hot_and_one_that_is_set_tells_nothing_of_those_above_it,
    a_crossing_that_was_handed_on_is_not_found_again_and_forgotten_when_it_is_old,
);
