#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use domain::FailureCause;
use http::{HeaderMap, HeaderName, HeaderValue};
use providers::event::{DeliveryReport, Permanence};
use providers::green_api::GreenApiVerifier;
use providers::resend::ResendVerifier;
use providers::sendgrid::SendGridVerifier;
use providers::standard_webhooks::StandardVerifier;
use providers::twilio::TwilioVerifier;
use providers::vapi::{HmacPlan, VapiVerifier};
use providers::{News, Provider, Request, Verifier};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::*;

const ENDPOINT: EndpointId = EndpointId(Uuid::from_u128(1));

/// An event of which nothing but its name matters.
fn event(identity: &str) -> Event {
    let event = json!({
        "provider": "sendgrid", "kind": "open", "identity": identity, "occurred_at": "2026-03-02T10:00:00Z",
        "news": "other", "raw": "{}",
    });
    serde_json::from_value(event).unwrap()
}

fn events(count: usize) -> Vec<Event> {
    (0..count).map(|number| event(&number.to_string())).collect()
}

fn constraint() -> StoreError {
    StoreError::Constraint("messages_channel".into())
}

fn passing() -> StoreError {
    StoreError::Refused("code 42P01".into())
}

#[test]
fn an_event_that_is_told_twice_in_a_request_is_kept_once() {
    let jobs = RecordProviderEvents::split(ENDPOINT, vec![event("a"), event("b"), event("a")]);
    let identities: Vec<_> = jobs
        .iter()
        .flat_map(|job| &job.events)
        .map(|event| &*event.identity)
        .collect();
    assert_eq!(identities, ["a", "b"]);
}

#[test]
fn a_large_request_becomes_a_few_jobs_and_an_empty_one_none() {
    for (count, expected) in [
        (0, &[][..]),
        (1, &[1]),
        (EVENTS_PER_JOB_MAX, &[EVENTS_PER_JOB_MAX]),
        (2 * EVENTS_PER_JOB_MAX + 1, &[EVENTS_PER_JOB_MAX, EVENTS_PER_JOB_MAX, 1]),
    ] {
        let jobs = RecordProviderEvents::split(ENDPOINT, events(count));
        let sizes: Vec<_> = jobs.iter().map(|job| job.events.len()).collect();
        assert_eq!(sizes, expected, "{count}");
    }
}

#[test]
fn a_job_is_the_same_only_with_the_same_events_at_the_same_endpoint() {
    let key = |endpoint: u128, identities: &[&str]| {
        let events = identities.iter().map(|identity| event(identity)).collect();
        let endpoint = EndpointId(Uuid::from_u128(endpoint));
        RecordProviderEvents { endpoint, events }.unique()
    };
    assert_eq!(key(1, &["a", "b"]), key(1, &["a", "b"]));
    for other in [key(2, &["a", "b"]), key(1, &["a"]), key(1, &["a", "b", "c"])] {
        assert_ne!(key(1, &["a", "b"]), other);
    }
}

/// A message that this sender wrote.
fn written(identity: &str, from: &str, group: Option<&str>) -> Event {
    let event = json!({
        "provider": "twilio", "kind": "received", "identity": identity, "occurred_at": "2026-03-02T10:00:00Z", "raw": "",
        "news": { "inbound": { "channel": "sms", "external_id": identity, "from": from, "group": group } },
    });
    serde_json::from_value(event).unwrap()
}

#[test]
fn what_one_person_writes_to_an_endpoint_stands_in_one_line_that_does_not_say_who_it_is() {
    let line = |endpoint: u128, events: Vec<Event>| {
        let endpoint = EndpointId(Uuid::from_u128(endpoint));
        RecordProviderEvents { endpoint, events }.order_key()
    };
    let (ana, ben) = ("+12025550143", "+12025550144");
    let first = line(1, vec![written("SM1", ana, None)]).unwrap();
    assert_eq!(line(1, vec![written("SM2", ana, None)]).unwrap(), first);
    assert_ne!(line(1, vec![written("SM3", ben, None)]).unwrap(), first);
    assert_ne!(line(2, vec![written("SM4", ana, None)]).unwrap(), first);
    assert_eq!(first.len(), "from::".len() + 36 + 5, "{first} says too much");
    assert!(!first.contains(&ana[1..]), "{first}");
}

