//! A request with one byte changed is another request, and nobody vouches for it.

use std::collections::BTreeSet;

use http::HeaderValue;
use providers::{Provider, Refusal, Verifier};

use crate::{Expect, Posted, RECORDED, Recorded};

/// One bit low, one high, and the one that tells capitals from small letters.
const CHANGES: [u8; 3] = [0x01, 0x20, 0x40];

fn accepted() -> impl Iterator<Item = &'static Recorded> {
    RECORDED.iter().filter(|request| request.expect == Expect::Accepted)
}

/// `text` with one byte changed, each in its turn and in one of the ways.
fn changed_once(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    changed(text)
        .enumerate()
        .filter_map(|(at, text)| (at / CHANGES.len() % CHANGES.len() == at % CHANGES.len()).then_some(text))
}

/// `text` with one byte changed, each in its turn and in all the ways.
fn changed(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..text.len()).flat_map(move |at| {
        CHANGES.into_iter().map(move |change| {
            let mut changed = text.to_vec();
            changed[at] ^= change;
            changed
        })
    })
}

fn assert_refused(request: &Recorded, verifier: &Verifier, posted: &Posted, what: &str) {
    let outcome = posted.verify(verifier);
    let refusal = outcome.as_ref().map_err(providers::WebhookError::refusal).err();
    let (provider, name) = (request.provider, &request.name);
    assert_eq!(
        refusal,
        Some(Refusal::Unproven),
        "{provider:?} {name}: {what}: {outcome:?}"
    );
}

/// Whether the body is signed, and not only accompanied by a token.
fn signs_its_body(request: &Recorded) -> bool {
    match request.provider {
        Provider::GreenApi => false,
        Provider::Vapi => request.verifier.plan.is_some(),
        _ => true,
    }
}

/// The parameters that a form stands for. Several bodies stand for the same ones, `%2C` and `%2c`, and are signed alike.
fn parameters(body: &[u8]) -> BTreeSet<(String, String)> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

#[test]
fn a_body_with_one_byte_changed_is_refused() {
    // The same body by another URL or signature is no other case.
    let mut seen = BTreeSet::new();
    for request in accepted().filter(|request| signs_its_body(request)) {
        let (posted, verifier) = (request.posted(), request.verifier());
        if !seen.insert((
            request.provider.as_str(),
            request.verifier.plan.is_some(),
            posted.body.clone(),
        )) {
            continue;
        }
        let is_form = request.provider == Provider::Twilio && !posted.body.starts_with(b"{");
        for body in changed_once(&posted.body) {
            if is_form && parameters(&body) == parameters(&posted.body) {
                continue;
            }
            let what = format!("body {}", String::from_utf8_lossy(&body));
            assert_refused(request, &verifier, &Posted { body, ..posted.clone() }, &what);
        }
    }
}

#[test]
fn a_proof_with_one_byte_changed_is_refused() {
    for request in accepted() {
        let (posted, verifier) = (request.posted(), request.verifier());
        for (name, value) in &posted.headers {
            let value = value.as_bytes();
            // Of several signatures, one wrong one does not matter.
            if name == http::header::CONTENT_TYPE
                || name.as_str().starts_with("i-twilio")
                || value.contains(&b',') && value.contains(&b' ')
            {
                continue;
            }
            for changed in changed(value) {
                let Ok(header) = HeaderValue::from_bytes(&changed) else {
                    continue;
                };
                // Hex in capitals, and `bearer`, are the same; base64 and tokens in capitals are not.
                let ignores_case =
                    request.verifier.plan.is_some() || value.starts_with(b"B") || value.starts_with(b"b");
                if ignores_case && is_other_case(value, &changed) {
                    continue;
                }
                let mut posted = posted.clone();
                posted.headers.insert(name.clone(), header);
                assert_refused(
                    request,
                    &verifier,
                    &posted,
                    &format!("{name}: {}", String::from_utf8_lossy(&changed)),
                );
            }
        }
    }
}

/// Whether the two are the same hex digits, or the same token behind the same scheme, in other letters.
fn is_other_case(one: &[u8], other: &[u8]) -> bool {
    if one.is_ascii() && one.iter().all(u8::is_ascii_hexdigit) {
        return one.eq_ignore_ascii_case(other);
    }
    let scheme = one.iter().position(|byte| *byte == b' ').unwrap_or(0);
    one[..scheme].eq_ignore_ascii_case(&other[..scheme]) && one[scheme..] == other[scheme..]
}

#[test]
fn a_url_with_one_byte_changed_is_refused() {
    // A port, a user, what is behind a # and how an apostrophe is written are not signed.
    let is_plain = |url: &str| !url["https://".len()..].contains([':', '@', '#', '\'']) && !url.contains("%27");
    let requests = accepted().filter(|request| request.provider == Provider::Twilio && is_plain(&request.url));
    let signs_url = |request: &&Recorded| request.name == "hmac_method_and_url";
    for request in requests.chain(accepted().filter(signs_url)) {
        let (posted, verifier) = (request.posted(), request.verifier());
        for url in changed(posted.url.as_bytes()) {
            let url = String::from_utf8(url).unwrap();
            assert_refused(
                request,
                &verifier,
                &Posted {
                    url: url.clone(),
                    ..posted.clone()
                },
                &url,
            );
        }
    }
}

#[test]
fn no_proof_works_at_another_provider() {
    for request in accepted() {
        let others = RECORDED
            .iter()
            .filter(|other| other.provider != request.provider && other.expect == Expect::Accepted);
        // Resend and Standard Webhooks are one scheme and share a secret here.
        let is_svix = |provider| matches!(provider, Provider::Resend | Provider::StandardWebhooks);
        for other in others.filter(|other| !(is_svix(other.provider) && is_svix(request.provider))) {
            let outcome = request.posted().verify(&other.verifier());
            assert_eq!(
                Expect::of(&outcome),
                Expect::Unproven,
                "{} at {}",
                request.name,
                other.name
            );
        }
    }
}
