//! What goes wrong with the installation, and what there is to tell of it.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::alert::AlertNews;
use domain::{AlertChange, AlertId, AlertRule, EndpointId};
use store::AlertNotice;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fresh::{Fresh, now, second};

const BOTH: [&str; 2] = ["webhook", "email"];

fn news(change: Option<AlertChange>, value: u64) -> AlertNews {
    AlertNews {
        id: AlertId::of(AlertRule::NoWorker, "default", now()),
        rule: AlertRule::NoWorker,
        subject: "default".into(),
        value,
        since: second(-60),
        change,
    }
}

impl Fresh {
    /// Somebody looks, and nobody else does meanwhile.
    async fn look(&self, news: &[AlertNews], at: i64) {
        let before = self.store.alert_memory().await.unwrap();
        assert!(
            self.store
                .remember_alerts(&before, "{}", news, &BOTH, second(at))
                .await
                .unwrap()
        );
    }

    /// Somebody takes a notice, whatever its destination is.
    async fn take(&self, at: i64, lease: TimeDelta) -> Option<AlertNotice> {
        for destination in BOTH {
            let taken = self
                .store
                .take_alert_notice(destination, second(at), second(at) + lease);
            if let Some(notice) = taken.await.unwrap() {
                return Some(notice);
            }
        }
        None
    }
}

async fn of_many_who_look_at_once_one_tells(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    let before = fresh.store.alert_memory().await.unwrap();
    assert_eq!(before.memory, "{}");
    let mut looks = JoinSet::new();
    for clock in 0..10 {
        let (fresh, before) = (Arc::clone(&fresh), before.clone());
        looks.spawn(async move {
            let fired = [news(Some(AlertChange::Fired), clock)];
            let memory = format!("\"{clock}\"");
            fresh
                .store
                .remember_alerts(&before, &memory, &fired, &BOTH, now())
                .await
                .unwrap()
        });
    }
    let told = looks.join_all().await;
    assert_eq!(told.into_iter().filter(|is_ours| *is_ours).count(), 1);
    let firing = fresh.store.alerts_firing().await.unwrap();
    let after = fresh.store.alert_memory().await.unwrap();
    assert_eq!((firing.len(), firing[0].untold, after.looked_at), (1, 2, now()));
    assert_eq!(
        after.memory,
        format!("\"{}\"", firing[0].value),
        "what is remembered is what was told"
    );
    assert_eq!(fresh.count("SELECT COUNT(*) FROM alert_notices").await, 2);
}

async fn an_alert_is_at_what_was_found_last_until_it_has_recovered(fresh: Fresh) {
    fresh.look(&[news(Some(AlertChange::Fired), 3)], 0).await;
    fresh.look(&[news(None, 7)], 15).await;
    let firing = fresh.store.alerts_firing().await.unwrap().remove(0);
    assert_eq!((firing.value, firing.since, firing.fired_at), (7, second(-60), now()));
    fresh.look(&[news(Some(AlertChange::Recovered), 0)], 30).await;
    assert_eq!(fresh.store.alerts_firing().await.unwrap(), []);
    let latest = fresh.store.alerts_latest(10).await.unwrap();
    assert_eq!((latest.len(), latest[0].recovered_at), (1, Some(second(30))));
    assert_eq!(
        fresh.count("SELECT COUNT(*) FROM alert_notices WHERE value = 3").await,
        2,
        "what was told stays"
    );
}

async fn a_notice_is_one_tellers_at_a_time_and_ends_once(fresh: Fresh) {
    let lease = TimeDelta::seconds(60);
    let take = async |at: i64| fresh.take(at, lease).await;
    assert_eq!(take(0).await, None);
    fresh.look(&[news(Some(AlertChange::Fired), 3)], 0).await;
    let (first, other) = (take(0).await.unwrap(), take(0).await.unwrap());
    assert_ne!(first.destination, other.destination);
    assert_eq!(
        (first.rule, first.subject.as_str(), first.value, first.attempt),
        (AlertRule::NoWorker, "default", 3, 1)
    );
    assert_eq!(take(59).await, None, "both are taken");

    fresh.store.alert_notice_told(&other, second(1)).await.unwrap();
    fresh.store.alert_notice_told(&other, second(2)).await.unwrap();
    // Nothing was heard of who took the first one: another does, and who took it before puts nothing off.
    let again = take(60).await.unwrap();
    assert_eq!(
        (again.destination.as_str(), again.attempt),
        (first.destination.as_str(), 2)
    );
    fresh.store.alert_notice_put_off(&first, second(61)).await.unwrap();
    assert_eq!(take(62).await, None);
    fresh.store.alert_notice_put_off(&again, second(70)).await.unwrap();
    let last = take(70).await.unwrap();
    fresh.store.alert_notice_given_up(&last).await.unwrap();
    assert_eq!(take(100_000).await, None);
    let ended = |destination: &str, outcome: &str| (destination.to_owned(), outcome.to_owned(), 1);
    let mut expected = [ended(&other.destination, "told"), ended(&first.destination, "given_up")];
    expected.sort();
    assert_eq!(fresh.store.alert_totals().await.unwrap(), expected);
}

