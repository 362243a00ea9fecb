//! A signed e-mail event is taken only if everything about it is right.

#![allow(clippy::unwrap_used)]

use chrono::{DateTime, Duration, Utc};
use domain::EmailEventRecord;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use providers::email::{
    EmailVerifier, EmailWebhookError, ID_BYTES_MAX, PROVIDER_BYTES_MAX, SIGNATURE_HEADER, SUBJECT_BYTES_MAX,
    TIMESTAMP_HEADER, URL_BYTES_MAX, sign,
};
use secrecy::SecretString;
use serde_json::{Value, json};

const SECRET: &str = "whsec_test";
const SENT_AT: &str = "1767323045";
const BODY: &str = r#"{"provider":"sendgrid","external_id":"abc","event":"opened","person_id":"p-1"}"#;

type Outcome = Result<EmailEventRecord, EmailWebhookError>;

fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_secs(SENT_AT.parse().unwrap()).unwrap()
}

fn verify(signature: &[u8], timestamp: &[u8], body: &[u8], now: DateTime<Utc>) -> Outcome {
    let mut headers = HeaderMap::new();
    headers.insert(SIGNATURE_HEADER, HeaderValue::from_bytes(signature).unwrap());
    headers.insert(TIMESTAMP_HEADER, HeaderValue::from_bytes(timestamp).unwrap());
    EmailVerifier::new(&[secret(SECRET)])
        .verify(&headers, body, now)
        .map(|verified| verified.into_inner())
}

/// What a rightly signed body gives.
fn read(body: &str) -> Outcome {
    read_sent_at(SENT_AT, body)
}

fn read_sent_at(timestamp: &str, body: &str) -> Outcome {
    let signature = sign(&secret(SECRET), timestamp, body.as_bytes());
    verify(signature.as_bytes(), timestamp.as_bytes(), body.as_bytes(), now())
}

/// The smallest good body with some fields set.
fn with(fields: Value) -> String {
    let mut body = json!({"provider": "sendgrid", "external_id": "abc", "event": "opened"});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    body.to_string()
}

fn check_unreadable(body: &str, expected_field: &str, expected_reason: &str) {
    match read(body).unwrap_err() {
        EmailWebhookError::Unreadable { field, reason } => {
            assert_eq!((field, &*reason), (expected_field, expected_reason), "{body}");
        }
        other => panic!("{body}: {other}"),
    }
}

fn is_signature_refusal(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Err(EmailWebhookError::SignatureWrong | EmailWebhookError::SignatureMalformed)
    )
}

proptest! {
    #[test]
    fn a_body_with_any_byte_changed_is_refused(at in 0..BODY.len(), change in 1..=u8::MAX) {
        let signature = sign(&secret(SECRET), SENT_AT, BODY.as_bytes());
        let mut body = BODY.as_bytes().to_vec();
        body[at] ^= change;
        prop_assert!(is_signature_refusal(&verify(signature.as_bytes(), SENT_AT.as_bytes(), &body, now())));
    }

    #[test]
    fn a_timestamp_with_any_byte_changed_is_refused(at in 0..SENT_AT.len(), change in 1..=u8::MAX) {
        let signature = sign(&secret(SECRET), SENT_AT, BODY.as_bytes());
        let mut timestamp = SENT_AT.as_bytes().to_vec();
        timestamp[at] ^= change;
        prop_assume!(HeaderValue::from_bytes(&timestamp).is_ok());
        prop_assert!(is_signature_refusal(&verify(signature.as_bytes(), &timestamp, BODY.as_bytes(), now())));
    }

    #[test]
    fn a_signature_with_any_byte_changed_is_refused(at in 0..64_usize, change in 1..=u8::MAX) {
        let right = sign(&secret(SECRET), SENT_AT, BODY.as_bytes());
        let mut signature = right.clone().into_bytes();
        signature[at] ^= change;
        prop_assume!(HeaderValue::from_bytes(&signature).is_ok() && !signature.eq_ignore_ascii_case(right.as_bytes()));
        prop_assert!(is_signature_refusal(&verify(&signature, SENT_AT.as_bytes(), BODY.as_bytes(), now())));
    }

    #[test]
    fn whatever_is_signed_is_read_or_refused_without_a_panic(body: Vec<u8>) {
        let signature = sign(&secret(SECRET), SENT_AT, &body);
        let outcome = verify(signature.as_bytes(), SENT_AT.as_bytes(), &body, now());
        let unreadable = matches!(outcome, Err(EmailWebhookError::Unreadable { .. }));
        prop_assert!(unreadable);
    }

    #[test]
    fn a_refusal_never_repeats_the_value(
        field in prop::sample::select(vec!["provider", "event", "occurred_at", "recipient"]), value in "[k-z]{8,20} ",
    ) {
        let error = read(&with(json!({ field: value }))).unwrap_err();
        let told = format!("{error} {error:?}");
        prop_assert!(!told.contains(value.trim()));
    }
}

