//! Log lines: a request is found again in the job it became, and nothing in them is personal or secret.

use reqwest::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use crate::app::{Combination, Event, Signed, TestApp, answer, on_every_combination};

const RECIPIENT: &str = "marie.curie@example.com";
const SUBJECT: &str = "Votre rendez-vous du 14 mars";
const URL: &str = "https://clinic.example.com/results/9f8e7d?token=sesame";

/// The line with this sentence and this correlation.
fn line(output: &str, message: &str, correlation: &str) -> Option<Value> {
    let lines = output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .into_iter()
        .find(|line| line["message"] == message && line["correlation"] == correlation)
}

on_every_combination!(a_request_is_followed_by_its_id_and_nothing_personal_is_said);

async fn a_request_is_followed_by_its_id_and_nothing_personal_is_said(combination: Combination) {
    let app = TestApp::on(combination).with("RUST_LOG", "debug").start().await;
    let event = Event::new("ana", "m-1", "clicked");
    let signed = event
        .with("recipient", RECIPIENT)
        .with("subject", SUBJECT)
        .with("url", URL)
        .sign(&app.secret);
    let correlation = Uuid::new_v4().to_string();
    let accepted = answer(app.request(&signed).header("X-Request-Id", &correlation)).await;
    assert_eq!(
        (accepted.status, accepted.headers["x-request-id"].to_str().unwrap()),
        (StatusCode::ACCEPTED, &*correlation)
    );
    app.wait_until("the click is worth 8", async || app.lead_score("ana").await == Some(8))
        .await;

    // Refusals have more to say, and so more to keep to themselves.
    let wrong = Signed::new("not the secret", 0, &*signed.body);
    let stale = Signed::new(&app.secret, 0, &*signed.body);
    let unreadable = Signed::new(
        &app.secret,
        chrono::Utc::now().timestamp(),
        format!(r#"{{"event":"{RECIPIENT}"}}"#),
    );
    for refused in [&wrong, &stale, &unreadable] {
        assert!(app.post(refused).await.status.is_client_error());
    }
    let stranger = "rl_key_of_a_stranger";
    assert_eq!(
        app.get_as(stranger, "/v1/messages").await.status,
        StatusCode::UNAUTHORIZED
    );

    app.web().wait_for_nth("Webhook refused.", 3).await;
    app.worker(0).wait_for("E-mail event recorded.").await;
    let taken = line(&app.web().output(), "Webhook accepted.", &correlation).expect("intake says what it took");
    let done =
        line(&app.worker(0).output(), "E-mail event recorded.", &correlation).expect("the handler says what it did");
    assert_eq!(
        (&taken["job.id"], &done["job.id"]),
        (&accepted.body["job"], &accepted.body["job"])
    );
    assert_eq!(
        (&done["job.kind"], &done["attempt"]),
        (&"record_email_event".into(), &1.into())
    );

    let secrets = [
        ("the recipient", RECIPIENT),
        ("a part of the recipient", "marie.curie"),
        ("the subject", SUBJECT),
        ("the link", URL),
        ("what the link gives away", "sesame"),
        ("the secret", &app.secret),
        ("the API key", &app.api_key),
        ("a stranger's key", stranger),
        ("a signature", &signed.signature),
        ("a wrong signature", &wrong.signature),
        ("a stale signature", &stale.signature),
    ];
    for (process, output) in [("web", app.web().output()), ("worker", app.worker(0).output())] {
        for line in output.lines() {
            for (what, secret) in secrets {
                assert!(!line.contains(secret), "{process} says {what}: {line}");
            }
        }
    }
}
