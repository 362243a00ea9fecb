//! Delivery rates.

use chrono::{NaiveDate, TimeDelta};
use domain::{EventKind, Figure, MessageEnd, MessageId};

use crate::fresh::{Fresh, event, now};
use crate::scene::{ADDRESS, NUMBER, mail_report, outgoing, report, sent};

/// (day, channel, provider, what a few figures count) from the day `from` to the day `to`, counted from today.
async fn rates(fresh: &Fresh, from: i64, to: i64) -> Vec<(i64, String, Vec<u64>)> {
    let today = now().date_naive();
    let day = |offset| today + TimeDelta::days(offset);
    let rates = fresh
        .store
        .delivery_rates(fresh.tenant, day(from), day(to))
        .await
        .unwrap();
    let told = [Figure::Sent, Figure::Delivered, Figure::Opened, Figure::Failed];
    rates
        .iter()
        .map(|rate| {
            let counts = told.iter().map(|figure| rate.count(*figure)).collect();
            let day = rate.day.signed_duration_since(today).num_days();
            (day, format!("{} {}", rate.channel, rate.provider), counts)
        })
        .collect()
}

async fn messages_count_once_per_figure_on_the_day_they_were_begun(fresh: Fresh) {
    for (request, day) in [("a", 0), ("b", 0), ("c", 1), ("d", 3)] {
        let at = now() + TimeDelta::days(day);
        let message = fresh.begin(&outgoing(&fresh, request, ADDRESS), at).await;
        fresh.go(message, "sendgrid", at).await;
        fresh.end(message, 1, &sent(request), at).await;
        for identity in ["1", "2", "3"] {
            fresh
                .hear(&mail_report(
                    request,
                    EventKind::Opened,
                    &format!("{request}{identity}"),
                ))
                .await;
        }
    }
    fresh.send(&outgoing(&fresh, "e", NUMBER), "twilio", "e").await;
    fresh.hear(&report("e", EventKind::Undelivered, "e")).await;
    let row = |day, carrier: &str, counts: [u64; 4]| (day, carrier.to_owned(), counts.to_vec());
    assert_eq!(
        rates(&fresh, 0, 1).await,
        [
            row(0, "email sendgrid", [2, 2, 2, 0]),
            row(0, "sms twilio", [1, 0, 0, 0]),
            row(1, "email sendgrid", [1, 1, 1, 0]),
        ]
    );
    assert_eq!(rates(&fresh, 2, 3).await, [row(3, "email sendgrid", [1, 1, 1, 0])]);
    assert_eq!(rates(&fresh, 1, 0).await, []);
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    let day = now().date_naive();
    assert_eq!(fresh.store.delivery_rates(other, day, day).await.unwrap(), []);
}

async fn what_is_only_reported_is_counted_and_moves_when_it_turns_out_to_be_ours(fresh: Fresh) {
    let begun_at = now() - TimeDelta::days(2);
    let message = fresh.begin(&outgoing(&fresh, "r", NUMBER), begun_at).await;
    fresh.go(message, "twilio", begun_at).await;
    fresh.hear(&report("SM1", EventKind::Delivered, "1")).await;
    assert_eq!(
        rates(&fresh, 0, 0).await,
        [(0, "sms twilio".to_owned(), vec![1, 1, 0, 0])]
    );
    fresh.end(message, 1, &sent("SM1"), now()).await;
    assert_eq!(rates(&fresh, 0, 0).await, [(0, "sms twilio".to_owned(), vec![0; 4])]);
    assert_eq!(
        rates(&fresh, -2, -2).await,
        [(-2, "sms twilio".to_owned(), vec![1, 1, 0, 0])]
    );
}

async fn what_nobody_took_counts_as_failed_by_nobody(fresh: Fresh) {
    let message = fresh.begin(&outgoing(&fresh, "r", NUMBER), now()).await;
    let end = MessageEnd::Failed {
        code: "no_route".into(),
    };
    fresh
        .store
        .end_message(fresh.tenant, message, &end, now())
        .await
        .unwrap();
    assert_eq!(
        rates(&fresh, 0, 0).await,
        [(0, "sms none".to_owned(), vec![0, 0, 0, 1])]
    );
}

async fn email_events_count_too_and_as_many_messages_as_there_are(fresh: Fresh) {
    for n in 0..40 {
        let external_id = format!("m{n}");
        fresh
            .apply(&event(&external_id, domain::EmailEvent::Opened, &format!("{n} a")))
            .await;
        fresh
            .apply(&event(&external_id, domain::EmailEvent::Opened, &format!("{n} b")))
            .await;
        let id = MessageId::derive(fresh.tenant, "sendgrid", &external_id);
        assert_eq!(fresh.find(id).await.progress.counters.opened, 2);
    }
    assert_eq!(
        rates(&fresh, 0, 0).await,
        [(0, "email sendgrid".to_owned(), vec![40, 40, 40, 0])]
    );
}

async fn days_long_ago_and_far_ahead_are_days(fresh: Fresh) {
    let (from, to) = (NaiveDate::MIN, NaiveDate::MAX);
    assert_eq!(fresh.store.delivery_rates(fresh.tenant, from, to).await.unwrap(), []);
}

both!(
    messages_count_once_per_figure_on_the_day_they_were_begun,
    what_is_only_reported_is_counted_and_moves_when_it_turns_out_to_be_ours,
    what_nobody_took_counts_as_failed_by_nobody,
    email_events_count_too_and_as_many_messages_as_there_are,
    days_long_ago_and_far_ahead_are_days,
);
