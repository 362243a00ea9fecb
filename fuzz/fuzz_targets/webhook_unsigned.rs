//! Requests that nobody signed. Input: lines `name: value`, an empty line, and the body.

#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use providers::email::{EmailVerifier, EmailWebhookError};
use providers::{Provider, Request};
use relais_fuzz::{SECRET, Signed, assert_unproven, now};

const PROVIDERS: [Provider; 6] = [
    Provider::SendGrid,
    Provider::Resend,
    Provider::StandardWebhooks,
    Provider::Twilio,
    Provider::GreenApi,
    Provider::Vapi,
];

fuzz_target!(|data: &[u8]| {
    let (head, body) = match data.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, b"".as_slice()),
    };
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n') {
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (
            halves.next().unwrap_or_default(),
            halves.next().unwrap_or_default().trim_ascii(),
        );
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    let path = String::from_utf8_lossy(head.split(|byte| *byte == b'\n').next().unwrap_or_default());
    let url = format!("https://hooks.example.com/{path}");
    for provider in PROVIDERS {
        let request = Request {
            method: "POST",
            url: &url,
            headers: &headers,
            body,
            received_at: now(),
        };
        // Whoever guesses the secret is not the one that this looks for.
        let guessed = headers.values().any(|value| {
            let value = value.as_bytes();
            value.windows(SECRET.len()).any(|part| part == SECRET.as_bytes())
        });
        let outcome = Signed::by(provider, b"")
            .verifier
            .verify(&request)
            .map(|events| events.into_inner());
        if !guessed {
            assert_unproven(&outcome);
        }
    }
    let outcome = EmailVerifier::new(&[SECRET.into()]).verify(&headers, body, now());
    use EmailWebhookError::{SignatureMalformed, SignatureMissing, SignatureWrong};
    let is_unproven = matches!(
        outcome,
        Err(SignatureMissing { .. } | SignatureMalformed | SignatureWrong)
    );
    assert!(
        is_unproven,
        "taken, or refused for something else, though nobody signed it"
    );
});
