//! What is refused, how the sender is told, and that it leaves nothing behind.

use chrono::Utc;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;
use uuid::Uuid;

use crate::app::{Answer, Combination, Event, Jobs, Signed, TestApp, answer, on_every_combination};

/// Beyond the five minutes either way.
const TOO_FAR_SECONDS: i64 = 301;
const TWO_MIB: usize = 2 * 1024 * 1024;

/// A refusal is a problem document with all its fields, and its status says the same twice.
fn check(name: &str, refused: &Answer, status: u16, code: &str, detail: &str) {
    assert_eq!(refused.status.as_u16(), status, "{name}: {refused:?}");
    assert_eq!(refused.headers["content-type"], "application/problem+json", "{name}");
    assert_eq!(
        (&refused.body["status"], &refused.body["code"]),
        (&json!(status), &json!(code)),
        "{name}"
    );
    assert_eq!(refused.body["type"], format!("urn:relais:problem:{code}"), "{name}");
    assert!(
        refused.body["title"].as_str().is_some_and(|title| !title.is_empty()),
        "{name}"
    );
    let told = refused.body["detail"].as_str().unwrap();
    assert!(told.contains(detail), "{name}: {told}");
}

on_every_combination!(a_refused_webhook_says_why_and_leaves_no_job_and_no_row);

