//! Keys are rotated while an installation works, and the former one is needed by nothing afterwards.

use seal::Keyring;
use serde_json::json;
use testkit::process::Signal;

use crate::app::{Combination, Event, TestApp, on_every_combination};
use crate::dead_letters::{Garbled, add};

/// How many events are posted in each part.
const EVENTS: i64 = 60;

on_every_combination!(a_former_key_can_go_after_everything_was_sealed_again_under_load);

async fn a_former_key_can_go_after_everything_was_sealed_again_under_load(combination: Combination) {
    let mut app = TestApp::on(combination).workers(0).start().await;
    let former = app.keys();
    let newer = Keyring::generate("newer");
    let dead = a_dead_letter(&mut app).await;
    app.post_all(events("waiting")).await;

    // Every process knows the new key before one seals with it. Then work and requests go on while everything is sealed again.
    app.restart_under(&format!("{former},{newer}")).await;
    app.start_worker().await;
    app.restart_under(&format!("{newer},{former}")).await;
    app.start_worker().await;
    let (_, done) = tokio::join!(app.post_all(events("meanwhile")), app.relais_meanwhile(&["reseal"]));
    assert_eq!(done["key"], "newer", "{done}");
    assert_eq!(unreadable(&done), 0, "{done}");
    app.wait_until_idle().await;
    assert_eq!(
        app.relais(&["reseal"])["resealed"],
        0,
        "nothing comes under the former key any more"
    );

    app.restart_under(&newer).await;
    let worker = app.start_worker().await;
    app.post_all(events("after")).await;
    app.wait_until_idle().await;
    assert_eq!(app.lead_score("ana").await, Some(3 * EVENTS * 3));
    let shown = app.relais(&["dead", "show", &dead, "--reveal"]);
    assert_eq!(shown["payload"]["event"], 7, "{shown}");
    let events = app.message("waiting-0").await.unwrap();
    assert_eq!(events["open_count"], 1, "{events}");
    let log = app.worker(worker).output();
    assert!(!log.contains("sealed under") && !log.contains("does not open"), "{log}");
    app.relais(&["dead", "delete", &dead]);
}

#[tokio::test]
async fn a_value_under_no_key_of_the_ring_is_told_and_keeps_the_status_bad() {
    let mut app = TestApp::on(Combination::Sqlite).workers(0).start().await;
    let former = app.keys();
    app.post_all(events("waiting")).await;
    let other = Keyring::generate("other");
    app.tell_commands(&other);
    let (status, _) = app.refused(&["reseal"]);
    assert_eq!(status, Some(1));
    app.tell_commands(&format!("{other},{former}"));
    let done = app.relais(&["reseal"]);
    assert_eq!(unreadable(&done), 0, "{done}");
    assert!(done["resealed"].as_i64() > Some(EVENTS), "{done}");
    app.leaves(&["ready"]);
}

fn events(part: &str) -> impl Iterator<Item = Event> {
    (0..EVENTS).map(move |number| {
        let event = Event::new("ana", &format!("{part}-{number}"), "opened");
        event.with("subject", "wedding").with("recipient", "marie@example.com")
    })
}

/// Makes a dead letter under the key that seals now, and answers its id.
async fn a_dead_letter(app: &mut TestApp) -> String {
    let worker = app.start_worker().await;
    let garbled = Garbled {
        endpoint: app.endpoint.clone(),
        event: 7,
    };
    let tenant = app.tenant.clone();
    let id = add(app, &garbled, &tenant).await;
    app.wait_until("it is dead", async || app.queues().dead == 1).await;
    app.worker(worker).signal(Signal::Terminate);
    app.worker(worker).finished().await;
    app.leaves(&["dead"]);
    id
}

fn unreadable(answer: &serde_json::Value) -> u64 {
    let items = answer["items"].as_array().unwrap();
    let counts: Vec<_> = items.iter().map(|item| item["unreadable"].as_u64().unwrap()).collect();
    assert_ne!(json!(counts), json!([]));
    counts.iter().sum()
}
