//! Ways to sign that tenants choose. Input: a line with the plan as JSON, then the body.

#![no_main]

use libfuzzer_sys::fuzz_target;
use providers::Verifier;
use providers::vapi::{Algorithm, Encoding, HmacPlan, VapiVerifier};
use relais_fuzz::{NOW, Proof, SECRET, Signed, URL, base64, check_webhook, headers, tag};
use ring::hmac;

const METHOD: &str = "POST";
const MESSAGE_ID: &str = "msg_1";

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (plan, body) = data.split_at(end);
    let Ok(plan) = serde_json::from_slice::<HmacPlan>(plan) else {
        return;
    };
    let stored = serde_json::to_string(&plan).expect("a plan is JSON");
    assert_eq!(
        serde_json::from_str::<HmacPlan>(&stored).expect("what was stored is read"),
        plan
    );

    // Headers of other names are for other targets: here the plan is signed as it says.
    let plan = HmacPlan {
        signature_header: "x-signature".into(),
        timestamp_header: "x-timestamp".into(),
        message_id_header: None,
        signature_prefix: None,
        secret_is_base64: false,
        ..plan
    };
    let verifier = VapiVerifier::hmac(&[SECRET.into()], plan.clone());
    let whole = signed(&plan, body);
    let Ok(verifier) = verifier else {
        assert!(whole.is_none(), "a plan that signs the body is refused: {plan:?}");
        return;
    };
    let whole = whole.expect("a plan that leaves the body unsigned is taken");
    check_webhook(&Signed {
        verifier: Verifier::Vapi(verifier),
        method: METHOD,
        url: URL.into(),
        headers: headers(&[("x-timestamp", NOW), ("svix-id", MESSAGE_ID)]),
        body: body.to_vec(),
        proof: Proof {
            header: "x-signature",
            write: match plan.signature_encoding {
                Encoding::Hex => |tag| hex::encode(tag),
                Encoding::Base64 => base64,
            },
            bytes: tag(algorithm(plan.algorithm), &[&whole]),
        },
        covers_body: true,
    });
});

fn algorithm(algorithm: Algorithm) -> hmac::Algorithm {
    match algorithm {
        Algorithm::Sha256 => hmac::HMAC_SHA256,
        Algorithm::Sha512 => hmac::HMAC_SHA512,
        Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
    }
}

/// What the plan signs, read sign by sign; `None` if the body is not in it.
fn signed(plan: &HmacPlan, body: &[u8]) -> Option<Vec<u8>> {
    let usual = if plan.include_timestamp {
        "{timestamp}.{body}"
    } else {
        "{body}"
    };
    let mut rest = plan.payload_format.as_deref().unwrap_or(usual);
    let (mut whole, mut has_body) = (Vec::new(), false);
    let values = [
        ("{timestamp}", NOW.as_bytes()),
        ("{method}", METHOD.as_bytes()),
        ("{url}", URL.as_bytes()),
        ("{svix-id}", MESSAGE_ID.as_bytes()),
        ("{body}", body),
    ];
    while let Some(next) = rest.chars().next() {
        if let Some((name, value)) = values.iter().find(|(name, _)| rest.starts_with(name)) {
            whole.extend_from_slice(value);
            has_body |= *name == "{body}";
            rest = &rest[name.len()..];
        } else {
            let (sign, after) = rest.split_at(next.len_utf8());
            whole.extend_from_slice(sign.as_bytes());
            rest = after;
        }
    }
    has_body.then_some(whole)
}
