//! SendGrid.

use providers::event::{DeliveryReport, DeliveryStatus, Permanence};
use providers::sendgrid::SendGridVerifier;
use providers::{News, Verifier};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use simulator::{Account, Answer, Fault, Misbehaviour, Provider, Script, Selector, SendGridAccount, Simulator, Status};

use crate::mail_support::ANA;
use crate::support::{Ear, Heard, LIMIT, answer, client, start};

const KEY: &str = "SG.fixture.key";

async fn simulator(ear: &Ear, batch_ms: u64) -> (Simulator, Verifier) {
    let mut account = SendGridAccount::new("desk", KEY);
    account.events_url = Some(ear.url.clone());
    account.batch_ms = batch_ms;
    let key = account.key.public_key().into();
    let verifier = Verifier::SendGrid(SendGridVerifier::new([&key]).unwrap());
    (start(vec![Account::SendGrid(account)]).await, verifier)
}

fn body() -> Value {
    json!({
        "personalizations": [{
            "to": [{ "email": ANA, "name": "Ana Example" }],
            "custom_args": { "message_id": "msg_1001", "event": "mine" },
        }],
        "from": { "email": "desk@mail.example.com" },
        "subject": "Your appointment",
        "content": [
            { "type": "text/plain", "value": "See you at 14:30." },
            { "type": "text/html", "value": "<p>See you <a href=\"https://x.test/go\">at 14:30</a>.</p>" },
        ],
        "categories": ["appointment"],
        "custom_args": { "env": "test" },
    })
}

fn send(simulator: &Simulator, body: &Value) -> RequestBuilder {
    let request = client().post(format!("{}/sendgrid/v3/mail/send", simulator.url()));
    request.bearer_auth(KEY).json(body)
}

fn reports(heard: &Heard, verifier: &Verifier) -> Vec<DeliveryReport> {
    let events = heard.events(verifier).into_iter();
    let report = |event: providers::Event| match event.news {
        News::Report(report) => report,
        other => panic!("no report but {other:?}"),
    };
    events.map(report).collect()
}

#[tokio::test]
async fn a_mail_is_accepted_without_a_word_and_its_way_is_told_in_signed_batches() {
    let mut ear = Ear::start().await;
    let (simulator, verifier) = simulator(&ear, 0).await;
    simulator.set_script(Selector::all(), Script::engaged()).unwrap();
    let response = send(&simulator, &body()).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 202);
    let id = response.headers()["x-message-id"].to_str().unwrap().to_owned();
    assert!(response.bytes().await.unwrap().is_empty());
    let ledger = simulator.settled(LIMIT).await.unwrap();
    let effect = ledger.effects_to(ANA).next().unwrap();
    assert_eq!(
        (effect.external_id.as_str(), effect.reference.as_deref()),
        (id.as_str(), Some("msg_1001"))
    );
    assert_eq!(effect.text.expose(), "See you at 14:30.");
    let all: Vec<_> = ear.rest().iter().flat_map(|heard| reports(heard, &verifier)).collect();
    use DeliveryStatus::{Clicked, Delivered, Opened, Sent};
    let statuses: Vec<_> = all.iter().map(|report| report.status).collect();
    assert_eq!(statuses, [Sent, Delivered, Opened, Clicked]);
    for report in &all {
        assert_eq!(report.external_id.as_deref(), Some(id.as_str()));
        assert_eq!(report.recipient.as_ref().unwrap().expose(), ANA);
        // Those of the recipient and those of all; one that has the name of a field of SendGrid's gives way.
        let tags: Vec<_> = report
            .tags
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose()))
            .collect();
        assert_eq!(tags, [("env", "test"), ("message_id", "msg_1001")]);
    }
    assert_eq!(all[3].url.as_ref().unwrap().expose(), "https://x.test/go");
}

#[tokio::test]
async fn events_of_several_mails_travel_together() {
    let mut ear = Ear::start().await;
    let (simulator, verifier) = simulator(&ear, 200).await;
    let mut two = body();
    two["personalizations"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "to": [{ "email": "bob@example.com" }] }));
    simulator
        .set_script(Selector::all(), Script::of([Status::Sent]))
        .unwrap();
    answer(send(&simulator, &two)).await;
    let heard = ear.next().await;
    let mut to: Vec<_> = reports(&heard, &verifier)
        .iter()
        .map(|report| report.recipient.clone().unwrap())
        .collect();
    to.sort_by_key(|to| to.expose().to_owned());
    assert!(to.iter().map(|to| to.expose()).eq([ANA, "bob@example.com"]));
    // CR LF after every element: what is signed is bytes, not JSON.
    assert!(heard.body.ends_with(b"}]\r\n") && heard.body.windows(4).any(|bytes| bytes == b"},\r\n"));
    let ledger = simulator.settled(LIMIT).await.unwrap();
    assert_eq!(ledger.told().next().unwrap().kind, "processed,processed");
}

