//! Recorded requests, and what they parse to.
//!
//! The requests lie in `tests/webhooks/email/` of the workspace. They were signed by `openssl dgst -sha256 -hmac`, so
//! that a mistake in our own signing cannot hide one in our checking.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use providers::email::EmailVerifier;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Recorded {
    about: String,
    now: DateTime<Utc>,
    secrets: Vec<String>,
    headers: BTreeMap<String, String>,
    body: String,
}

/// What comes out: the record as it lies in a job, or the refusal with its text.
fn outcome(request: &Recorded) -> serde_json::Value {
    let header = |(name, value): (&String, &String)| {
        (
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_str(value).unwrap(),
        )
    };
    let headers: HeaderMap = request.headers.iter().map(header).collect();
    let secrets: Vec<SecretString> = request.secrets.iter().map(|text| text.as_str().into()).collect();
    match EmailVerifier::new(&secrets).verify(&headers, request.body.as_bytes(), request.now) {
        Ok(record) => json!({ "record": record.into_inner() }),
        Err(error) => json!({ "refused": error.to_string(), "as": format!("{error:?}") }),
    }
}

#[test]
fn recorded_requests_parse_to_what_they_always_did() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/webhooks/email");
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let request: Recorded = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let outcome = outcome(&request);
        assert_eq!(
            name.starts_with("refused_"),
            outcome.get("refused").is_some(),
            "{name}: {outcome}"
        );
        if name.starts_with("refused_") {
            let told = outcome.to_string();
            assert!(
                !told.contains("marie") && !told.contains("Marie"),
                "{name} repeats what it refuses: {told}"
            );
        }
        insta::with_settings!({ description => &request.about, omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_json_snapshot!(name, outcome);
        });
    }
}
