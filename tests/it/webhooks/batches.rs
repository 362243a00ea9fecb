//! Many events in one request, some of them twice, and one that cannot be applied.

use axum::http::StatusCode;
use chrono::Utc;
use serde_json::{Value, json};
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use super::raw::Reply;
use super::sign::SendGrid;
use crate::app::{Combination, TestApp, on_every_combination};

const MESSAGES: usize = 100;
/// Of each message: delivered once, opened and clicked three times each.
const EVENTS_EACH: usize = 7;
const DUPLICATES: usize = 300;
/// For a message's opens and clicks by the rules of scoring: 3 + 1 + 1 and 8 + 2 + 2.
const POINTS_EACH: i64 = 17;

/// What SendGrid tells of a message.
fn event(message: usize, number: usize) -> Value {
    let kind = match number {
        0 => "delivered",
        1..=3 => "open",
        _ => "click",
    };
    json!({
        "email": "ana@example.com", "timestamp": Utc::now().timestamp(), "event": kind, "person_id": "ana",
        "sg_message_id": format!("m-{message}.filter0001.1"), "sg_event_id": format!("e-{message}-{number}"),
        "url": "https://example.com/",
    })
}

/// An endpoint of SendGrid and the one that signs for it.
struct Sender {
    signer: SendGrid,
    target: String,
}

impl Sender {
    fn new(app: &TestApp) -> Self {
        let signer = SendGrid::new();
        let (tenant, key) = (&app.tenant, signer.verification_key());
        let create = [
            "endpoint",
            "create",
            "--tenant",
            tenant,
            "--provider",
            "sendgrid",
            "--secret",
            &key,
        ];
        let made = app.relais(&create);
        let target = format!("/webhooks/sendgrid/{}", made["id"].as_str().unwrap());
        Self { signer, target }
    }

    async fn post(&self, app: &TestApp, events: &[Value]) -> Reply {
        let body = json!(events).to_string();
        let reply = self.signer.post(&self.target, &body).send(app.address()).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
        reply
    }
}

on_every_combination!(a_thousand_events_with_duplicates_count_once_each);

async fn a_thousand_events_with_duplicates_count_once_each(combination: Combination) {
    let app = TestApp::on(combination).start().await;
    let sender = Sender::new(&app);
    let all = (0..MESSAGES).flat_map(|message| (0..EVENTS_EACH).map(move |number| event(message, number)));
    let mut events: Vec<_> = all.collect();
    events.extend_from_within(..DUPLICATES);
    assert_eq!(events.len(), 1000);

    let first = sender.post(&app, &events).await;
    assert!(!first.job().1, "{first:?}");
    assert_eq!(sender.post(&app, &events).await.job(), (first.job().0, true));
    // In other company and in another order, each is still itself.
    events.reverse();
    let other = sender.post(&app, &events[..DUPLICATES]).await;
    assert!(!other.job().1, "{other:?}");

    app.wait_until_idle().await;
    let points = POINTS_EACH * i64::try_from(MESSAGES).unwrap();
    assert_eq!(app.lead_score("ana").await, Some(points));
    for message in ["m-0", "m-42", "m-99"] {
        let message = app.message(message).await.unwrap();
        assert_eq!(
            (&message["open_count"], &message["click_count"]),
            (&json!(3), &json!(3)),
            "{message}"
        );
        assert_eq!(message["status"], "clicked", "{message}");
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_applied_fails_alone() {
    let app = TestApp::on(Combination::Sqlite).start().await;
    let sender = Sender::new(&app);
    sender.post(&app, &[event(1, 0)]).await;
    app.wait_until_idle().await;
    break_message(&app, "m-1").await;

    let reply = sender.post(&app, &[event(0, 1), event(1, 1), event(2, 1)]).await;
    app.wait_until("one is dead", async || app.queues().dead == 1).await;
    app.wait_until_idle().await;
    for message in ["m-0", "m-2"] {
        assert_eq!(app.message(message).await.unwrap()["open_count"], 1, "{message}");
    }
    let dead = app.relais(&["dead", "list"]);
    let id = dead["items"][0]["id"].as_str().unwrap();
    assert_eq!(dead["items"][0]["kind"], "record_provider_events");
    assert_ne!(Some(id.to_owned()), reply.job().0, "the request's own job is done");
    let shown = app.relais(&["dead", "show", id]);
    assert_eq!(shown["payload"]["events"].as_array().unwrap().len(), 1, "{shown}");
    app.leaves(&["dead"]);
}

/// Writes into a message what this program never writes.
async fn break_message(app: &TestApp, external_id: &str) {
    let url = format!("sqlite://{}", app.sqlite_path().unwrap());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let broken = sqlx::query("UPDATE messages SET first_event_at = $1 WHERE external_id = $2")
        .bind(i64::MAX)
        .bind(external_id)
        .execute(&mut connection)
        .await
        .unwrap();
    assert_eq!(broken.rows_affected(), 1);
    connection.close().await.unwrap();
}
