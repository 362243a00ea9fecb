//! A tenant that leaves: nothing of it stays, and nothing of another's goes.

use reqwest::StatusCode;
use serde_json::json;

use crate::app::{Combination, Event, Jobs, TestApp, answer, on_every_combination};

on_every_combination!(a_removed_tenant_leaves_no_job_no_letter_and_no_way_in_and_others_stay);

async fn a_removed_tenant_leaves_no_job_no_letter_and_no_way_in_and_others_stay(combination: Combination) {
    let mut app = TestApp::on(combination).workers(0).start().await;
    let other = app.relais(&["tenant", "create", "Other"]);
    let (id, key) = (other["id"].as_str().unwrap(), other["api_key"].as_str().unwrap());
    let endpoint = app.relais(&["endpoint", "create", "--tenant", id, "--provider", "email"]);
    let path = format!("/webhooks/email/{}", endpoint["id"].as_str().unwrap());
    for number in 0..3 {
        let event = Event::new("eve", &format!("m-{number}"), "opened").sign(endpoint["secret"].as_str().unwrap());
        assert_eq!(answer(app.request_to(&path, &event)).await.status, StatusCode::ACCEPTED);
    }
    app.post_event(&Event::new("ana", "m-1", "opened")).await;
    assert_eq!(app.queues().ready, 4);

    let (status, _) = app.refused(&["tenant", "remove", id]);
    assert_eq!(status, Some(1), "without --yes nothing is done");
    assert_eq!(app.queues().ready, 4);
    let removed = app.relais(&["tenant", "remove", id, "--yes", "--by", "ann"]);
    assert_eq!(removed, json!({ "id": id, "removed": true, "jobs": 3, "jobs_left": 0 }));
    let left = Jobs {
        ready: 1,
        ..Jobs::default()
    };
    assert_eq!(app.queues(), left);
    assert_eq!(app.get_as(key, "/v1/me").await.status, StatusCode::UNAUTHORIZED);
    let again = app.relais(&["tenant", "remove", id, "--yes"]);
    assert_eq!((&again["removed"], &again["jobs"]), (&json!(false), &json!(0)));
    let audit = app.relais(&["audit", "list", "--action", "tenant_removed"]);
    assert_eq!(
        (&audit["items"][0]["actor"], &audit["items"][0]["target"]),
        (&json!("operator:ann"), &json!(id))
    );
    app.start_worker().await;
    app.wait_until("the other one's job is done", async || {
        app.lead_score("ana").await == Some(3)
    })
    .await;
}
