//! Every sender is answered as it needs it.

use axum::http::StatusCode;
use relais::intake::poster::Poster;
use serde_json::{Value, json};

use super::raw::{Raw, Reply};
use super::recorded::recorded;
use super::served::Served;
use super::sign;

const PUBLIC_URL: &str = "https://hooks.example.com";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const TWO_MIB: usize = 2 * 1024 * 1024;

/// What the recorded request of this name is answered.
async fn reply(served: &Served, provider: &str, name: &str) -> Reply {
    let request = recorded(provider, name).to(served).await;
    served.send(&request).await
}

fn check(name: &str, reply: &Reply, status: StatusCode, content_type: Option<&str>) {
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (status, content_type),
        "{name}: {reply:?}"
    );
    assert!(reply.header("x-request-id").is_some(), "{name}: {reply:?}");
}

fn check_job(name: &str, reply: &Reply, status: StatusCode) {
    check(name, reply, status, Some("application/json"));
    let body = reply.json();
    let id = body["job"].as_str().map(str::parse::<uuid::Uuid>);
    assert!(id.is_some_and(|id| id.is_ok()), "{name}: {body}");
    assert_eq!(body["duplicate"], false, "{name}");
}

#[tokio::test]
async fn most_are_told_the_job() {
    let served = Served::at(PUBLIC_URL).await;
    for (provider, name) in [
        ("sendgrid", "events_delivery"),
        ("resend", "webhook_email.delivered"),
        ("resend", "webhook_contact.created"),
        ("standard_webhooks", "signed_example"),
        ("vapi", "status_update_ended"),
        ("vapi", "end_of_call_report"),
        ("vapi", "transcript"),
        ("vapi", "unknown_type"),
    ] {
        check_job(name, &reply(&served, provider, name).await, StatusCode::ACCEPTED);
    }
}

