//! The store goes away while the queue is up: webhooks are taken, and their jobs succeed when it is back.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::app::{Combination, Event, Part, TestApp, answer};

/// Longer than an endpoint is used without asking the database again.
const AWAY_FOR: Duration = Duration::from_secs(11);

#[tokio::test]
async fn webhooks_are_taken_while_the_store_is_stopped() {
    without_the_store(|app| app.wire().cut()).await;
}

#[tokio::test]
async fn webhooks_are_taken_while_the_store_is_behind_a_dead_network() {
    without_the_store(|app| app.wire().hang()).await;
}

async fn without_the_store(take_away: impl Fn(&TestApp)) {
    let app = TestApp::on(Combination::PostgresAndRedis)
        .behind_a_wire(Part::Store)
        .start()
        .await;
    take_away(&app);
    let gone = Instant::now();
    let (mut posted, mut last) = (0, String::new());
    while gone.elapsed() < AWAY_FOR {
        let event = Event::new("ana", &format!("m-{posted}"), "opened");
        let answer = app.post_event(&event).await;
        assert_eq!(
            answer.status,
            StatusCode::ACCEPTED,
            "after {:?}: {answer:?}",
            gone.elapsed()
        );
        posted += 1;
        last = answer.body["job"].as_str().unwrap().to_owned();
        // Takes a moment while the store is away, so that there are not too many jobs by the end.
        app.get("/ready").await;
    }
    let ready = app.get("/ready").await;
    let expected = (StatusCode::SERVICE_UNAVAILABLE, json!("unreachable"), json!("ok"));
    assert_eq!(
        (ready.status, ready.body["store"].clone(), ready.body["queue"].clone()),
        expected
    );
    let asked = app.ask_with(Method::GET, "/v1/leads/hot").bearer_auth(&app.api_key);
    assert_eq!(answer(asked).await.status, StatusCode::SERVICE_UNAVAILABLE);
    // Each would only fail, and wait the longer the longer the store is away.
    app.wait_until("the last job is left alone", async || {
        app.relais(&["jobs", "why", &last])["reason"] == "no_worker"
    })
    .await;
    let why = app.relais(&["jobs", "why", &last]);
    assert_eq!(why["workers_storeless"], 1, "{why}");

    app.wire().restore();
    app.wait_until("every job has its effect", async || {
        app.lead_score("ana").await == Some(3 * posted)
    })
    .await;
    app.wait_until_idle().await;
    assert_eq!(app.lead_score("ana").await, Some(3 * posted));
    assert_eq!(app.get("/ready").await.status, StatusCode::OK);
}
