//! What events mean, and what makes each of them itself.

use std::collections::BTreeMap;

use domain::EmailEvent;
use providers::event::{Channel, DeliveryStatus};
use providers::{Event, News, Provider};

use crate::{Expect, RECORDED, events};

fn identities(provider: Provider, name: &str) -> Vec<String> {
    events(provider, name).into_iter().map(|event| event.identity).collect()
}

fn check_same(provider: Provider, one: &str, other: &str) {
    assert_eq!(
        identities(provider, one),
        identities(provider, other),
        "{provider:?}: {one} and {other}"
    );
}

#[test]
fn an_event_that_is_delivered_again_keeps_its_identity() {
    check_same(Provider::SendGrid, "events_delivery", "second_key");
    check_same(
        Provider::StandardWebhooks,
        "signed_example",
        "signed_example_second_attempt",
    );
    check_same(Provider::StandardWebhooks, "signed_example", "svix_names");
    check_same(Provider::Resend, "signed_example", "second_attempt");
    check_same(Provider::Twilio, "sms_inbound_sms", "signed_example_form");
    check_same(Provider::Twilio, "sms_inbound_sms", "get");
    check_same(Provider::Twilio, "signed_example_json", "json_port");
    check_same(Provider::GreenApi, "incoming_text", "plain");
    check_same(Provider::Vapi, "status_update_ended", "bearer");
    check_same(Provider::Vapi, "end_of_call_report", "end_of_call_report_legacy");
}

#[test]
fn an_event_keeps_its_identity_in_another_batch() {
    let [processed, _, delivered] = &identities(Provider::SendGrid, "events_delivery")[..] else {
        panic!("three events");
    };
    let again = identities(Provider::SendGrid, "events_duplicate_and_out_of_order");
    assert_eq!(again[..3], [delivered.clone(), processed.clone(), delivered.clone()]);
}