#[tokio::test]
async fn green_api_is_answered_with_200_whatever_it_tells() {
    let served = Served::at(PUBLIC_URL).await;
    for name in [
        "incoming_text",
        "incoming_unknown_type",
        "status_read",
        "state_blocked",
        "incoming_call",
    ] {
        check_job(name, &reply(&served, "green_api", name).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn twilio_gets_twiml_that_does_nothing_and_nothing_at_all_for_a_status() {
    let served = Served::at(PUBLIC_URL).await;
    for name in [
        "sms_inbound_sms",
        "whatsapp_inbound_button_reply",
        "voice_inbound_call",
        "voice_inbound_call_anonymous",
        "voice_dial_action_completed",
        "get",
        "unknown_parameters",
        "status_of_the_future",
        "signed_example_json",
    ] {
        let reply = reply(&served, "twilio", name).await;
        check(name, &reply, StatusCode::OK, Some("text/xml"));
        assert_eq!(
            reply.body, r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#,
            "{name}"
        );
        assert!(reply.job().0.is_some(), "{name}: {reply:?}");
    }
    for name in [
        "sms_status_delivered",
        "whatsapp_status_read",
        "voice_leg_status_1_ringing",
    ] {
        let reply = reply(&served, "twilio", name).await;
        check(name, &reply, StatusCode::NO_CONTENT, None);
        assert_eq!(reply.body, "", "{name}");
        assert!(reply.job().0.is_some(), "{name}: {reply:?}");
    }
}

#[tokio::test]
async fn twilio_gets_an_answer_to_stop_unless_it_gives_one_itself() {
    let served = Served::at(PUBLIC_URL).await;
    for (name, is_answered) in [("sms_inbound_stop_plain", true), ("sms_inbound_stop_optout", false)] {
        let reply = reply(&served, "twilio", name).await;
        check(name, &reply, StatusCode::OK, Some("text/xml"));
        let message = "<Response><Message>Acme: you are unsubscribed";
        assert_eq!(reply.body.contains(message), is_answered, "{name}: {reply:?}");
        assert_eq!(reply.body.ends_with("<Response/>"), !is_answered, "{name}: {reply:?}");
        assert!(reply.job().0.is_some(), "{name}: {reply:?}");
    }
}

#[tokio::test]
async fn vapi_gets_an_answer_to_its_questions() {
    let served = Served::at(PUBLIC_URL).await;
    let first = reply(&served, "vapi", "assistant_request").await;
    check("assistant_request", &first, StatusCode::OK, Some("application/json"));
    assert!(first.json()["error"].is_string(), "{first:?}");
    assert!(first.job().0.is_some(), "{first:?}");

    let id = served.endpoint(Poster::Vapi, &["s".into()]).await;
    let ask = async |message: Value| {
        let body = json!({ "message": message }).to_string();
        let request = sign::shown(&format!("/webhooks/vapi/{id}"), "X-Vapi-Secret", "s", &body);
        served.send(&request).await
    };
    let called = json!([{ "id": "call_1", "function": { "name": "book" } }]);
    let tools = ask(json!({ "type": "tool-calls", "toolCallList": called, "call": { "id": "c" } })).await;
    check("tool-calls", &tools, StatusCode::OK, Some("application/json"));
    assert_eq!(tools.json()["results"][0]["toolCallId"], "call_1", "{tools:?}");
    let voice = ask(json!({ "type": "voice-request", "text": "Hello" })).await;
    check(
        "voice-request",
        &voice,
        StatusCode::OK,
        Some("application/octet-stream"),
    );
    assert_eq!(voice.body, "");
}

/// The requests of each provider, rightly signed, but for what the caller changes.
async fn one_of_each(served: &Served) -> Vec<(&'static str, Raw)> {
    let mut all = Vec::new();
    for (provider, name) in [
        ("sendgrid", "events_delivery"),
        ("resend", "webhook_email.delivered"),
        ("standard_webhooks", "signed_example"),
        ("twilio", "sms_inbound_sms"),
        ("green_api", "incoming_text"),
        ("vapi", "status_update_ended"),
    ] {
        all.push((provider, recorded(provider, name).to(served).await));
    }
    all
}

#[tokio::test]
async fn what_is_not_taken_is_refused_alike_for_all() {
    let served = Served::at(PUBLIC_URL).await;
    for (provider, request) in one_of_each(&served).await {
        let refused = async |change: &dyn Fn(&mut Raw), status: u16, code: &str| {
            let mut changed = request.clone();
            change(&mut changed);
            let reply = served.send(&changed).await;
            let what = format!("{provider}: {reply:?}");
            assert_eq!(reply.status.as_u16(), status, "{what}");
            assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{what}");
            let body = reply.json();
            assert_eq!(
                (&body["status"], &body["code"]),
                (&json!(status), &json!(code)),
                "{what}"
            );
            reply
        };
        let text = |request: &mut Raw| {
            request.headers.iter_mut().for_each(|(name, value)| {
                if name.eq_ignore_ascii_case("content-type") {
                    *value = "text/plain".into();
                }
            })
        };
        refused(&text, 415, "content_type_unsupported").await;
        refused(&|request| request.body = vec![b'x'; TWO_MIB], 413, "body_too_large").await;
        refused(&|request| request.headers.clear(), 403, "signature_invalid").await;
        let unknown = uuid::Uuid::from_u128(7).to_string();
        let elsewhere = |request: &mut Raw| request.target = format!("/webhooks/{provider}/{unknown}");
        refused(&elsewhere, 404, "endpoint_unknown").await;
        let of_another = |request: &mut Raw| request.target = request.target.replace(provider, "email");
        refused(&of_another, 404, "endpoint_unknown").await;
        let of_nobody = |request: &mut Raw| request.target = request.target.replace(provider, "pigeon");
        refused(&of_nobody, 404, "endpoint_unknown").await;
        if provider != "twilio" {
            let reply = refused(&|request| request.method = "GET".into(), 405, "method_not_allowed").await;
            assert_eq!(reply.header("allow"), Some("POST"), "{provider}");
        }
    }
}

#[tokio::test]
async fn standard_webhooks_come_to_either_name() {
    let served = Served::at(PUBLIC_URL).await;
    let request = recorded("standard_webhooks", "signed_example").to(&served).await;
    let mut short = request.clone();
    short.target = short.target.replace("standard_webhooks", "standard");
    let (first, second) = (served.send(&request).await, served.send(&short).await);
    assert_eq!(first.status, StatusCode::ACCEPTED);
    assert_eq!(second.job(), (first.job().0, true));
}

#[tokio::test]
async fn more_events_than_any_provider_sends_at_once_are_refused() {
    let served = Served::at(PUBLIC_URL).await;
    let sender = sign::SendGrid::new();
    let id = served
        .endpoint(Poster::SendGrid, &[sender.verification_key().into()])
        .await;
    let target = format!("/webhooks/sendgrid/{id}");
    let events = |count: usize| {
        json!(
            (0..count)
                .map(|n| json!({ "sg_event_id": n.to_string() }))
                .collect::<Vec<_>>()
        )
    };
    let many = sender.post(&target, &events(10_001).to_string());
    assert_eq!(served.send(&many).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let few = sender.post(&target, &events(3_000).to_string());
    let reply = served.send(&few).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
    assert_eq!(served.send(&few).await.job(), (reply.job().0, true));
}

#[tokio::test]
async fn a_twilio_account_that_is_not_the_endpoints_is_refused() {
    let served = Served::at(PUBLIC_URL).await;
    let form = |sid: &str| format!("AccountSid={sid}&MessageSid=SM1&MessageStatus=sent&To=%2B12025550143");
    let (ours, other) = (format!("AC{TOKEN}"), format!("AC{}", TOKEN.replace('0', "1")));
    let stored = format!(r#"{{"secret":"{TOKEN}","account":"{ours}"}}"#);
    let id = served.endpoint(Poster::Twilio, &[stored.into()]).await;
    let target = format!("/webhooks/twilio/{id}");
    let url = format!("{PUBLIC_URL}{target}");
    for (sid, status) in [(ours, StatusCode::NO_CONTENT), (other, StatusCode::FORBIDDEN)] {
        let request = sign::twilio(&target, &url, TOKEN, &form(&sid));
        assert_eq!(served.send(&request).await.status, status, "{sid}");
    }
}