async fn that_something_is_over_is_told_after_that_it_began(fresh: Fresh) {
    fresh.look(&[news(Some(AlertChange::Fired), 3)], 0).await;
    fresh.look(&[news(Some(AlertChange::Recovered), 0)], 10).await;
    let take = async |at: i64| fresh.take(at, TimeDelta::seconds(60)).await;
    let (one, other) = (take(11).await.unwrap(), take(11).await.unwrap());
    assert_eq!((one.change, other.change), (AlertChange::Fired, AlertChange::Fired));
    assert_eq!(take(12).await, None, "while its beginning is being told");
    fresh.store.alert_notice_put_off(&one, second(500)).await.unwrap();
    fresh.store.alert_notice_told(&other, second(13)).await.unwrap();
    let over = take(14).await.unwrap();
    assert_eq!(
        (over.change, &over.destination),
        (AlertChange::Recovered, &other.destination)
    );
    fresh.store.alert_notice_told(&over, second(15)).await.unwrap();
    assert_eq!(take(16).await, None, "where its beginning was put off");
    let again = take(500).await.unwrap();
    fresh.store.alert_notice_given_up(&again).await.unwrap();
    let last = take(501).await.unwrap();
    assert_eq!(
        (last.change, &last.destination),
        (AlertChange::Recovered, &one.destination)
    );
}

async fn what_has_recovered_long_ago_is_forgotten_and_what_fires_is_not(fresh: Fresh) {
    fresh.look(&[news(Some(AlertChange::Fired), 3)], 0).await;
    assert_eq!(fresh.store.forget_alerts(second(1000), 10).await.unwrap(), 0);
    fresh.look(&[news(Some(AlertChange::Recovered), 0)], 30).await;
    assert_eq!(fresh.store.forget_alerts(second(30), 10).await.unwrap(), 0);
    assert_eq!(fresh.store.forget_alerts(second(31), 10).await.unwrap(), 1);
    assert_eq!(fresh.count("SELECT COUNT(*) FROM alert_notices").await, 0);
}

async fn signatures_that_were_not_good_are_counted_by_endpoint_for_as_long_as_it_exists(fresh: Fresh) {
    let gone = EndpointId(Uuid::from_u128(9));
    let store = &fresh.store;
    for (count, at) in [(3, 0), (4, 30), (5, 60)] {
        let counted = [(fresh.endpoint, count), (gone, 1)];
        store.count_signature_failures(&counted, second(at)).await.unwrap();
    }
    assert_eq!(
        store.signature_failures(second(-600)).await.unwrap(),
        [(fresh.endpoint, 12)]
    );
    assert_eq!(
        store.signature_failures(second(59)).await.unwrap(),
        [(fresh.endpoint, 5)],
        "whole minutes"
    );
    assert_eq!(store.signature_failures(second(60)).await.unwrap(), []);
    assert_eq!(store.forget_signature_failures(second(60), 10).await.unwrap(), 1);
    assert_eq!(
        store.signature_failures(second(-600)).await.unwrap(),
        [(fresh.endpoint, 5)]
    );
}

both!(
    that_something_is_over_is_told_after_that_it_began,
    of_many_who_look_at_once_one_tells,
    an_alert_is_at_what_was_found_last_until_it_has_recovered,
    a_notice_is_one_tellers_at_a_time_and_ends_once,
    what_has_recovered_long_ago_is_forgotten_and_what_fires_is_not,
    signatures_that_were_not_good_are_counted_by_endpoint_for_as_long_as_it_exists,
);
