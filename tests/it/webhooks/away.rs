//! While the queue is away, every provider is asked to try again, and nothing of what it then sends again is lost.

use axum::http::StatusCode;

use super::raw::Raw;
use super::sign::{self, SendGrid};
use crate::app::{Combination, Part, TestApp};

const STANDARD_SECRET: &str = "whsec_b2xkIG9sZCBvbGQgb2xkIG9sZCBvbGQ=";
const FORM: &str = "CallSid=CA1&CallStatus=ringing&From=%2B12025550143&To=%2B15005550006";
const GREEN: &str = r#"{"typeWebhook":"deviceInfo","instanceData":{"idInstance":1101000001},"timestamp":1772446960}"#;
const VAPI: &str = r#"{"message":{"type":"assistant-request","timestamp":1772447468000,"call":{"id":"c"}}}"#;
const CONTACT: &str = r#"{"type":"contact.created","created_at":"2026-03-02T10:00:00Z","data":{"id":"c"}}"#;
const STATE: &str =
    r#"[{"timestamp":1772446845,"event":"account_status_change","sg_event_id":"e-1","type":"reactivate"}]"#;

/// One request of each provider, to an endpoint of its own.
fn one_of_each(app: &TestApp) -> Vec<(&'static str, Raw)> {
    let signer = SendGrid::new();
    let target = |provider: &str, secret: &str| {
        let create = [
            "endpoint",
            "create",
            "--tenant",
            &app.tenant,
            "--provider",
            provider,
            "--secret",
            secret,
        ];
        format!("/webhooks/{provider}/{}", app.relais(&create)["id"].as_str().unwrap())
    };
    let twilio = target("twilio", "t");
    let url = format!("{}{twilio}", app.public_url());
    vec![
        (
            "sendgrid",
            signer.post(&target("sendgrid", &signer.verification_key()), STATE),
        ),
        (
            "resend",
            sign::standard(
                "svix",
                &target("resend", STANDARD_SECRET),
                STANDARD_SECRET,
                "msg_1",
                CONTACT,
            ),
        ),
        (
            "standard",
            sign::standard(
                "webhook",
                &target("standard", STANDARD_SECRET),
                STANDARD_SECRET,
                "msg_1",
                "{}",
            ),
        ),
        ("twilio", sign::twilio(&twilio, &url, "t", FORM)),
        (
            "green_api",
            sign::shown(&target("green_api", "t"), "Authorization", "Bearer t", GREEN),
        ),
        ("vapi", sign::shown(&target("vapi", "t"), "X-Vapi-Secret", "t", VAPI)),
    ]
}

#[tokio::test]
async fn without_the_queue_every_provider_is_asked_to_try_again() {
    let app = TestApp::on(Combination::PostgresAndRedis)
        .behind_a_wire(Part::Queue)
        .start()
        .await;
    let requests = one_of_each(&app);
    app.wire().cut();
    for (provider, request) in &requests {
        let reply = request.send(app.address()).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{provider}: {reply:?}");
        assert_eq!(reply.json()["code"], "queue_unavailable", "{provider}");
        assert!(reply.header("retry-after").is_some(), "{provider}: {reply:?}");
    }
    app.wire().restore();
    for (provider, request) in &requests {
        app.wait_until(provider, async || request.send(app.address()).await.status.is_success())
            .await;
    }
    app.wait_until_idle().await;
}