#[test]
fn only_a_message_that_somebody_wrote_to_us_stands_in_a_line() {
    let ana = "+12025550143";
    for events in [
        vec![event("a")],
        vec![event("a"), event("b")],
        vec![written("SM1", ana, None), written("SM2", ana, None)],
        vec![written("SM1", ana, Some("120363@g.us"))],
    ] {
        let endpoint = ENDPOINT;
        assert_eq!(RecordProviderEvents { endpoint, events }.order_key(), None);
    }
}

/// How many are set aside of a job with `of` events, or how it fails.
fn check(of: usize, failed: Vec<StoreError>, expected: Result<usize, &str>) {
    let failed = failed.into_iter().map(|error| (event("a"), error)).collect();
    let verdict = match decide(of, failed) {
        Verdict::SetAside(failed) => Ok(failed.len()),
        Verdict::Failed(JobError::Dead(_)) => Err("dead"),
        Verdict::Failed(JobError::Retry(_)) => Err("retry"),
        Verdict::Failed(other) => panic!("{other:?}"),
    };
    assert_eq!(verdict, expected, "{of}");
}

#[test]
fn an_event_that_fails_is_set_aside_from_the_others_and_dies_alone() {
    check(3, vec![], Ok(0));
    check(3, vec![constraint()], Ok(1));
    check(3, vec![passing()], Ok(1));
    check(1, vec![constraint()], Err("dead"));
    check(1, vec![passing()], Err("retry"));
}

#[test]
fn a_failure_that_all_events_share_and_that_may_pass_is_waited_for_together() {
    check(3, vec![passing(), passing(), passing()], Err("retry"));
    check(3, vec![constraint(), constraint(), constraint()], Ok(3));
    check(3, vec![constraint(), passing(), passing()], Ok(3));
}

#[test]
fn what_a_failure_says_of_the_recipient_is_read_from_the_providers_codes() {
    use FailureCause::{NoSuchRecipient, OptedOut, Other, Passing};
    use Provider::{GreenApi, Resend, SendGrid, Twilio};
    let report = |code: &str, permanence: Option<Permanence>, reason: Option<&str>| -> DeliveryReport {
        let report = json!({
            "status": "failed", "channel": "sms", "error_code": code, "permanence": permanence, "reason": reason,
        });
        serde_json::from_value(report).unwrap()
    };
    for (provider, code, expected) in [
        (Twilio, "21610", OptedOut),
        (Twilio, "63014", OptedOut),
        (Twilio, "21211", NoSuchRecipient),
        (Twilio, "30005", NoSuchRecipient),
        (Twilio, "30006", NoSuchRecipient),
        (Twilio, "63003", NoSuchRecipient),
        (Twilio, "30003", Passing),
        (Twilio, "30004", Other),
        (Twilio, "30007", Other),
        (Twilio, "63016", Other),
        (Twilio, "99999", Other),
        (GreenApi, "noAccount", NoSuchRecipient),
        (GreenApi, "notInGroup", Other),
        (SendGrid, "5.1.1", NoSuchRecipient),
        (SendGrid, "5.1.10", NoSuchRecipient),
        (SendGrid, "5.1.8", Other),
        (SendGrid, "5.2.2", Passing),
        (SendGrid, "5.7.26", Passing),
        (SendGrid, "4.2.1", Passing),
        (SendGrid, "", Other),
        (Resend, "NoEmail", NoSuchRecipient),
        (Resend, "previous_bounce", NoSuchRecipient),
        (Resend, "previous_complaint", OptedOut),
        (Resend, "MailboxFull", Passing),
        (Resend, "General", Other),
    ] {
        assert_eq!(
            cause::of(provider, &report(code, None, None)),
            expected,
            "{provider:?} {code}"
        );
    }
    let blocked = report("5.0.0", Some(Permanence::Transient), None);
    assert_eq!(cause::of(SendGrid, &blocked), Passing);
    let unsubscribed = report("", None, Some("Unsubscribed Address"));
    assert_eq!(cause::of(SendGrid, &unsubscribed), OptedOut);
}

/// What every recorded body is recorded as. Other requests differ from these in their proof only.
#[test]
fn bodies_become_the_records_that_they_always_did() {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in recorded() {
        if let Some(file) = &request.file {
            all.insert(file.clone(), request.events().iter().map(told).collect());
        }
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_json_snapshot!("records", all);
    });
}

