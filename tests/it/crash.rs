//! A worker dies in the middle: another one does what it held, and nothing counts twice.

use crate::app::{Combination, Event, TestApp, on_every_combination, shortest_lease};

const EVENTS: i64 = 1000;

on_every_combination!(a_worker_killed_in_the_middle_loses_nothing_and_repeats_nothing);

async fn a_worker_killed_in_the_middle_loses_nothing_and_repeats_nothing(combination: Combination) {
    let mut app = TestApp::on(combination)
        .workers(0)
        .with("JOB_LEASE", shortest_lease())
        .start()
        .await;
    app.post_all((0..EVENTS).map(|number| Event::new("ana", &format!("m-{number}"), "opened")))
        .await;
    let killed = app.start_worker().await;
    app.wait_until("some are done", async || app.lead_score("ana").await.is_some())
        .await;
    app.worker(killed).kill();
    let score = app.lead_score("ana").await.unwrap();
    assert!(score < 3 * EVENTS, "nothing was left to do when the worker was killed");

    app.start_worker().await;
    app.wait_until_idle().await;
    assert_eq!(app.lead_score("ana").await, Some(3 * EVENTS));
    let (mut counted, mut cursor) = (0, String::new());
    loop {
        let page = app.ask(&format!("/v1/messages?limit=500{cursor}")).await;
        let messages = page["items"].as_array().unwrap();
        assert!(messages.iter().all(|message| message["open_count"] == 1));
        counted += messages.len();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(counted, usize::try_from(EVENTS).unwrap());
}