#[test]
fn moving_the_dot_between_timestamp_and_body_makes_no_other_request_of_it() {
    // One signature fits every way to cut `{timestamp}.{body}` at a dot. Only the sender's own cut leaves a time.
    let whole = format!(
        "2026-01-02T03:04:05.000Z.{}",
        with(json!({"recipient": "ada@mail.example"}))
    );
    let (timestamp, body) = whole.split_at(24);
    let signature = sign(&secret(SECRET), timestamp, &body.as_bytes()[1..]);
    for (at, _) in whole.match_indices('.') {
        let outcome = verify(
            signature.as_bytes(),
            &whole.as_bytes()[..at],
            &whole.as_bytes()[at + 1..],
            now(),
        );
        if at == 24 {
            assert!(outcome.is_ok(), "{outcome:?}");
        } else {
            assert_eq!(outcome, Err(EmailWebhookError::TimestampMalformed), "cut at {at}");
        }
    }
}

#[test]
fn a_signature_is_taken_with_a_prefix_and_in_capitals() {
    let signature = sign(&secret(SECRET), SENT_AT, BODY.as_bytes());
    for form in [
        signature.clone(),
        signature.to_uppercase(),
        format!("sha256={signature}"),
    ] {
        assert!(
            verify(form.as_bytes(), SENT_AT.as_bytes(), BODY.as_bytes(), now()).is_ok(),
            "{form}"
        );
    }
    for form in [
        &signature[1..],
        &format!("{signature}0"),
        &format!("sha1={signature}"),
        "",
        "sha256=",
    ] {
        let outcome = verify(form.as_bytes(), SENT_AT.as_bytes(), BODY.as_bytes(), now());
        assert_eq!(outcome, Err(EmailWebhookError::SignatureMalformed), "{form}");
    }
}

#[test]
fn five_minutes_either_way_are_accepted_and_one_second_more_is_not() {
    let signature = sign(&secret(SECRET), SENT_AT, BODY.as_bytes());
    let at = |seconds| {
        let now = now() + Duration::seconds(seconds);
        verify(signature.as_bytes(), SENT_AT.as_bytes(), BODY.as_bytes(), now)
    };
    for seconds in [-300, -1, 0, 300] {
        assert!(at(seconds).is_ok(), "{seconds}");
    }
    for age_seconds in [-301, 301, 86_400] {
        assert_eq!(at(age_seconds), Err(EmailWebhookError::TimestampStale { age_seconds }));
    }
    let told = at(-412).unwrap_err().to_string();
    assert_eq!(told, "X-Timestamp is 412 seconds ahead; at most 300 are accepted");
}

#[test]
fn a_wrong_signature_is_told_before_a_stale_timestamp_and_an_unreadable_body() {
    let wrong = "0".repeat(64);
    for timestamp in ["1", "yesterday"] {
        let outcome = verify(wrong.as_bytes(), timestamp.as_bytes(), b"no json", now());
        assert_eq!(outcome, Err(EmailWebhookError::SignatureWrong));
    }
    assert_eq!(
        read_sent_at("yesterday", "no json"),
        Err(EmailWebhookError::TimestampMalformed)
    );
    assert!(matches!(
        read_sent_at("1", "no json"),
        Err(EmailWebhookError::TimestampStale { .. })
    ));
}

#[test]
fn both_secrets_count_while_one_replaces_the_other_and_an_empty_one_never_does() {
    let check = |secrets: &[&str], signed_with: &str, expected: bool| {
        let secrets: Vec<_> = secrets.iter().map(|text| secret(text)).collect();
        let mut headers = HeaderMap::new();
        let signature = sign(&secret(signed_with), SENT_AT, BODY.as_bytes());
        headers.insert(SIGNATURE_HEADER, signature.parse().unwrap());
        headers.insert(TIMESTAMP_HEADER, SENT_AT.parse().unwrap());
        let taken = EmailVerifier::new(&secrets)
            .verify(&headers, BODY.as_bytes(), now())
            .is_ok();
        assert_eq!(taken, expected, "{signed_with:?} for {} secrets", secrets.len());
    };
    check(&["old", "new"], "old", true);
    check(&["old", "new"], "new", true);
    check(&["new"], "old", false);
    check(&[], "", false);
    check(&[""], "", false);
}