/// A record in a line, without what is personal.
fn told(event: &Event) -> String {
    match record::of(event) {
        Record::Report(report) => {
            let known = |is_known: bool, what: &'static str| is_known.then_some(what);
            let known = [
                known(report.external_id.is_some(), "message"),
                known(report.message.is_some(), "our message"),
                known(report.recipient.is_some(), "recipient"),
                known(report.url.is_some(), "url"),
                known(report.by_machine, "by a machine"),
            ];
            let known: Vec<_> = known.into_iter().flatten().collect();
            let (kind, channel, cause) = (report.kind.as_str(), report.channel.as_str(), report.cause.as_str());
            format!(
                "report: {kind} by {channel}, cause {cause}; known: {}",
                known.join(", ")
            )
        }
        Record::Inbound(inbound) => {
            let has_sender = inbound.sender().is_some();
            let (intent, channel) = (inbound.intent(), inbound.channel.as_str());
            format!("inbound: {} by {channel}, sender {has_sender}", intent.as_str())
        }
        Record::Kept(kept) => {
            let read: Event = serde_json::from_str(kept.content.expose()).unwrap();
            assert_eq!(&read, event, "all of it is kept");
            let what = match event.news {
                News::Call(_) => "call",
                News::Question(_) => "question",
                News::SenderState { .. } => "state of a sender",
                News::Inbound(_) => "message in a group",
                News::Report(_) | News::Other => "unknown",
            };
            format!("kept: {what} {}", kept.word)
        }
    }
}

#[derive(Deserialize)]
struct Recorded {
    provider: Provider,
    expect: String,
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
    file: Option<String>,
    #[serde(default)]
    body: String,
    received_at: DateTime<Utc>,
    verifier: Settings,
}

#[derive(Deserialize)]
struct Settings {
    secrets: Vec<String>,
    way: Option<String>,
    header: Option<String>,
    plan: Option<HmacPlan>,
}

/// The recorded requests that are taken.
fn recorded() -> Vec<Recorded> {
    #[derive(Deserialize)]
    struct Manifest {
        requests: Vec<Recorded>,
    }
    let text = std::fs::read(folder().join("manifest.json")).unwrap();
    let all = serde_json::from_slice::<Manifest>(&text).unwrap().requests;
    all.into_iter().filter(|request| request.expect == "accepted").collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/webhooks")
}

impl Recorded {
    fn events(&self) -> Vec<Event> {
        let header = |(name, value): (&String, &String)| -> (HeaderName, HeaderValue) {
            (name.parse().unwrap(), value.parse().unwrap())
        };
        let body = match &self.file {
            Some(file) => std::fs::read(folder().join(file)).unwrap(),
            None => self.body.clone().into_bytes(),
        };
        let headers: HeaderMap = self.headers.iter().map(header).collect();
        let request = Request {
            method: &self.method,
            url: &self.url,
            headers: &headers,
            body: &body,
            received_at: self.received_at,
        };
        self.verifier().verify(&request).unwrap().into_inner()
    }

    fn verifier(&self) -> Verifier {
        let settings = &self.verifier;
        let secrets: Vec<SecretString> = settings.secrets.iter().map(|text| text.as_str().into()).collect();
        match self.provider {
            Provider::SendGrid => Verifier::SendGrid(SendGridVerifier::new(&secrets).unwrap()),
            Provider::Resend => Verifier::Resend(ResendVerifier::new(&secrets).unwrap()),
            Provider::StandardWebhooks => Verifier::StandardWebhooks(StandardVerifier::new(&secrets).unwrap()),
            Provider::Twilio => Verifier::Twilio(TwilioVerifier::new(&secrets).unwrap()),
            Provider::GreenApi => Verifier::GreenApi(GreenApiVerifier::new(&secrets).unwrap()),
            Provider::Vapi => Verifier::Vapi(match (&settings.plan, settings.way.as_deref()) {
                (Some(plan), _) => VapiVerifier::hmac(&secrets, plan.clone()).unwrap(),
                (None, Some("bearer")) => VapiVerifier::bearer(&secrets, settings.header.as_deref()).unwrap(),
                (None, _) => VapiVerifier::secret(&secrets).unwrap(),
            }),
            Provider::Smtp => panic!("no mail server posts webhooks"),
        }
    }
}
