//! Requests that these tests sign: any body, any time, any key.

use chrono::{DateTime, Utc};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use providers::resend::ResendVerifier;
use providers::sendgrid::{self, SendGridVerifier};
use providers::standard_webhooks::{self, StandardVerifier, StandardWebhookError};
use providers::twilio::{self, TwilioVerifier};
use providers::vapi::{HmacPlan, UnusablePlan, VapiVerifier};
use providers::{Event, Provider, Refusal, Request, UnusableKey, Verifier, WebhookError};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use secrecy::SecretString;

use crate::{Expect, recorded};

type Outcome = Result<Vec<Event>, WebhookError>;

const SECONDS: &str = "1772446540";
const ID: &str = "msg_1";
const URL: &str = "https://hooks.example.com/webhooks/x?tenant=t_1001";
const TOKEN: &str = "fixture-auth-token-0001";
const STANDARD_SECRET: &str = "whsec_Zml4dHVyZS1vbmx5LXNpZ25pbmctc2VjcmV0LTAwMDE=";
/// The key that the recorded requests of SendGrid were signed with.
const SENDGRID_SCALAR: &str = "b97a9a01b38416b57bfbd83617cf6b965d1dc15a908c2196839e129856eb84f9";
const SENDGRID_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErUG97sG4z7myecAH/Mq2e21We4kVgB50fg/vzhvOY0qaHvP9fSeemAhGp/SioY/EL7PPPjNpt7VdD6tbe/s6+A==";

fn secret(text: &str) -> SecretString {
    text.into()
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_secs(SECONDS.parse().unwrap()).unwrap()
}

