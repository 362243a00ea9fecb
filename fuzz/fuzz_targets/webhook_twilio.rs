//! Twilio's requests in their three ways. Input: a form, or anything.

#![no_main]

use libfuzzer_sys::fuzz_target;
use providers::twilio;
use relais_fuzz::{FORM, SECRET, Signed, URL, altered, assert_unproven, by_twilio, check_webhook, headers};

fuzz_target!(|data: &[u8]| {
    posted(data);
    hashed(data);
    in_the_url(data);
});

/// As a form.
fn posted(body: &[u8]) {
    let signed = by_twilio(URL, body);
    check_webhook(&signed);
    let other = Signed {
        body: altered(body, body),
        ..signed
    };
    // Names and values are signed without anything between them: "a=bc" and "ab=c" are one.
    let sign = |body| twilio::sign(&SECRET.into(), URL, body).expect("a signature");
    if sign(body) != sign(&other.body) {
        assert_unproven(&other.verify());
    }
}

/// As a body that its hash in the URL vouches for.
fn hashed(body: &[u8]) {
    let hash = hex::encode(ring::digest::digest(&ring::digest::SHA256, body));
    let url = format!("{URL}&bodySHA256={hash}");
    let signed = Signed {
        headers: headers(&[("content-type", "application/json")]),
        body: body.to_vec(),
        covers_body: true,
        ..by_twilio(&url, b"")
    };
    check_webhook(&signed);
}

/// As parameters of the URL.
fn in_the_url(query: &[u8]) {
    let Ok(query) = std::str::from_utf8(query) else { return };
    let url = format!("https://user:pass@hooks.example.com:8443/x?{query}");
    // What Twilio signs has neither user nor fragment.
    let sent = format!(
        "https://hooks.example.com:8443/x?{}",
        query.split('#').next().unwrap_or_default()
    );
    let signed = Signed {
        method: "GET",
        headers: headers(&[("content-type", FORM)]),
        url,
        ..by_twilio(&sent, b"")
    };
    if !query.contains("bodySHA256") {
        check_webhook(&signed);
    } else {
        drop(signed.verify());
    }
}
