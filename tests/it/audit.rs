//! What has to be answered for is written down: with who, what and from where.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Combination, Event, TestApp, answer, on_every_combination};
use crate::dead_letters::{Garbled, add};

fn garbled() -> Garbled {
    Garbled {
        endpoint: "none".into(),
        event: 7,
    }
}

/// What the installation itself has written down, latest first.
fn own(app: &TestApp) -> Vec<Value> {
    app.relais(&["audit", "list"])["items"].as_array().unwrap().clone()
}

on_every_combination!(whatever_an_operator_does_with_dead_letters_is_written_down_with_their_name);

/// And with a job that waits, a pause and a limit.
async fn whatever_an_operator_does_with_dead_letters_is_written_down_with_their_name(combination: Combination) {
    let app = TestApp::on(combination).start().await;
    app.leaves(&["dead"]);
    let other = app.relais(&["tenant", "create", "Other"]);
    let id = add(&app, &garbled(), &app.tenant).await;
    let theirs = add(&app, &garbled(), other["id"].as_str().unwrap()).await;
    let are_dead = async |dead| {
        app.wait_until("they are dead", async || app.queues().dead == dead)
            .await
    };
    are_dead(2).await;
    app.relais(&["queues", "pause", "default"]);
    let waiting = app.post_event(&Event::new("ana", "m-1", "opened")).await;
    let waiting = waiting.body["job"].as_str().unwrap().to_owned();
    let before = own(&app).len();

    let by_ann = |arguments: &[&str]| app.relais(&[arguments, &["--by", "ann"]].concat());
    by_ann(&["dead", "show", &id]);
    assert_eq!(own(&app).len(), before, "what is masked is nobody's secret");
    by_ann(&["dead", "show", &id, "--reveal"]);
    by_ann(&["jobs", "show", &theirs, "--reveal"]);
    by_ann(&["jobs", "cancel", &waiting]);
    for nothing_to_cancel in [&waiting, &id] {
        let cancelled = ["jobs", "cancel", nothing_to_cancel, "--by", "ann"];
        assert_eq!(app.refused(&cancelled).0, Some(1), "it has ended, or is dead");
    }
    by_ann(&["queues", "resume", "default"]);
    let exported = app.relais_words(&["dead", "export", "--by", "ann"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), exported).unwrap();
    by_ann(&["dead", "retry", &id]);
    are_dead(2).await;
    let payload = concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/fixtures/record_email_event/1.json");
    by_ann(&["dead", "edit", &id, "--payload", payload]);
    by_ann(&["dead", "delete", &theirs]);
    by_ann(&["dead", "delete", "--kind", "record_email_event", "--yes", "--wait"]);
    by_ann(&["dead", "import", file.path().to_str().unwrap()]);
    by_ann(&["pause", "kind", "send_sms"]);
    by_ann(&["resume", "kind", "send_sms"]);
    by_ann(&["limits", "set", "k", "--queue", "bulk", "--concurrency", "5"]);
    by_ann(&["limits", "remove", "k", "--queue", "bulk"]);

    let entries = own(&app);
    let told: Vec<_> = entries[..entries.len() - before]
        .iter()
        .map(|entry| {
            assert_eq!(
                (&entry["actor"], &entry["origin"]),
                (&json!("operator:ann"), &json!("cli"))
            );
            (entry["action"].as_str().unwrap(), entry["target"].as_str())
        })
        .collect();
    let (id, theirs, waiting) = (Some(&*id), Some(&*theirs), Some(&*waiting));
    assert_eq!(
        told,
        [
            ("limit_changed", Some("bulk k")),
            ("limit_changed", Some("bulk k")),
            ("resumed", Some("kind send_sms")),
            ("paused", Some("kind send_sms")),
            ("dead_letters_imported", None),
            ("dead_letters_acted_on", None),
            ("dead_letter_deleted", theirs),
            ("dead_letter_edited", id),
            ("dead_letter_retried", id),
            ("dead_letters_exported", None),
            ("resumed", Some("queue default")),
            ("job_cancelled", waiting),
            ("payload_shown", theirs),
            ("payload_shown", id),
        ]
    );
    let lines = app.relais_words(&["audit", "export"]);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, entries, "all of it, one a line");
}

on_every_combination!(what_a_role_does_not_allow_is_refused_and_written_down_with_where_it_came_from);

async fn what_a_role_does_not_allow_is_refused_and_written_down_with_where_it_came_from(combination: Combination) {
    let app = TestApp::on(combination)
        .workers(0)
        .with("PROXY_HOPS", "1")
        .start()
        .await;
    let key = |role| app.relais(&["key", "create", "--tenant", &app.tenant, "--role", role]);
    let (sales, admin) = (key("sales"), key("admin"));
    let asked = async |key: &Value, method, path, body: Value| {
        let request = app
            .ask_with(method, path)
            .bearer_auth(key["api_key"].as_str().unwrap())
            // What stands before the proxy's own word was said by anybody.
            .header("X-Forwarded-For", "198.51.100.9, 203.0.113.7")
            .json(&body);
        answer(request).await.status
    };
    let (read, write) = ("/v1/audit", "/v1/keys");
    assert_eq!(asked(&sales, Method::GET, read, json!({})).await, StatusCode::FORBIDDEN);
    let of_owner = json!({ "role": "owner" });
    assert_eq!(
        asked(&admin, Method::POST, write, of_owner).await,
        StatusCode::FORBIDDEN,
        "owners' keys are made by owners"
    );
    let refusals = async || {
        let listed = app.ask("/v1/audit?action=permission_refused").await;
        listed["items"].as_array().unwrap().clone()
    };
    app.wait_until("both are written down", async || refusals().await.len() == 2)
        .await;
    let refusals = refusals().await;
    for (key, act) in [(&sales, "read_audit"), (&admin, "write_keys")] {
        let actor = format!("key:{}", key["id"].as_str().unwrap());
        let refusal = refusals.iter().find(|refusal| refusal["actor"] == actor.as_str());
        let refusal = refusal.unwrap_or_else(|| panic!("{actor} in {refusals:?}"));
        assert_eq!(
            (&refusal["origin"], &refusal["after"]),
            (&json!("203.0.113.0/24"), &json!({ "act": act, "times": 1 }))
        );
    }
}