fn headers(headers: &[(&str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&str, &str)| {
        let name: HeaderName = name.parse().unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    };
    headers.iter().map(header).collect()
}

fn verify(verifier: &Verifier, headers: &HeaderMap, url: &str, body: &[u8]) -> Outcome {
    let request = Request {
        method: "POST",
        url,
        headers,
        body,
        received_at: now(),
    };
    verifier.verify(&request).map(|events| events.into_inner())
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn by_sendgrid(body: &[u8]) -> Outcome {
    use base64::Engine as _;
    let public = base64::engine::general_purpose::STANDARD.decode(SENDGRID_KEY).unwrap();
    let (scalar, random) = (hex::decode(SENDGRID_SCALAR).unwrap(), SystemRandom::new());
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &scalar, &public[26..], &random).unwrap();
    let signature = pair.sign(&random, &[SECONDS.as_bytes(), body].concat()).unwrap();
    let headers = headers(&[
        (sendgrid::SIGNATURE_HEADER, &base64(signature)),
        (sendgrid::TIMESTAMP_HEADER, SECONDS),
    ]);
    let verifier = Verifier::SendGrid(SendGridVerifier::new(&[secret(SENDGRID_KEY)]).unwrap());
    verify(&verifier, &headers, URL, body)
}

fn standard_headers(id: &str, timestamp: &str, body: &[u8]) -> HeaderMap {
    let signature = standard_webhooks::sign(&secret(STANDARD_SECRET), id, timestamp, body).unwrap();
    headers(&[
        ("webhook-id", id),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", &signature),
    ])
}

fn standard_verifier() -> Verifier {
    Verifier::StandardWebhooks(StandardVerifier::new(&[secret(STANDARD_SECRET)]).unwrap())
}

fn by_standard_webhooks(body: &[u8]) -> Outcome {
    verify(&standard_verifier(), &standard_headers(ID, SECONDS, body), URL, body)
}

fn resend_verifier() -> Verifier {
    Verifier::Resend(ResendVerifier::new(&[secret(STANDARD_SECRET)]).unwrap())
}

fn by_resend(body: &[u8]) -> Outcome {
    verify(&resend_verifier(), &standard_headers(ID, SECONDS, body), URL, body)
}

fn by_twilio(body: &[u8]) -> Outcome {
    let signature = twilio::sign(&secret(TOKEN), URL, body).unwrap();
    let headers = headers(&[
        (twilio::SIGNATURE_HEADER, &signature),
        (CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded"),
    ]);
    let verifier = Verifier::Twilio(TwilioVerifier::new(&[secret(TOKEN)]).unwrap());
    verify(&verifier, &headers, URL, body)
}

fn by_vapi(body: &[u8]) -> Outcome {
    let key = hmac::Key::new(hmac::HMAC_SHA256, TOKEN.as_bytes());
    let tag = hmac::sign(&key, &[SECONDS.as_bytes(), b".", body].concat());
    let headers = headers(&[("x-signature", &hex::encode(tag)), ("x-timestamp", SECONDS)]);
    let verifier = Verifier::Vapi(VapiVerifier::hmac(&[secret(TOKEN)], HmacPlan::default()).unwrap());
    verify(&verifier, &headers, URL, body)
}

fn by_green_api(body: &[u8]) -> Outcome {
    let settings = &recorded(Provider::GreenApi, "incoming_text").verifier;
    let headers = headers(&[("authorization", "Bearer fixture-webhook-token-0001")]);
    verify(&settings.verifier(Provider::GreenApi), &headers, URL, body)
}

const SIGNERS: [fn(&[u8]) -> Outcome; 6] = [
    by_sendgrid,
    by_standard_webhooks,
    by_resend,
    by_twilio,
    by_vapi,
    by_green_api,
];

/// JSON and forms with the names that are looked for, and values of every type.
fn body() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "message",
        "type",
        "data",
        "event",
        "call",
        "id",
        "timestamp",
        "typeWebhook",
        "messageData",
        "senderData",
        "idMessage",
        "to",
        "from",
        "status",
        "sg_event_id",
        "MessageSid",
        "CallSid",
        "MessageStatus",
        "NumMedia",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("-1".to_owned()),
        Just("1e300".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("true".to_owned()),
        "\"[a-z.@<>:+\u{e9}]{0,8}\"",
        Just(r#""\u0000""#.to_owned()),
        prop::sample::select(vec![
            r#""email.received""#,
            r#""email.bounced""#,
            r#""status-update""#,
            r#""end-of-call-report""#,
            r#""incomingMessageReceived""#,
            r#""outgoingMessageStatus""#,
            r#""bounce""#,
            r#""delivered""#,
        ])
        .prop_map(str::to_owned),
    ];
    let json = leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            prop::collection::vec((name.clone(), inner), 0..5).prop_map(|fields| {
                let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    });
    prop_oneof![json, "([A-Z][a-zA-Z]{2,9}=[a-z%0-9+]{0,6}&?){0,5}"]
}

proptest! {
    #[test]
    fn whatever_is_signed_is_read_or_refused_without_a_panic(body: Vec<u8>) {
        for by in SIGNERS {
            let outcome = Expect::of(&by(&body));
            prop_assert!(matches!(outcome, Expect::Accepted | Expect::Unreadable), "{outcome:?}");
        }
    }

    #[test]
    fn odd_fields_are_left_out_and_never_end_in_a_panic(body in body()) {
        for by in SIGNERS {
            match by(body.as_bytes()) {
                Ok(events) => for event in events {
                    prop_assert_eq!(event.identity.len(), 32);
                    let json = serde_json::to_string(&event).unwrap();
                    prop_assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
                },
                Err(error) => prop_assert_eq!(error.refusal(), Refusal::Unreadable),
            }
        }
    }

    #[test]
    fn a_refusal_never_repeats_what_was_sent(word in "[k-z]{9,20}") {
        let bodies = [word.clone(), format!("{word:?}"), format!("[{word:?}]"), format!("{{{word:?}:{word:?}"), format!("{{\"type\":[{word:?}]}}")];
        for (by, body) in SIGNERS.iter().flat_map(|by| bodies.iter().map(move |body| (by, body))) {
            if let Err(error) = by(body.as_bytes()) {
                let told = format!("{error} {error:?}");
                prop_assert!(!told.contains(&word), "{}", told);
            }
        }
    }
}

#[test]
fn our_own_signatures_are_those_of_others() {
    let check = |provider, name: &str, header: &str, signature: String| {
        assert_eq!(
            recorded(provider, name).headers[header],
            signature,
            "{provider:?} {name}"
        );
    };
    let request = recorded(Provider::Twilio, "signed_example_form").posted();
    let signature = twilio::sign(&secret(TOKEN), &request.url, &request.body).unwrap();
    check(Provider::Twilio, "signed_example_form", "X-Twilio-Signature", signature);
    let request = recorded(Provider::Twilio, "signed_example_json").posted();
    let signature = twilio::sign(&secret(TOKEN), &request.url, b"").unwrap();
    check(Provider::Twilio, "signed_example_json", "X-Twilio-Signature", signature);
    let body = recorded(Provider::StandardWebhooks, "signed_example").posted().body;
    let id = "msg_fixture0outbound0001";
    let signature = standard_webhooks::sign(&secret(STANDARD_SECRET), id, "1772446540", &body).unwrap();
    check(
        Provider::StandardWebhooks,
        "signed_example",
        "webhook-signature",
        signature,
    );
}

#[test]
fn moving_a_dot_makes_no_other_request_of_it() {
    // One signature fits every way to cut `{id}.{timestamp}.{body}` at two dots. Only the sender's own cut counts.
    let body = r#"{"type":"a.b","number":1772446540.5,"to":"a.1772446540.b"}"#;
    let sent = standard_headers(ID, SECONDS, body.as_bytes());
    let whole = format!("{ID}.{SECONDS}.{body}");
    let dots: Vec<_> = whole.match_indices('.').map(|(at, _)| at).collect();
    for (nth, first) in dots.iter().enumerate() {
        for second in &dots[nth + 1..] {
            let (id, timestamp) = (&whole[..*first], &whole[first + 1..*second]);
            let mut headers = sent.clone();
            headers.insert("webhook-id", HeaderValue::from_str(id).unwrap());
            headers.insert("webhook-timestamp", HeaderValue::from_str(timestamp).unwrap());
            let outcome = verify(&standard_verifier(), &headers, URL, &whole.as_bytes()[second + 1..]);
            let is_own_cut = id == ID && timestamp == SECONDS;
            assert_eq!(outcome.is_ok(), is_own_cut, "{id} {timestamp}: {outcome:?}");
        }
    }
}

#[test]
fn a_batch_of_thousands_is_read_in_its_order_and_each_event_is_itself() {
    let element = |at: usize| {
        format!(
            r#"{{"email":"p{at}@example.com","timestamp":1772446530,"event":"open","sg_event_id":"e{at}","sg_message_id":"m{at}.x"}}"#
        )
    };
    let elements: Vec<_> = (0..5_000).map(element).collect();
    let events = by_sendgrid(format!("[{}]\r\n", elements.join(",\r\n")).as_bytes()).unwrap();
    let raw: Vec<_> = events.iter().map(|event| event.raw.expose()).collect();
    assert_eq!(raw, elements);
    let mut identities: Vec<_> = events.iter().map(|event| &event.identity).collect();
    identities.sort_unstable();
    identities.dedup();
    assert_eq!(identities.len(), 5_000);
}

#[test]
fn a_text_that_no_database_stores_is_made_one_that_it_does() {
    let event =
        r#"[{"event":"click","sg_message_id":"m","sg_event_id":"e\u0000","url":"a\u0000b","email":"a\u0000@b"}]"#;
    let record = by_sendgrid(event.as_bytes()).unwrap()[0].email_record().unwrap();
    assert_eq!(record.url.unwrap().expose(), "a\u{fffd}b");
    assert!(
        by_sendgrid(event.replace("\"m\"", r#""m\u0000""#).as_bytes()).unwrap()[0]
            .email_record()
            .is_none()
    );
    let long = event.replace("a\\u0000b", &"x".repeat(3_000));
    assert_eq!(
        by_sendgrid(long.as_bytes()).unwrap()[0].email_record().unwrap().url,
        None
    );
}

#[test]
fn a_key_that_cannot_be_used_is_refused_with_a_reason_and_without_the_key() {
    let check = |outcome: Result<Verifier, UnusableKey>, reason: &'static str| {
        assert_eq!(outcome.map(drop), Err(UnusableKey { reason }), "{reason}");
    };
    let sendgrid = |key: &str| SendGridVerifier::new(&[secret(key)]).map(Verifier::SendGrid);
    let no_point = "is not a public key of the curve P-256 in SubjectPublicKeyInfo form";
    check(sendgrid(""), "is empty");
    check(sendgrid("not a key!"), "is not base64");
    check(sendgrid(&SENDGRID_KEY[..120]), no_point);
    check(sendgrid(&base64([4; 65])), no_point);
    let standard = |key: &str| StandardVerifier::new(&[secret(key)]).map(Verifier::StandardWebhooks);
    check(standard(""), "is empty");
    check(standard("whsec_"), "is empty");
    check(standard("whsec_!"), "is not base64");
    check(standard(STANDARD_SECRET.trim_end_matches('=')), "is not base64");
    check(standard("whpk_AAAA"), "is not 32 bytes long, as a `whpk_` key is");
    check(
        standard("whsk_AAAA"),
        "is the sender's own `whsk_` key; a receiver needs the `whpk_` one",
    );
    check(TwilioVerifier::new(&[secret("")]).map(Verifier::Twilio), "is empty");
    check(VapiVerifier::secret(&[secret("")]).map(Verifier::Vapi), "is empty");
    let plan = HmacPlan {
        secret_is_base64: true,
        ..HmacPlan::default()
    };
    let outcome = VapiVerifier::hmac(&[secret("!")], plan).map(drop);
    assert_eq!(
        outcome,
        Err(UnusablePlan::Key(UnusableKey {
            reason: "is not base64"
        }))
    );
}

#[test]
fn many_signatures_are_looked_through_but_only_some_of_the_costly_kind() {
    let body = b"{}";
    let right = standard_webhooks::sign(&secret(STANDARD_SECRET), ID, SECONDS, body).unwrap();
    let wrong = format!("v1,{} ", base64([0; 32])).repeat(100);
    let mut headers = standard_headers(ID, SECONDS, body);
    headers.insert("webhook-signature", HeaderValue::from_str(&(wrong + &right)).unwrap());
    assert!(verify(&standard_verifier(), &headers, URL, body).is_ok());

    let request = recorded(Provider::StandardWebhooks, "public_key");
    let right = request.headers["webhook-signature"].clone();
    for (wrong, expected) in [(7, Expect::Accepted), (8, Expect::Unproven)] {
        let mut posted = request.posted();
        let list = format!("v1a,{} ", base64([0; 64])).repeat(wrong) + &right;
        posted
            .headers
            .insert("webhook-signature", HeaderValue::from_str(&list).unwrap());
        assert_eq!(
            Expect::of(&posted.verify(&request.verifier())),
            expected,
            "{wrong} wrong ones before it"
        );
    }
}

#[test]
fn a_longer_age_is_taken_where_it_is_asked_for() {
    let request = recorded(Provider::SendGrid, "refused_old");
    let keys: Vec<_> = request.verifier.secrets.iter().map(|key| secret(key)).collect();
    let a_day = SendGridVerifier::new(&keys).unwrap().with_age_seconds_max(86_400);
    assert!(request.posted().verify(&Verifier::SendGrid(a_day)).is_ok());
}

#[test]
fn a_wrong_signature_is_told_before_a_stale_time() {
    let mut posted = recorded(Provider::StandardWebhooks, "refused_old").posted();
    posted.body.push(b' ');
    let outcome = posted.verify(&standard_verifier());
    assert_eq!(
        outcome,
        Err(WebhookError::StandardWebhooks(StandardWebhookError::SignatureWrong))
    );
}

#[test]
fn what_the_provider_names_is_itself_whatever_else_is_said() {
    let identity = |by: fn(&[u8]) -> Outcome, body: &str| by(body.as_bytes()).unwrap()[0].identity.clone();
    let check = |by, one: &str, same: &str, other: &str| {
        assert_eq!(identity(by, one), identity(by, same), "{one} {same}");
        assert_ne!(identity(by, one), identity(by, other), "{one} {other}");
    };
    check(
        by_sendgrid,
        r#"[{"event":"open","sg_event_id":"e1"}]"#,
        r#"[{"event":"open","sg_event_id":"e1","ip":"192.0.2.1"}]"#,
        r#"[{"event":"open","sg_event_id":"e2"}]"#,
    );
    check(
        by_sendgrid,
        r#"[{"event":"open"}]"#,
        r#"[{"event":"open"},{"event":"click"}]"#,
        r#"[{"event":"open","ip":"192.0.2.1"}]"#,
    );
    check(
        by_twilio,
        "MessageSid=SM1&MessageStatus=sent",
        "MessageStatus=sent&New=1&MessageSid=SM1",
        "MessageSid=SM1&MessageStatus=delivered",
    );
    check(
        by_twilio,
        "CallSid=CA1&SequenceNumber=1&CallStatus=ringing",
        "CallSid=CA1&SequenceNumber=1&CallStatus=ringing&New=1",
        "CallSid=CA1&SequenceNumber=2&CallStatus=ringing",
    );
    check(
        by_green_api,
        r#"{"typeWebhook":"outgoingMessageStatus","idMessage":"1","status":"sent","timestamp":1}"#,
        r#"{"typeWebhook":"outgoingMessageStatus","idMessage":"1","status":"sent","timestamp":2}"#,
        r#"{"typeWebhook":"outgoingMessageStatus","idMessage":"1","status":"read","timestamp":1}"#,
    );
    check(
        by_vapi,
        r#"{"message":{"type":"status-update","status":"ringing","call":{"id":"1"},"timestamp":1}}"#,
        r#"{"message":{"type":"status-update","status":"ringing","call":{"id":"1"},"timestamp":2}}"#,
        r#"{"message":{"type":"status-update","status":"ended","call":{"id":"1"},"timestamp":1}}"#,
    );
    check(
        by_vapi,
        r#"{"message":{"type":"transcript","call":{"id":"1"},"timestamp":1}}"#,
        r#"{"message":{"type":"transcript","call":{"id":"1"},"timestamp":1,"new":1}}"#,
        r#"{"message":{"type":"transcript","call":{"id":"1"},"timestamp":2}}"#,
    );
}

#[test]
fn the_id_in_the_header_names_what_svix_delivers_and_neither_time_nor_body_does() {
    for verifier in [standard_verifier(), resend_verifier()] {
        let identity = |id, timestamp, body: &[u8]| {
            let events = verify(&verifier, &standard_headers(id, timestamp, body), URL, body).unwrap();
            events[0].identity.clone()
        };
        let (one, other) = (br#"{"type":"email.sent"}"#, br#"{"type":"email.sent","data":{}}"#);
        assert_eq!(identity("msg_1", SECONDS, one), identity("msg_1", "1772446600", other));
        assert_ne!(identity("msg_1", SECONDS, one), identity("msg_2", SECONDS, one));
    }
}
