//! An event about an e-mail, as senders of their own post it. Input: a line with the time, then the body.

#![no_main]

use domain::EmailEventRecord;
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use providers::email::{EmailVerifier, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use relais_fuzz::{NOW, SECRET, altered, headers, now, odd_texts, shows_none};
use ring::hmac;

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (time, body) = data.split_at(end);
    check(NOW.as_bytes(), data);
    check(time, body.strip_prefix(b"\n").unwrap_or(body));
});

fn check(time: &[u8], body: &[u8]) {
    let Ok(time) = HeaderValue::from_bytes(time) else {
        return;
    };
    let verifier = EmailVerifier::new(&[SECRET.into()]);
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hmac::sign(&key, &[time.as_bytes(), b".", body].concat());
    let verify = |tag: &[u8], body: &[u8]| {
        let mut headers = headers(&[(SIGNATURE_HEADER, &hex::encode(tag))]);
        headers.insert(TIMESTAMP_HEADER, time.clone());
        verifier.verify(&headers, body, now())
    };
    match verify(tag.as_ref(), body) {
        Ok(record) => {
            let record = record.into_inner();
            shows_none(&format!("{record:?}"), &odd_texts(body));
            let stored = serde_json::to_string(&record).expect("a record is JSON");
            let read: EmailEventRecord = serde_json::from_str(&stored).expect("what was stored is read");
            assert!(read == record, "stored and read, it is another: {stored}");
        }
        Err(error) => shows_none(&format!("{error} {error:?}"), &odd_texts(body)),
    }
    let is_unproven = |outcome: Result<_, providers::email::EmailWebhookError>| {
        assert!(
            matches!(outcome, Err(providers::email::EmailWebhookError::SignatureWrong)),
            "taken, or refused for something else, though nobody signed it"
        );
    };
    is_unproven(verify(&altered(tag.as_ref(), body), body));
    if !body.is_empty() {
        is_unproven(verify(tag.as_ref(), &altered(body, body)));
    }
}
