//! Asked to end, processes finish what is under way or put it back, and end well.

use testkit::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{Combination, Event, TestApp, on_every_combination};

const EVENTS: i64 = 500;

on_every_combination!(
    a_worker_that_is_asked_to_end_holds_nothing_back,
    web_answers_what_is_under_way_and_takes_nothing_new,
);

async fn a_worker_that_is_asked_to_end_holds_nothing_back(combination: Combination) {
    let mut app = TestApp::on(combination).workers(0).start().await;
    app.post_all((0..EVENTS).map(|number| Event::new("ana", &format!("m-{number}"), "opened")))
        .await;
    let asked = app.start_worker().await;
    app.wait_until("some are done", async || app.lead_score("ana").await.is_some())
        .await;
    app.worker(asked).signal(Signal::Terminate);
    let finished = app.worker(asked).finished().await;
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stdout);
    let jobs = app.queues();
    assert_eq!(
        (jobs.running, jobs.scheduled, jobs.dead),
        (0, 0, 0),
        "finished or put back: {jobs:?}"
    );

    app.start_worker().await;
    app.wait_until_idle().await;
    assert_eq!(app.lead_score("ana").await, Some(3 * EVENTS));
    assert_eq!(app.counted("retried").await, 0, "nobody was charged");
}

async fn web_answers_what_is_under_way_and_takes_nothing_new(combination: Combination) {
    let app = TestApp::on(combination).start().await;
    let signed = Event::new("ana", "m-1", "opened").sign(&app.secret);
    let mut under_way = TcpStream::connect(app.address()).await.unwrap();
    let (first_half, second_half) = signed.body.split_at(signed.body.len() / 2);
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         X-Timestamp: {}\r\nX-Signature: {}\r\nExpect: 100-continue\r\n\r\n",
        app.webhook(),
        app.address(),
        signed.body.len(),
        signed.timestamp,
        signed.signature,
    );
    under_way.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body when it has begun with the request.
    let mut asked_for_more = [0; 12];
    under_way.read_exact(&mut asked_for_more).await.unwrap();
    assert_eq!(&asked_for_more, b"HTTP/1.1 100");
    under_way.write_all(first_half.as_bytes()).await.unwrap();

    app.web().signal(Signal::Terminate);
    app.web().wait_for("Asked to end").await;
    let refused = async || TcpStream::connect(app.address()).await.is_err();
    app.wait_until("new connections are refused", refused).await;
    under_way.write_all(second_half.as_bytes()).await.unwrap();
    let mut answer = String::new();
    under_way.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains("HTTP/1.1 202") && answer.contains(r#""duplicate":false"#),
        "{answer}"
    );
    assert_eq!(app.web().finished().await.status.code(), Some(0));
    app.worker(0).wait_for("E-mail event recorded.").await;
}

/// What the store holds up is released at the end of the grace, and is nobody's failed attempt.
#[cfg(feature = "services")]
#[tokio::test]
async fn what_does_not_finish_within_the_grace_is_put_back() {
    let setup = TestApp::on(Combination::PostgresAndRedis).behind_a_wire(crate::app::Part::Store);
    let mut app = setup.with("SHUTDOWN_GRACE", "1s").start().await;
    // All connections of the worker to the store are made, so that what follows hangs in the middle.
    app.post_event(&Event::new("ana", "before", "sent")).await;
    app.wait_until("the worker works", async || app.message("before").await.is_some())
        .await;
    app.wire().hang();
    app.post_all((0..20).map(|number| Event::new("ana", &format!("m-{number}"), "opened")))
        .await;
    app.wait_until("the worker holds all of them", async || app.queues().running == 20)
        .await;
    app.worker(0).signal(Signal::Terminate);
    assert_eq!(app.worker(0).finished().await.status.code(), Some(0));
    let list = app.relais(&["jobs", "list"]);
    for job in list["items"].as_array().unwrap() {
        assert_eq!((&job["state"], &job["crashes"]), (&"ready".into(), &0.into()), "{job}");
    }
    app.wire().restore();
    app.start_worker().await;
    app.wait_until("all are done", async || app.lead_score("ana").await == Some(60))
        .await;
}
