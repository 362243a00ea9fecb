//! What providers post, rightly signed, to a whole installation. Input: a digit for the provider, then the body.

#![no_main]

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, LazyLock};

use http::StatusCode;
use libfuzzer_sys::fuzz_target;
use providers::Provider;
use queue::Clock;
use relais_fuzz::{Answer, Asked, POSTERS, World, now, odd_texts, shows_none};
use serde_json::Value;

/// It takes what was signed when everything here is signed.
static WORLD: LazyLock<World> = LazyLock::new(|| {
    let now = AtomicI64::new(now().timestamp_millis());
    World::new(Clock::Manual(Arc::new(now)))
});
const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

fuzz_target!(|data: &[u8]| {
    let Some((digit, body)) = data.split_first() else {
        return;
    };
    let provider = POSTERS[usize::from(digit.wrapping_sub(b'0')) % POSTERS.len()];
    let signed = WORLD.signed(provider, body);
    let asked = Asked::signed(&signed);
    let answer = WORLD.ask(&asked);
    answer.check(&asked);
    if answer.status.is_success() {
        let (job, _) = job_of(&answer);
        if provider == Provider::Twilio {
            check_twiml(&answer);
        }
        let again = WORLD.ask(&asked);
        assert_eq!(again.status, answer.status, "another answer to the same");
        let (same_job, is_duplicate) = job_of(&again);
        assert_eq!(same_job, job, "another job for the same");
        assert!(is_duplicate || job.is_none(), "the same was queued twice");
    } else {
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
        shows_none(&answer.text(), &odd_texts(body));
    }
    for other in signed.altered() {
        let asked = Asked::signed(&other);
        let answer = WORLD.ask(&asked);
        answer.check(&asked);
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "taken though nobody signed it");
        assert_eq!(answer.json()["code"], "signature_invalid");
    }
});

/// The job that an answer names, and whether it was there before: in the body, or, where that is the provider's, in
/// headers.
fn job_of(answer: &Answer) -> (Option<String>, bool) {
    let header = |name: &str| answer.headers.get(name)?.to_str().ok();
    if let Some(job) = header("x-relais-job") {
        return (Some(job.to_owned()), header("x-relais-duplicate") == Some("true"));
    }
    let body = answer.json();
    let job = body["job"].as_str().map(str::to_owned);
    (job, body["duplicate"] == Value::Bool(true))
}

/// Nothing that Twilio would take for a text to be sent, but a document that has one of ours sent, or none.
fn check_twiml(answer: &Answer) {
    let text = answer.text();
    if answer.status == StatusCode::NO_CONTENT {
        assert!(text.is_empty(), "{text}");
        return;
    }
    let form = answer.headers.get("content-type");
    assert!(form.is_some_and(|form| form == "text/xml"), "{form:?}");
    let document = text.strip_prefix(DECLARATION);
    let document = document.unwrap_or_else(|| panic!("no document: {text}"));
    if document == "<Response/>" {
        return;
    }
    let message = document.strip_prefix("<Response><Message>");
    let message = message.and_then(|message| message.strip_suffix("</Message></Response>"));
    let message = message.unwrap_or_else(|| panic!("another document than ours: {text}"));
    assert!(
        !message.contains(['<', '>']) && !message.is_empty(),
        "a message with markup: {message}"
    );
}
