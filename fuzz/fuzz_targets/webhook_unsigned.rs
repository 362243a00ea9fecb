//! Requests that nobody signed. Input: lines `name: value`, an empty line, and the body.

#![no_main]

use libfuzzer_sys::fuzz_target;
use providers::email::{EmailVerifier, EmailWebhookError};
use providers::Request;
use relais_fuzz::{POSTERS, SECRET, Signed, assert_unproven, head_and_body, headers_in, now};

fuzz_target!(|data: &[u8]| {
    let (head, body) = head_and_body(data);
    let headers = headers_in(head);
    let path = String::from_utf8_lossy(head.split(|byte| *byte == b'\n').next().unwrap_or_default());
    let url = format!("https://hooks.example.com/{path}");
    for provider in POSTERS {
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