#[tokio::test]
async fn what_goes_wrong_says_why_and_whether_for_good() {
    let mut ear = Ear::start().await;
    let (simulator, verifier) = simulator(&ear, 0).await;
    let permanent = Some(Permanence::Permanent);
    let transient = Some(Permanence::Transient);
    for (status, expected, code, permanence) in [
        (Status::Bounced, DeliveryStatus::Bounced, Some("5.1.1"), permanent),
        (Status::Undelivered, DeliveryStatus::Bounced, Some("5.7.1"), transient),
        (Status::Delayed, DeliveryStatus::Delayed, None, transient),
        (Status::Dropped, DeliveryStatus::Dropped, Some("5.0.0"), None),
        (Status::Complained, DeliveryStatus::Complained, None, None),
        (Status::Unsubscribed, DeliveryStatus::Unsubscribed, None, None),
    ] {
        simulator.set_script(Selector::all(), Script::of([status])).unwrap();
        answer(send(&simulator, &body())).await;
        let report = reports(&ear.next().await, &verifier).remove(0);
        assert_eq!(
            (report.status, report.error_code.as_deref(), report.permanence),
            (expected, code, permanence)
        );
    }
}

#[tokio::test]
async fn an_event_told_twice_is_the_same_event() {
    let mut ear = Ear::answering(|attempt| (if attempt == 0 { 500 } else { 200 }, "", String::new())).await;
    let (simulator, verifier) = simulator(&ear, 0).await;
    let twice = Script {
        duplicates: 1.0,
        ..Script::of([Status::Delivered])
    };
    simulator.set_script(Selector::all(), twice).unwrap();
    answer(send(&simulator, &body())).await;
    let ledger = simulator.settled(LIMIT).await.unwrap();
    let identities: Vec<_> = ear
        .rest()
        .iter()
        .flat_map(|heard| heard.events(&verifier))
        .map(|event| event.identity)
        .collect();
    assert!(identities.len() >= 2 && identities.iter().all(|identity| *identity == identities[0]));
    let answers: Vec<_> = ledger.told().map(|told| told.answer).collect();
    assert!(answers.contains(&Answer::Status(500)) && answers.contains(&Answer::Status(200)));
}

#[tokio::test]
async fn what_sendgrid_would_refuse_is_refused_with_the_field() {
    let ear = Ear::start().await;
    let (simulator, _) = simulator(&ear, 0).await;
    let without = |name: &str| {
        let mut body = body();
        body.as_object_mut().unwrap().remove(name);
        body
    };
    let with = |path: &str, value: Value| {
        let mut body = body();
        *body.pointer_mut(path).unwrap() = value;
        body
    };
    let ana_twice = json!([{ "email": ANA }, { "email": "Ana@example.com" }]);
    for (body, field) in [
        (without("personalizations"), "personalizations"),
        (without("from"), "from.email"),
        (without("subject"), "subject"),
        (without("content"), "content"),
        (with("/content/0/value", json!("")), "content.value"),
        (with("/content/1/type", json!("text/plain")), "content"),
        (with("/personalizations/0/to", json!([])), "personalizations.to"),
        (
            with("/personalizations/0/to/0/email", json!("ana")),
            "personalizations.to",
        ),
        (with("/personalizations/0/to", ana_twice), "personalizations"),
    ] {
        let (status, refused) = answer(send(&simulator, &body)).await;
        assert_eq!(
            (status, &refused["errors"][0]["field"]),
            (400, &json!(field)),
            "{refused}"
        );
    }
    let unauthenticated = client()
        .post(format!("{}/sendgrid/v3/mail/send", simulator.url()))
        .bearer_auth("wrong");
    assert_eq!(answer(unauthenticated).await.0, 401);
    assert_eq!(
        answer(client().get(format!("{}/sendgrid/v3/mail/send", simulator.url())))
            .await
            .0,
        405
    );
    assert_eq!(
        answer(client().post(format!("{}/sendgrid/v3/nothing", simulator.url())))
            .await
            .0,
        404
    );
    let mut sandboxed = body();
    sandboxed["mail_settings"] = json!({ "sandbox_mode": { "enable": true } });
    assert_eq!(answer(send(&simulator, &sandboxed)).await.0, 200);
    assert_eq!(simulator.ledger().effects().len(), 0);
}

#[tokio::test]
async fn too_many_requests_say_when_the_next_are_taken() {
    let ear = Ear::start().await;
    let (simulator, _) = simulator(&ear, 0).await;
    let too_many = Fault::from(Misbehaviour::TooManyRequests {
        retry_after_seconds: 60,
    });
    simulator
        .set_fault(too_many.with(Selector::provider(Provider::SendGrid).to(ANA)))
        .unwrap();
    let response = send(&simulator, &body()).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 429);
    assert!(!response.headers().contains_key("retry-after"));
    let reset: i64 = response.headers()["x-ratelimit-reset"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let wait = reset - chrono::Utc::now().timestamp();
    assert!((1..=60).contains(&wait), "{wait}");
}

#[tokio::test]
async fn garbage_has_no_id_in_it() {
    let ear = Ear::start().await;
    let (simulator, _) = simulator(&ear, 0).await;
    simulator.set_fault(Misbehaviour::Garbage).unwrap();
    let response = send(&simulator, &body()).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 202);
    assert!(!response.headers().contains_key("x-message-id"));
    assert_eq!(simulator.ledger().effects().len(), 1);
}
