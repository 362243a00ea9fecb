//! The queue goes away and comes back, and nobody restarts anything.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::StatusCode;

use crate::app::{Combination, Event, Part, TestApp};

/// What a sender waits at most for "try again later".
const TOLD_WITHIN: Duration = Duration::from_secs(2);
/// Longer than an endpoint is used without asking the database again.
const AWAY_FOR: Duration = Duration::from_secs(11);
/// Senders that post all the time, so that some requests come in while others already wait.
const SENDERS: usize = 6;

#[derive(Clone, Copy, Debug)]
enum Away {
    Cut,
    Hanging,
}

#[tokio::test]
async fn redis_that_was_stopped_is_found_again() {
    without_the_queue(Combination::PostgresAndRedis, Away::Cut).await;
}

#[tokio::test]
async fn redis_behind_a_dead_network_is_found_again() {
    without_the_queue(Combination::PostgresAndRedis, Away::Hanging).await;
}

#[tokio::test]
async fn postgres_that_was_stopped_is_found_again() {
    without_the_queue(Combination::Postgres, Away::Cut).await;
}

#[tokio::test]
async fn postgres_behind_a_dead_network_is_found_again() {
    without_the_queue(Combination::Postgres, Away::Hanging).await;
}

async fn without_the_queue(combination: Combination, away: Away) {
    let app = TestApp::on(combination).behind_a_wire(Part::Queue).start().await;
    app.post_event(&Event::new("ana", "before", "opened")).await;
    app.wait_until("all is well", async || app.lead_score("ana").await == Some(3))
        .await;
    assert_eq!(app.get("/ready").await.status, StatusCode::OK);

    match away {
        Away::Cut => app.wire().cut(),
        Away::Hanging => app.wire().hang(),
    }
    let gone = Instant::now();
    join_all((0..SENDERS).map(|sender| refused_all_the_time(&app, sender, gone))).await;
    assert_eq!(app.get("/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(app.get("/health").await.status, StatusCode::OK);

    app.wire().restore();
    let after = Event::new("ana", "after", "opened").with("event_id", "after");
    app.wait_until("webhooks are taken again", async || {
        app.post_event(&after).await.status == StatusCode::ACCEPTED
    })
    .await;
    app.wait_until("ready again", async || app.get("/ready").await.status == StatusCode::OK)
        .await;
    let message = async || app.message("after").await;
    app.wait_until("the worker goes on", async || message().await.is_some())
        .await;
    // What was refused may have been kept all the same (the answer got lost), and a sender may send it again.
    for sender in 0..SENDERS {
        app.post_event(&refused(sender, 0)).await;
    }
    app.wait_until_idle().await;
    assert_eq!(message().await.unwrap()["open_count"], 1);
    assert_eq!(
        app.message("sender-0").await.unwrap()["sent_count"]
            .as_u64()
            .map(|count| count > 0),
        Some(true)
    );
}

fn refused(sender: usize, number: usize) -> Event {
    Event::new("bob", &format!("sender-{sender}"), "sent").with("event_id", &format!("{sender}-{number}"))
}

async fn refused_all_the_time(app: &TestApp, sender: usize, gone: Instant) {
    let mut number = 0;
    while gone.elapsed() < AWAY_FOR {
        let asked = Instant::now();
        let answer = app.post_event(&refused(sender, number)).await;
        let within = asked.elapsed();
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
        assert!(
            within < TOLD_WITHIN,
            "{within:?}, after {:?}: {answer:?}",
            gone.elapsed()
        );
        number += 1;
    }
    assert!(number > 0);
}
