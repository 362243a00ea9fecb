//! Endpoints of every provider, made, changed and listed on the command line, and used over HTTP.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::raw::Raw;
use super::sign;
use crate::app::{Combination, TestApp, on_every_combination};

const FORM: &str = "CallSid=CA1&CallStatus=completed&From=%2B12025550143";
const GREEN: &str = r#"{"typeWebhook":"deviceInfo","instanceData":{"idInstance":1101000001},"timestamp":1772446960}"#;
const VAPI: &str = r#"{"message":{"type":"hang","timestamp":1772447468000,"call":{"id":"c"}}}"#;
const CONTACT: &str = r#"{"type":"contact.created","created_at":"2026-03-02T10:00:00Z","data":{"id":"c"}}"#;

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The path of a printed URL.
fn path(made: &Value) -> String {
    let url: url::Url = text(&made["url"]).parse().unwrap();
    url.path().to_owned()
}

/// Makes an endpoint of this provider.
fn create(app: &TestApp, provider: &str, arguments: &[&str]) -> Value {
    let create = ["endpoint", "create", "--tenant", &app.tenant, "--provider", provider];
    app.relais(&[&create, arguments].concat())
}

async fn status(app: &TestApp, request: &Raw) -> StatusCode {
    request.send(app.address()).await.status
}

/// A request of this provider with this secret, now, which says nothing that matters.
fn signed(app: &TestApp, provider: &str, target: &str, secret: &str) -> Raw {
    match provider {
        "standard" | "standard_webhooks" => sign::standard("webhook", target, secret, "msg_1", "{}"),
        "resend" => sign::standard("svix", target, secret, "msg_1", CONTACT),
        "twilio" => sign::twilio(target, &format!("{}{target}", app.public_url()), secret, FORM),
        "green_api" => sign::shown(target, "Authorization", &format!("Bearer {secret}"), GREEN),
        "vapi" => sign::shown(target, "X-Vapi-Secret", secret, VAPI),
        other => panic!("{other} signs with more than a secret"),
    }
}

on_every_combination!(two_secrets_are_good_while_one_replaces_the_other);

async fn two_secrets_are_good_while_one_replaces_the_other(combination: Combination) {
    let app = TestApp::on(combination).start().await;
    for (provider, old, new) in [
        (
            "standard",
            "whsec_b2xkIG9sZCBvbGQgb2xkIG9sZCBvbGQ=",
            "whsec_bmV3IG5ldyBuZXcgbmV3IG5ldyBuZXc=",
        ),
        (
            "resend",
            "whsec_b2xkIG9sZCBvbGQgb2xkIG9sZCBvbGQ=",
            "whsec_bmV3IG5ldyBuZXcgbmV3IG5ldyBuZXc=",
        ),
        (
            "twilio",
            "0123456789abcdef0123456789abcdef",
            "fedcba9876543210fedcba9876543210",
        ),
        ("green_api", "old", "new"),
        ("vapi", "old", "new"),
    ] {
        let made = create(&app, provider, &["--secret", old]);
        let id = text(&made["id"]);
        let rotated = app.relais(&["endpoint", "rotate", id, "--secret", new]);
        assert_eq!(
            (&rotated["id"], &rotated["url"], &rotated["secret"]),
            (&made["id"], &made["url"], &json!(new))
        );
        let target = path(&made);
        for secret in [new, old] {
            let status = status(&app, &signed(&app, provider, &target, secret)).await;
            assert!(status.is_success(), "{provider}: {status}");
        }
        let wrong = secret_like(old);
        assert_eq!(
            status(&app, &signed(&app, provider, &target, &wrong)).await,
            StatusCode::FORBIDDEN,
            "{provider}"
        );

        let retired = app.relais(&["endpoint", "retire-previous", id]);
        assert_eq!(retired, json!({ "id": id, "retired": true }), "{provider}");
        let again = app.relais(&["endpoint", "retire-previous", id]);
        assert_eq!(again["retired"], false, "{provider}");
        let old = signed(&app, provider, &target, old);
        app.wait_until("the old secret is refused", async || {
            status(&app, &old).await == StatusCode::FORBIDDEN
        })
        .await;
        assert!(
            status(&app, &signed(&app, provider, &target, new)).await.is_success(),
            "{provider}"
        );
    }
}

/// Another secret of the same form.
fn secret_like(secret: &str) -> String {
    secret
        .replace("b2xk", "b2xj")
        .replace("old", "odd")
        .replace("0123", "3210")
}