async fn a_refused_webhook_says_why_and_leaves_no_job_and_no_row(combination: Combination) {
    let app = TestApp::on(combination).start().await;
    let now = Utc::now().timestamp();
    let good = Event::new("ana", "m-1", "opened").sign(&app.secret);
    let signed_at = |timestamp: i64| Signed::new(&app.secret, timestamp, &*good.body);
    let signed = |body: &str| app.request(&Signed::new(&app.secret, now, body));

    let cases: Vec<(&str, RequestBuilder, u16, &str, &str)> = vec![
        (
            "another secret",
            app.request(&Signed::new("wrong", now, &*good.body)),
            403,
            "signature_invalid",
            "signature",
        ),
        (
            "another body",
            app.request(&Signed {
                body: "{}".into(),
                ..good.clone()
            }),
            403,
            "signature_invalid",
            "",
        ),
        (
            "no hex",
            app.request(&Signed {
                signature: "x".repeat(64),
                ..good.clone()
            }),
            403,
            "signature_invalid",
            "hex",
        ),
        (
            "no headers",
            without_headers(&app, &good),
            403,
            "signature_invalid",
            "X-Signature is missing",
        ),
        (
            "stale",
            app.request(&signed_at(now - TOO_FAR_SECONDS)),
            400,
            "timestamp_stale",
            "old",
        ),
        // A moment passes until it is looked at, which brings the future nearer.
        (
            "ahead",
            app.request(&signed_at(now + 2 * TOO_FAR_SECONDS)),
            400,
            "timestamp_stale",
            "ahead",
        ),
        (
            "unknown endpoint",
            to(&app, "email", &Uuid::from_u128(7).to_string(), &good),
            404,
            "endpoint_unknown",
            "",
        ),
        (
            "no id",
            to(&app, "email", "not-an-id", &good),
            404,
            "endpoint_unknown",
            "",
        ),
        (
            "another provider",
            to(&app, "twilio", &app.endpoint, &good),
            404,
            "endpoint_unknown",
            "",
        ),
        ("2 MiB", signed(&"x".repeat(TWO_MIB)), 413, "body_too_large", "1048576"),
        (
            "a form",
            of_type(&app, &good, "application/x-www-form-urlencoded"),
            415,
            "content_type_unsupported",
            "json",
        ),
        ("no JSON", signed("nonsense"), 422, "unreadable", "body"),
        ("a list", signed("[]"), 422, "unreadable", "body"),
        (
            "no event",
            signed(r#"{"provider":"p","external_id":"m"}"#),
            422,
            "unreadable",
            "event",
        ),
        (
            "unknown event",
            signed(r#"{"provider":"p","external_id":"m","event":"eaten"}"#),
            422,
            "unreadable",
            "event",
        ),
        (
            "a number",
            signed(r#"{"provider":"p","external_id":{},"event":"sent"}"#),
            422,
            "unreadable",
            "external_id",
        ),
        (
            "two owners",
            signed(r#"{"provider":"p","external_id":"m","event":"sent","person_id":"a","organisation_id":"b"}"#),
            422,
            "unreadable",
            "organisation_id",
        ),
        (
            "another method",
            app.ask_with(Method::GET, &app.webhook()),
            405,
            "method_not_allowed",
            "",
        ),
        (
            "another method of the API",
            app.ask_with(Method::DELETE, "/v1/leads/hot"),
            405,
            "method_not_allowed",
            "",
        ),
        ("nowhere", app.ask_with(Method::GET, "/nowhere"), 404, "not_found", ""),
        (
            "no text in the path",
            app.ask_with(Method::POST, "/webhooks/sendgrid/%ff"),
            404,
            "not_found",
            "UTF-8",
        ),
    ];
    for (name, request, status, code, detail) in cases {
        check(name, &answer(request).await, status, code, detail);
    }

    assert_eq!(app.queues(), Jobs::default());
    for path in ["/v1/messages", "/v1/leads/hot?min_score=0"] {
        assert_eq!(app.ask(path).await["items"], json!([]), "{path}");
    }
    // Counters arrive once a second, in order: when the good one's is there, any of the refused ones' would be too.
    app.post(&good).await;
    app.wait_until("the good one is counted", async || app.counted("added").await > 0)
        .await;
    assert_eq!(app.counted("added").await, 1);
    app.wait_until("the good one is done", async || app.lead_score("ana").await == Some(3))
        .await;
}

on_every_combination!(whoever_has_no_valid_key_learns_nothing);

async fn whoever_has_no_valid_key_learns_nothing(combination: Combination) {
    let app = TestApp::on(combination).workers(0).start().await;
    let key = app.relais(&["key", "create", "--tenant", &app.tenant]);
    assert_eq!(
        app.get_as(key["api_key"].as_str().unwrap(), "/v1/messages")
            .await
            .status,
        StatusCode::OK
    );
    app.relais(&["key", "revoke", key["id"].as_str().unwrap()]);
    check(
        "no key",
        &app.get("/v1/messages").await,
        401,
        "unauthenticated",
        "Bearer",
    );
    for key in ["nonsense", key["api_key"].as_str().unwrap()] {
        check(
            "revoked or made up",
            &app.get_as(key, "/v1/messages").await,
            401,
            "unauthenticated",
            "",
        );
    }
    for (path, name) in [
        ("/v1/messages?external_id=m", "external_id"),
        ("/v1/leads/hot?limit=0", "limit"),
    ] {
        check(
            path,
            &app.get_as(&app.api_key, path).await,
            422,
            "parameter_invalid",
            name,
        );
    }
    check(
        "no id",
        &app.get_as(&app.api_key, "/v1/messages/none").await,
        404,
        "not_found",
        "",
    );
}

fn to(app: &TestApp, provider: &str, endpoint: &str, signed: &Signed) -> RequestBuilder {
    app.request_to(&format!("/webhooks/{provider}/{endpoint}"), signed)
}

fn of_type(app: &TestApp, signed: &Signed, content_type: &str) -> RequestBuilder {
    let request = app
        .ask_with(Method::POST, &app.webhook())
        .header("Content-Type", content_type);
    let request = request
        .header("X-Timestamp", &signed.timestamp)
        .header("X-Signature", &signed.signature);
    request.body(signed.body.clone())
}

fn without_headers(app: &TestApp, signed: &Signed) -> RequestBuilder {
    app.ask_with(Method::POST, &app.webhook()).body(signed.body.clone())
}