#[test]
fn different_events_have_different_identities() {
    let mut seen: BTreeMap<String, Event> = BTreeMap::new();
    for event in RECORDED.iter().filter_map(|request| request.outcome().ok()).flatten() {
        let earlier = seen.entry(event.identity.clone()).or_insert_with(|| event.clone());
        assert_eq!((earlier.provider, &earlier.kind), (event.provider, &event.kind));
    }
    for request in RECORDED.iter().filter(|request| request.expect == Expect::Accepted) {
        for event in request.outcome().unwrap() {
            assert_eq!(event.identity.len(), 32);
            assert!(event.identity.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
    }
    // Every file of these is an event of its own.
    for (provider, prefix) in [
        (Provider::Twilio, "whatsapp_"),
        (Provider::Twilio, "voice_"),
        (Provider::GreenApi, "st"),
        (Provider::Vapi, "status_"),
    ] {
        let requests = RECORDED.iter().filter(|request| {
            request.provider == provider
                && request.expect == Expect::Accepted
                && request.file.is_some()
                && request.name.starts_with(prefix)
        });
        let names: Vec<_> = requests.map(|request| request.name.as_str()).collect();
        let mut identities: Vec<_> = names.iter().flat_map(|name| identities(provider, name)).collect();
        identities.sort_unstable();
        identities.dedup();
        assert_eq!(identities.len(), names.len(), "{provider:?} {prefix}");
    }
}

#[test]
fn e_mail_statistics_count_what_they_know_and_nothing_else() {
    let kinds = |name| -> Vec<_> {
        let events = events(Provider::SendGrid, name);
        events
            .iter()
            .filter_map(Event::email_record)
            .map(|record| record.kind)
            .collect()
    };
    assert_eq!(kinds("events_delivery"), [EmailEvent::Sent, EmailEvent::Delivered]);
    assert_eq!(
        kinds("events_bounce_and_engagement"),
        [
            EmailEvent::Bounced,
            EmailEvent::Bounced,
            EmailEvent::Opened,
            EmailEvent::Opened,
            EmailEvent::Clicked,
            EmailEvent::Complained,
            EmailEvent::Unsubscribed,
            EmailEvent::Unsubscribed,
        ]
    );
    // A late bounce without the message's id belongs to no message that we know.
    assert!(kinds("events_async_bounce").is_empty());
    assert!(kinds("events_account_status_change").is_empty());
    for name in ["sms_status_delivered", "whatsapp_status_read"] {
        assert_eq!(events(Provider::Twilio, name)[0].email_record(), None, "{name}");
    }
    let record = events(Provider::Resend, "webhook_email.clicked")[0]
        .email_record()
        .unwrap();
    assert_eq!((record.provider.as_str(), record.kind), ("resend", EmailEvent::Clicked));
    assert_eq!(record.external_id, "2bd84cbe-230a-4a45-a961-42e6f394d88c");
    assert_eq!(record.recipient.unwrap().expose(), "ana@example.com");
}

#[test]
fn what_sendgrid_calls_a_message_is_what_sending_answered() {
    for event in events(Provider::SendGrid, "events_delivery") {
        let News::Report(report) = event.news else {
            panic!("{event:?}");
        };
        assert_eq!(report.external_id.as_deref(), Some("Fx1uRe2sNdGr3idMsg4Id0"));
        let names: Vec<_> = report.tags.keys().map(String::as_str).collect();
        assert_eq!(names, ["env", "message_id", "tenant_id"]);
    }
}

#[test]
fn a_message_by_whatsapp_carries_its_number_without_prefix() {
    let News::Inbound(message) = &events(Provider::Twilio, "whatsapp_inbound_button_reply")[0].news else {
        panic!("no message");
    };
    assert_eq!(message.channel, Channel::Whatsapp);
    assert_eq!(message.from.expose(), "+12025550143");
    assert_eq!(message.to.as_ref().unwrap().expose(), "+15005550006");
    let button = message.button.as_ref().unwrap();
    assert_eq!(button.payload.as_ref().unwrap().expose(), "confirm_1001");
    assert_eq!(button.label.as_ref().unwrap().expose(), "Confirm");

    let News::Inbound(message) = &events(Provider::GreenApi, "incoming_button_reply")[0].news else {
        panic!("no message");
    };
    assert_eq!(message.from.expose(), "+12025550143");
    assert_eq!(
        message.button.as_ref().unwrap().payload.as_ref().unwrap().expose(),
        "confirm_1001"
    );
    assert_eq!(message.text.as_ref().unwrap().expose(), "Confirm");
}

#[test]
fn text_and_media_come_out_as_they_were_written() {
    let News::Inbound(message) = &events(Provider::Twilio, "sms_inbound_sms_unicode")[0].news else {
        panic!("no message");
    };
    assert_eq!(
        message.text.as_ref().unwrap().expose(),
        "Olá 👋\nsegunda linha & \"aspas\" + 100%"
    );
    let News::Inbound(message) = &events(Provider::Twilio, "sms_inbound_mms")[0].news else {
        panic!("no message");
    };
    assert_eq!(message.text, None);
    let types: Vec<_> = message
        .media
        .iter()
        .map(|media| media.content_type.as_deref().unwrap())
        .collect();
    assert_eq!(types, ["image/jpeg", "application/pdf"]);
}

#[test]
fn echoes_and_reactions_are_not_taken_for_messages() {
    for name in ["outgoing_api_message", "outgoing_phone_message", "incoming_reaction"] {
        assert_eq!(events(Provider::GreenApi, name)[0].news, News::Other, "{name}");
    }
    let News::Inbound(message) = &events(Provider::GreenApi, "stand_in_text")[0].news else {
        panic!("no message");
    };
    assert_eq!(message.text, None, "a stand-in is not the customer's text");
}

#[test]
fn what_waits_for_an_answer_is_told_from_what_only_tells() {
    let is_question = |provider, name| matches!(events(provider, name)[0].news, News::Question(_));
    for name in [
        "voice_inbound_call",
        "voice_inbound_call_anonymous",
        "voice_dial_action_completed",
        "voice_dial_action_no_answer",
    ] {
        assert!(is_question(Provider::Twilio, name), "{name}");
    }
    for name in [
        "voice_leg_status_0_initiated",
        "voice_leg_status_3_completed",
        "voice_parent_status_completed",
    ] {
        assert!(!is_question(Provider::Twilio, name), "{name}");
    }
    assert!(is_question(Provider::Vapi, "assistant_request"));
    assert!(!is_question(Provider::Vapi, "end_of_call_report"));
}

#[test]
fn a_report_alone_is_enough_to_close_a_call() {
    let News::Call(call) = &events(Provider::Vapi, "end_of_call_report")[0].news else {
        panic!("no call");
    };
    assert_eq!(call.status.as_deref(), Some("ended"));
    assert_eq!(call.ended_reason.as_deref(), Some("customer-ended-call"));
    assert_eq!(call.duration_seconds, Some(63));
    assert_eq!(call.cost_usd, Some(0.0905));
    assert!(call.transcript.is_some() && call.summary.is_some() && call.recording_url.is_some());
    let News::Call(call) = &events(Provider::Vapi, "end_of_call_report_failed")[0].news else {
        panic!("no call");
    };
    assert_eq!((call.started_at, call.duration_seconds), (None, None));
    assert_eq!(call.ended_reason.as_deref(), Some("customer-did-not-answer"));
}

#[test]
fn no_credential_leaves_with_a_call() {
    for request in RECORDED.iter().filter(|request| request.provider == Provider::Vapi) {
        for event in request.outcome().ok().into_iter().flatten() {
            let json = serde_json::to_string(&event).unwrap();
            for secret in [
                "must-not-be-stored",
                "AC6ae32eaeb19b4d6974b27e9e2e7fc789",
                "listen.example.com",
                "control.example.com",
            ] {
                assert!(!json.contains(secret), "{}", request.name);
            }
        }
    }
}

#[test]
fn failures_say_why_in_a_code() {
    let check = |provider, name, status, code: Option<&str>| {
        let News::Report(report) = &events(provider, name)[0].news else {
            panic!("{name}: no report");
        };
        assert_eq!((report.status, report.error_code.as_deref()), (status, code), "{name}");
    };
    check(
        Provider::Twilio,
        "sms_status_undelivered_30003",
        DeliveryStatus::Undelivered,
        Some("30003"),
    );
    check(
        Provider::Twilio,
        "whatsapp_status_failed_63016",
        DeliveryStatus::Failed,
        Some("63016"),
    );
    check(
        Provider::Twilio,
        "sms_status_delivered",
        DeliveryStatus::Delivered,
        None,
    );
    check(
        Provider::SendGrid,
        "events_async_bounce",
        DeliveryStatus::Bounced,
        Some("5.4.7"),
    );
    check(
        Provider::Resend,
        "webhook_email.bounced_transient",
        DeliveryStatus::Bounced,
        Some("MailboxFull"),
    );
    check(
        Provider::Resend,
        "webhook_email.suppressed",
        DeliveryStatus::Dropped,
        Some("previous_bounce"),
    );
    check(
        Provider::GreenApi,
        "status_noAccount",
        DeliveryStatus::Failed,
        Some("noAccount"),
    );
}
