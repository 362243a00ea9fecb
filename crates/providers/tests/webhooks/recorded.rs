//! What every recorded request gives.

use std::collections::{BTreeMap, BTreeSet};

use providers::Provider;
use serde_json::{Value, json};

use crate::{Expect, RECORDED, folder};

/// Texts of the recorded requests that must never be shown.
const PERSONAL: [&str; 9] = [
    "ana@",
    "Ana",
    "2025550143",
    "msg_1001",
    "fixture-",
    "whsec_",
    "confirm",
    "14:30",
    "example.com",
];

#[test]
fn every_request_is_taken_or_refused_as_the_manifest_says() {
    let mut faults = Vec::new();
    for request in RECORDED.iter() {
        let outcome = request.outcome();
        if Expect::of(&outcome) != request.expect {
            let (provider, name, about) = (request.provider, &request.name, &request.about);
            faults.push(format!("{provider:?} {name}: {about} {outcome:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_recorded_file_is_in_the_manifest() {
    let named: BTreeSet<_> = RECORDED.iter().filter_map(|request| request.file.clone()).collect();
    let mut found = BTreeSet::new();
    for provider in ["sendgrid", "resend", "standard_webhooks", "twilio", "green_api", "vapi"] {
        let files = folder().join(provider).read_dir().unwrap();
        found.extend(files.map(|file| std::path::Path::new(provider).join(file.unwrap().file_name())));
    }
    assert_eq!(named, found);
}

#[test]
fn requests_parse_to_what_they_always_did() {
    let mut outcomes: BTreeMap<&str, BTreeMap<&str, Value>> = BTreeMap::new();
    for request in RECORDED.iter() {
        let outcome = match request.outcome() {
            Ok(events) => Value::Array(events.iter().map(without_raw).collect()),
            Err(error) => json!({ "refused": error.to_string() }),
        };
        let provider = outcomes.entry(request.provider.as_str()).or_default();
        assert_eq!(
            provider.insert(&request.name, outcome),
            None,
            "{} is there twice",
            request.name
        );
    }
    for (provider, outcomes) in outcomes {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_json_snapshot!(provider, outcomes);
        });
    }
}

/// What was sent lies beside the snapshot already.
fn without_raw(event: &providers::Event) -> Value {
    let mut event = serde_json::to_value(event).unwrap();
    event.as_object_mut().unwrap().remove("raw").unwrap();
    event
}

#[test]
fn nothing_personal_shows_in_debug_or_in_errors() {
    for request in RECORDED.iter() {
        let told = match request.outcome() {
            Ok(events) => format!(
                "{events:?} {:?}",
                events.iter().map(|event| &event.news).collect::<Vec<_>>()
            ),
            Err(error) => format!("{error} {error:?}"),
        };
        let told = format!("{told} {:?}", request.verifier());
        for personal in PERSONAL {
            assert!(
                !told.contains(personal),
                "{:?} {}: {told}",
                request.provider,
                request.name
            );
        }
    }
}

#[test]
fn an_event_comes_out_of_json_as_it_went_in() {
    for event in RECORDED.iter().filter_map(|request| request.outcome().ok()).flatten() {
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<providers::Event>(&json).unwrap(), event);
    }
}

#[test]
fn what_was_sent_is_kept() {
    for request in RECORDED.iter().filter(|request| request.expect == Expect::Accepted) {
        let (events, posted) = (request.outcome().unwrap(), request.posted());
        match (request.provider, events.as_slice()) {
            // Without credentials, so not byte by byte.
            (Provider::Vapi, _) => {}
            (Provider::SendGrid, events) => {
                let sent: Vec<Value> = serde_json::from_slice(&posted.body).unwrap();
                let kept: Vec<Value> = events
                    .iter()
                    .map(|event| serde_json::from_str(event.raw.expose()).unwrap())
                    .collect();
                assert_eq!(kept, sent, "{}", request.name);
            }
            (Provider::Twilio, [event]) if posted.body.is_empty() => {
                assert!(posted.url.ends_with(event.raw.expose()), "{}", request.name);
            }
            // What we sent ourselves is not kept.
            (Provider::GreenApi, [event]) if event.kind == "outgoingAPIMessageReceived" => {
                let mut sent: serde_json::Map<String, Value> = serde_json::from_slice(&posted.body).unwrap();
                assert!(sent.remove("messageData").is_some(), "{}", request.name);
                let kept: Value = serde_json::from_str(event.raw.expose()).unwrap();
                assert_eq!(kept, Value::Object(sent), "{}", request.name);
            }
            (_, [event]) => assert_eq!(event.raw.expose().as_bytes(), posted.body, "{}", request.name),
            (_, _) => panic!("{}: one request, one event", request.name),
        }
    }
}
