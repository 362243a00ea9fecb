//! A tenant that leaves: nothing of it stays, and nothing of another's goes.

use chrono::{TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::json;
use simulator::Misbehaviour;

use crate::app::{Combination, Event, Jobs, TestApp, answer, on_every_combination};
use crate::dead_letters::{Garbled, add};
use crate::outside::{Sending, sms};

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

/// Where something is kept of what was edited in dead letters.
async fn edits(app: &TestApp) -> Vec<String> {
    let kept = app.everything().await.into_iter();
    kept.filter(|(place, bytes)| place.contains("dead_letter_edits") && !bytes.is_empty())
        .map(|(place, _)| place)
        .collect()
}

on_every_combination!(what_runs_and_what_died_of_a_removed_tenant_ends_with_it);

async fn what_runs_and_what_died_of_a_removed_tenant_ends_with_it(combination: Combination) {
    let sending = Sending::by_twilio(combination).await;
    let app = &sending.app;
    app.leaves(&["dead"]);
    let other = app.relais(&["tenant", "create", "Other"]);
    let garbled = Garbled {
        endpoint: "none".into(),
        event: 7,
    };
    let own = add(app, &garbled, &app.tenant).await;
    add(app, &garbled, other["id"].as_str().unwrap()).await;
    app.wait_until("a letter of each is dead", async || app.queues().dead == 2)
        .await;
    let payload = concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/fixtures/record_email_event/1.json");
    app.relais(&["dead", "edit", &own, "--payload", payload]);
    assert!(!edits(app).await.is_empty());
    // Longer than a removal waits for it.
    let hang = Misbehaviour::Hang { ms: 120_000 };
    sending.simulator.set_fault(hang).unwrap();
    sending.send(None, &sms("It hangs")).await;
    let mut later = sms("It waits");
    later["scheduled_at"] = json!(Utc::now() + TimeDelta::days(1));
    sending.send(None, &later).await;
    let expected = Jobs {
        running: 1,
        scheduled: 1,
        dead: 2,
        ..Jobs::default()
    };
    app.wait_until("one runs, one waits", async || app.queues() == expected)
        .await;

    let removed = app.relais(&["tenant", "remove", &app.tenant, "--yes"]);
    assert_eq!(
        (&removed["removed"], &removed["jobs_left"]),
        (&json!(true), &json!(0)),
        "{removed}"
    );
    let left = Jobs {
        dead: 1,
        ..Jobs::default()
    };
    assert_eq!(app.queues(), left);
    assert_eq!(edits(app).await, Vec::<String>::new(), "what was edited goes, too");
    let letters = app.relais(&["dead", "list"]);
    assert_eq!(letters["items"][0]["tenant"], other["id"], "the other one's stays");
}