#[test]
fn the_verifier_does_not_show_its_secrets() {
    assert_eq!(
        format!("{:?}", EmailVerifier::new(&[secret(SECRET)])),
        "EmailVerifier { secrets: 1 }"
    );
}

#[test]
fn limits_hold_to_the_byte() {
    let limits = [
        ("provider", PROVIDER_BYTES_MAX),
        ("external_id", ID_BYTES_MAX),
        ("event_id", ID_BYTES_MAX),
        ("subject", SUBJECT_BYTES_MAX),
        ("person_id", ID_BYTES_MAX),
        ("organisation_id", ID_BYTES_MAX),
        ("url", URL_BYTES_MAX),
    ];
    for (field, bytes_max) in limits {
        assert!(read(&with(json!({ field: "a".repeat(bytes_max) }))).is_ok(), "{field}");
        let long = with(json!({ field: "a".repeat(bytes_max + 1) }));
        check_unreadable(&long, field, &format!("must have at most {bytes_max} bytes"));
        if field != "provider" {
            check_unreadable(
                &with(json!({ field: "a\nb" })),
                field,
                "must have no control characters",
            );
        }
        if field != "subject" {
            check_unreadable(&with(json!({ field: "" })), field, "must not be empty");
        }
    }
}

#[test]
fn a_field_of_the_wrong_form_is_named() {
    check_unreadable("", "body", "is not valid JSON: line 1, column 0");
    check_unreadable(&format!("{BODY}]"), "body", "is not valid JSON: line 1, column 79");
    check_unreadable("null", "body", "must be a JSON object");
    check_unreadable("{}", "provider", "is missing");
    check_unreadable(&with(json!({"external_id": null})), "external_id", "is missing");
    check_unreadable(&with(json!({"external_id": 5})), "external_id", "must be a string");
    check_unreadable(
        &with(json!({"provider": "send grid"})),
        "provider",
        "must consist of A-Z a-z 0-9 _ . -",
    );
    check_unreadable(
        &with(json!({"event": "Opened"})),
        "event",
        "is not one of: sent, delivered, opened, clicked, bounced, complained, unsubscribed",
    );
    let number = "must be a string or a whole number of at most 64 bits";
    for odd in [json!(1.5), json!(true), json!([1]), json!({"a": 1}), json!(1e30)] {
        check_unreadable(&with(json!({ "person_id": odd })), "person_id", number);
    }
    let instant = "must be RFC 3339 or whole unix seconds, from 1970 to 9999";
    for odd in [
        json!("soon"),
        json!(-1),
        json!(1.5),
        json!(true),
        json!(1_767_323_045_000_i64),
        json!(u64::MAX),
    ] {
        check_unreadable(&with(json!({ "occurred_at": odd })), "occurred_at", instant);
    }
    check_unreadable(
        &with(json!({"recipient": "nobody"})),
        "recipient",
        "is refused: an e-mail address contains an @",
    );
    let both = with(json!({"person_id": 1, "organisation_id": 2}));
    check_unreadable(&both, "organisation_id", "must not be given together with person_id");
    let twice = BODY.replace('}', r#","person_id":null}"#);
    check_unreadable(&twice, "person_id", "is given twice");
}

#[test]
fn one_instant_in_two_spellings_is_one_event() {
    let identity = |fields: Value| read(&with(fields)).unwrap().identity;
    let first = identity(json!({"occurred_at": "2026-01-02T03:04:05Z"}));
    assert_eq!(identity(json!({"occurred_at": "2026-01-02T04:04:05+01:00"})), first);
    assert_eq!(identity(json!({"occurred_at": 1_767_323_045})), first);
    assert_eq!(identity(json!({})), first, "the time of sending stands in");
    assert_eq!(
        identity(json!({"provider": "SendGrid", "recipient": "a@b.c", "subject": "s", "person_id": 1})),
        first
    );
    for other in [
        json!({"url": "https://a.test"}),
        json!({"event": "clicked"}),
        json!({"event_id": "e"}),
    ] {
        assert_ne!(identity(other), first);
    }
}

#[test]
fn an_event_with_an_id_is_the_same_whatever_else_changes() {
    let identity = |timestamp: &str, fields: Value| read_sent_at(timestamp, &with(fields)).unwrap().identity;
    let first = identity(SENT_AT, json!({"event_id": "evt-1"}));
    assert_eq!(
        identity("1767323099", json!({"event_id": "evt-1", "url": "https://a.test"})),
        first
    );
    assert_ne!(identity(SENT_AT, json!({"event_id": "evt-2"})), first);
}