#[tokio::test]
async fn a_secret_is_made_where_the_provider_takes_one_and_works_at_once() {
    let app = TestApp::on(Combination::Sqlite).start().await;
    for provider in ["standard", "standard_webhooks", "green_api", "vapi"] {
        let made = create(&app, provider, &[]);
        let request = signed(&app, provider, &path(&made), text(&made["secret"]));
        let status = status(&app, &request).await;
        assert!(status.is_success(), "{provider}: {status} {made}");
    }
    let twilio = create(&app, "twilio", &["--secret", "t"]);
    assert!(text(&twilio["url"]).ends_with("#rc=5&rp=5xx,ct,rt"), "{twilio}");
    let printed = app.relais_words(&["endpoint", "rotate", text(&twilio["id"]), "--secret", "t"]);
    assert!(printed.contains("ends before the `#`"), "{printed}");
    assert!(
        status(&app, &signed(&app, "twilio", &path(&twilio), "t"))
            .await
            .is_success()
    );
}

#[tokio::test]
async fn what_an_endpoint_is_bound_to_stays_when_its_secret_changes() {
    let app = TestApp::on(Combination::Sqlite).start().await;
    let other_instance = GREEN.replace("1101000001", "1101000002");
    let made = create(&app, "green_api", &["--secret", "old", "--account", "1101000001"]);
    app.relais(&["endpoint", "rotate", text(&made["id"]), "--secret", "new"]);
    let target = path(&made);
    for secret in ["old", "new"] {
        let shown = |body| sign::shown(&target, "Authorization", &format!("Bearer {secret}"), body);
        assert_eq!(status(&app, &shown(GREEN)).await, StatusCode::OK, "{secret}");
        assert_eq!(
            status(&app, &shown(&other_instance)).await,
            StatusCode::FORBIDDEN,
            "{secret}"
        );
    }

    let made = create(
        &app,
        "vapi",
        &["--secret", "s", "--vapi-way", "bearer", "--vapi-header", "X-Call"],
    );
    let target = path(&made);
    let shown = |header: &str| sign::shown(&target, header, "s", VAPI);
    assert!(status(&app, &shown("X-Call")).await.is_success());
    assert_eq!(status(&app, &shown("X-Vapi-Secret")).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_secret_that_could_not_work_is_refused_with_the_form_it_should_have() {
    let app = TestApp::on(Combination::Sqlite).workers(0).start().await;
    let create = ["endpoint", "create", "--tenant", &app.tenant, "--provider"];
    for (arguments, told) in [
        (&["sendgrid"][..], "verification key"),
        (&["sendgrid", "--secret", "SG.abcdef"], "verification key"),
        (&["resend"], "whsec_"),
        (&["resend", "--secret", "re_abcdef"], "whsec_"),
        (&["standard", "--secret", "whsk_abcdef"], "whpk_"),
        (&["twilio"], "auth token"),
        (&["twilio", "--secret", ""], "empty"),
        (&["twilio", "--secret", "t", "--account", "SKabcdef"], "SID"),
        (&["twilio", "--secret", "t", "--vapi-way", "secret"], "--vapi"),
        (&["green_api", "--account", "abcdef"], "idInstance"),
        (&["resend", "--secret", "whsec_AAAA", "--account", "1"], "--account"),
        (&["vapi", "--vapi-plan", "abcdef"], "--vapi-plan"),
        (&["vapi", "--vapi-plan", r#"{"payloadFormat":"{timestamp}"}"#], "{body}"),
        (
            &["vapi", "--vapi-way", "secret", "--vapi-header", "X-A"],
            "--vapi-header",
        ),
        (&["pigeon"], "green_api"),
    ] {
        let (status, errors) = app.refused(&[&create, arguments].concat());
        assert_eq!(status, Some(1), "{arguments:?}: {errors}");
        assert!(errors.contains(told), "{arguments:?}: {errors}");
        assert!(!errors.contains("abcdef"), "{arguments:?}: {errors}");
    }
    let nobody = "0195c0de-0000-7000-8000-000000000000";
    for command in ["rotate", "retire-previous"] {
        let (status, errors) = app.refused(&["endpoint", command, nobody]);
        assert_eq!(status, Some(1), "{errors}");
        assert!(errors.contains("endpoint list"), "{errors}");
    }
}

#[tokio::test]
async fn endpoints_are_listed_with_their_addresses_and_without_their_secrets() {
    let app = TestApp::on(Combination::Sqlite).workers(0).start().await;
    let made = create(&app, "twilio", &["--secret", "hidden"]);
    app.relais(&["endpoint", "rotate", text(&made["id"]), "--secret", "hidden-too"]);
    let listed = app.relais(&["endpoint", "list", "--tenant", &app.tenant]);
    let items = listed["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["id"] == made["id"]).unwrap();
    assert_eq!((&item["url"], &item["secrets"]), (&made["url"], &json!(2)));
    assert!(!listed.to_string().contains("hidden"), "{listed}");
}
