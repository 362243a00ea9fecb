//! However often, however many at a time and in whatever order events come in, each counts once.

use std::collections::HashSet;

use serde_json::Value;

use crate::app::{Combination, Event, TestApp, on_every_combination};

on_every_combination!(
    the_same_event_100_times_at_once_counts_once,
    many_events_of_one_contact_at_once_add_up_exactly,
    events_in_any_order_end_in_the_same_message,
);

async fn the_same_event_100_times_at_once_counts_once(combination: Combination) {
    let app = TestApp::on(combination).workers(2).start().await;
    let event = Event::new("ana", "m-1", "opened").with("event_id", "the-one");
    let answers = app.post_all((0..100).map(|_| event.clone())).await;

    let ids: HashSet<_> = answers.iter().map(|answer| answer.body["job"].to_string()).collect();
    assert_eq!(ids.len(), 1, "every answer names the same job");
    let new = answers
        .iter()
        .filter(|answer| answer.body["duplicate"] == false)
        .count();
    assert_eq!(new, 1, "one of them was the first");
    app.wait_until("the open is worth 3", async || app.lead_score("ana").await == Some(3))
        .await;
    app.wait_until_idle().await;
    assert_eq!(app.lead_score("ana").await, Some(3));
    assert_eq!(app.message("m-1").await.unwrap()["open_count"], 1);
}

/// 50 messages, each opened 4 times and clicked twice: (3 + 3·1) + (8 + 2) points, in whatever order.
async fn many_events_of_one_contact_at_once_add_up_exactly(combination: Combination) {
    let app = TestApp::on(combination).workers(2).start().await;
    let events = (0..300).map(|number| {
        let kind = if number / 50 < 4 { "opened" } else { "clicked" };
        Event::new("ana", &format!("m-{}", number % 50), kind).with("event_id", &format!("e-{number}"))
    });
    let answers = app.post_all(events).await;
    let ids: HashSet<_> = answers.iter().map(|answer| answer.body["job"].to_string()).collect();
    assert_eq!(ids.len(), 300);
    app.wait_until_idle().await;
    assert_eq!(app.lead_score("ana").await, Some(50 * 16));
    let messages = app.ask("/v1/messages?limit=500").await;
    let messages = messages["items"].as_array().unwrap();
    assert_eq!(messages.len(), 50);
    for message in messages {
        let counts = (
            message["open_count"].as_u64().unwrap(),
            message["click_count"].as_u64().unwrap(),
        );
        assert_eq!(counts, (4, 2), "{message}");
    }
}

const STORY: [(&str, &str); 6] = [
    ("sent", "2026-01-05T08:00:00Z"),
    ("delivered", "2026-01-05T08:00:05Z"),
    ("opened", "2026-01-05T09:00:00Z"),
    ("opened", "2026-01-05T10:00:00Z"),
    ("clicked", "2026-01-05T10:00:30Z"),
    ("unsubscribed", "2026-01-05T10:01:00Z"),
];

/// Orders of [`STORY`]: as it happened, backwards, and two mixed ones.
const ORDERS: [[usize; 6]; 4] = [
    [0, 1, 2, 3, 4, 5],
    [5, 4, 3, 2, 1, 0],
    [3, 0, 4, 2, 5, 1],
    [4, 1, 3, 5, 0, 2],
];

async fn events_in_any_order_end_in_the_same_message(combination: Combination) {
    // One job at a time, so that events are applied in the order in which they were posted.
    let app = TestApp::on(combination)
        .with("RELAIS_QUEUES", "default=1")
        .start()
        .await;
    for (number, order) in ORDERS.iter().enumerate() {
        for (event, occurred_at) in order.map(|place| STORY[place]) {
            let message = format!("m-{number}");
            let event = Event::new(&format!("person-{number}"), &message, event).with("occurred_at", occurred_at);
            app.post_event(&event).await;
        }
    }
    app.wait_until_idle().await;
    let mut rows = Vec::new();
    for (number, order) in ORDERS.iter().enumerate() {
        rows.push(told(app.message(&format!("m-{number}")).await.unwrap()));
        assert_eq!(
            app.lead_score(&format!("person-{number}")).await,
            Some(3 + 1 + 8),
            "{order:?}"
        );
    }
    for (row, order) in rows.iter().zip(ORDERS) {
        assert_eq!(row, &rows[0], "{order:?}");
    }
    assert_eq!(
        (&rows[0]["status"], &rows[0]["open_count"]),
        (&"clicked".into(), &2.into())
    );
    assert!(
        rows[0]["first_opened_at"]
            .as_str()
            .unwrap()
            .starts_with("2026-01-05T09:00:00")
    );
}

/// A message without what must differ: its ids, its owner, when it was made.
fn told(mut message: Value) -> Value {
    let row = message.as_object_mut().unwrap();
    assert!(row["interaction_id"].is_string());
    for own in [
        "id",
        "external_id",
        "interaction_id",
        "contact_id",
        "person_id",
        "created_at",
    ] {
        row.remove(own).unwrap();
    }
    message
}
