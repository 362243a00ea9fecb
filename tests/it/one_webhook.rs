//! One webhook, all the way: a signed event becomes a status, counters, an interaction and a lead score.

use reqwest::StatusCode;
use serde_json::json;

use crate::app::{Combination, Event, TestApp, on_every_combination};

on_every_combination!(a_signed_event_becomes_status_counters_interaction_and_score);

async fn a_signed_event_becomes_status_counters_interaction_and_score(combination: Combination) {
    let app = TestApp::on(combination).workers(2).start().await;
    let opened = Event::new("ana", "m-1", "opened")
        .with("recipient", "ana@example.com")
        .sign(&app.secret);

    let first = app.post(&opened).await;
    assert_eq!(
        (first.status, &first.body["duplicate"]),
        (StatusCode::ACCEPTED, &json!(false))
    );
    app.wait_until("the open is worth 3", async || app.lead_score("ana").await == Some(3))
        .await;

    let again = app.post(&opened).await;
    assert_eq!(
        (again.status, &again.body["duplicate"]),
        (StatusCode::ACCEPTED, &json!(true))
    );
    assert_eq!(again.body["job"], first.body["job"], "the same request is the same job");
    app.wait_until_idle().await;
    assert_eq!(app.lead_score("ana").await, Some(3));

    for (message, event, score) in [("m-1", "clicked", 11), ("m-1", "bounced", 1), ("m-2", "bounced", 0)] {
        let posted = app.post_event(&Event::new("ana", message, event)).await;
        assert_eq!(posted.status, StatusCode::ACCEPTED);
        app.wait_until(event, async || app.lead_score("ana").await == Some(score))
            .await;
    }

    let message = app.message("m-1").await.unwrap();
    let counts =
        ["open_count", "click_count", "bounce_count", "sent_count"].map(|name| message[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 1, 0]);
    assert_eq!(
        (&message["status"], &message["channel"]),
        (&json!("bounced"), &json!("email"))
    );
    assert!(
        message["interaction_id"].is_string(),
        "the first open makes an interaction: {message}"
    );
    assert_eq!(message["person_id"], "ana");

    let id = message["id"].as_str().unwrap();
    assert_eq!(app.ask(&format!("/v1/messages/{id}")).await, message);
    let events = app.ask(&format!("/v1/messages/{id}/events")).await;
    let names: Vec<_> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["event"].clone())
        .collect();
    assert_eq!(names.len(), 3, "the repeated open is no event of its own: {names:?}");
    for name in ["opened", "clicked", "bounced"] {
        assert!(names.contains(&name.into()), "{name} in {names:?}");
    }
    let never_opened = app.message("m-2").await.unwrap();
    assert_eq!(
        (&never_opened["status"], &never_opened["interaction_id"]),
        (&json!("bounced"), &json!(null))
    );
}

on_every_combination!(what_belongs_to_a_tenant_is_nothing_to_another);

async fn what_belongs_to_a_tenant_is_nothing_to_another(combination: Combination) {
    let app = TestApp::on(combination).start().await;
    app.post_event(&Event::new("ana", "m-1", "opened")).await;
    app.wait_until("the open is recorded", async || app.message("m-1").await.is_some())
        .await;
    let id = app.message("m-1").await.unwrap()["id"].as_str().unwrap().to_owned();

    let other = app.relais(&["tenant", "create", "Other"]);
    let key = other["api_key"].as_str().unwrap();
    for path in [format!("/v1/messages/{id}"), format!("/v1/messages/{id}/events")] {
        assert_eq!(app.get_as(key, &path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in [
        "/v1/messages",
        "/v1/leads/hot?min_score=0",
        "/v1/messages?provider=sendgrid&external_id=m-1",
    ] {
        assert_eq!(app.get_as(key, path).await.body["items"], json!([]), "{path}");
    }
}
