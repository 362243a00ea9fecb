//! Resend.

use providers::event::{DeliveryStatus, Permanence};
use providers::resend::ResendVerifier;
use providers::{News, Verifier};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use simulator::{
    Account, Channel, Fault, Misbehaviour, Provider, Reply, ResendAccount, Script, Selector, Simulator, Status,
    Unanswerable,
};

use crate::mail_support::ANA;
use crate::support::{Ear, LIMIT, answer, client, start};

const KEY: &str = "re_fixture";
const SECRET: &str = "whsec_Zml4dHVyZS1vbmx5LXNpZ25pbmctc2VjcmV0LTAwMDE=";

async fn simulator(ear: &Ear) -> Simulator {
    let mut account = ResendAccount::new("desk", KEY);
    account.webhook_url = Some(ear.url.clone());
    account.webhook_secret = SECRET.into();
    start(vec![Account::Resend(account)]).await
}

fn verifier() -> Verifier {
    Verifier::Resend(ResendVerifier::new([&SECRET.into()]).unwrap())
}

fn body() -> Value {
    json!({
        "from": "Example Desk <desk@mail.example.com>",
        "to": [ANA],
        "subject": "Your appointment",
        "html": "<p>See you at <a href=\"https://x.test/go?a=1&amp;b=2\">14:30</a>.</p>",
        "tags": [{ "name": "message_id", "value": "msg_1001" }],
    })
}

fn request(simulator: &Simulator, method: &str, path: &str) -> RequestBuilder {
    let url = format!("{}/resend/{path}", simulator.url());
    let request = client().request(method.parse().unwrap(), url);
    request.bearer_auth(KEY).header("user-agent", "test")
}

fn send(simulator: &Simulator, body: &Value) -> RequestBuilder {
    request(simulator, "POST", "emails").json(body)
}

#[tokio::test]
async fn a_mail_is_accepted_and_its_way_is_told_signed() {
    let mut ear = Ear::start().await;
    let simulator = simulator(&ear).await;
    simulator.set_script(Selector::all(), Script::engaged()).unwrap();
    let (status, sent) = answer(send(&simulator, &body())).await;
    assert_eq!(status, 200);
    let id = sent["id"].as_str().unwrap();
    use DeliveryStatus::{Clicked, Delivered, Opened, Sent};
    for expected in [Sent, Delivered, Opened, Clicked] {
        let report = ear.next().await.report(&verifier());
        assert_eq!((report.status, report.external_id.as_deref()), (expected, Some(id)));
        assert_eq!(report.recipient.unwrap().expose(), ANA);
        assert_eq!(report.tags["message_id"].expose(), "msg_1001");
        let url = report.url.as_ref().map(|url| url.expose());
        assert_eq!(url, (expected == Clicked).then_some("https://x.test/go?a=1&b=2"));
    }
    let ledger = simulator.settled(LIMIT).await.unwrap();
    let effect = ledger.effects_to(ANA).next().unwrap();
    assert_eq!(
        (effect.external_id.as_str(), effect.reference.as_deref()),
        (id, Some("msg_1001"))
    );
    assert_eq!(effect.text.expose().trim(), "See you at 14:30.");
    let (_, mail) = answer(request(&simulator, "GET", &format!("emails/{id}"))).await;
    assert_eq!((&mail["last_event"], &mail["to"]), (&json!("clicked"), &json!([ANA])));
    assert_eq!(answer(request(&simulator, "GET", "emails/nothing")).await.0, 404);
}

#[tokio::test]
async fn what_goes_wrong_says_why_and_whether_for_good() {
    let mut ear = Ear::start().await;
    let simulator = simulator(&ear).await;
    let permanent = Some(Permanence::Permanent);
    let transient = Some(Permanence::Transient);
    for (status, expected, code, permanence) in [
        (Status::Bounced, DeliveryStatus::Bounced, Some("General"), permanent),
        (
            Status::Undelivered,
            DeliveryStatus::Bounced,
            Some("MailboxFull"),
            transient,
        ),
        (
            Status::Failed,
            DeliveryStatus::Failed,
            Some("reached_daily_quota"),
            None,
        ),
        (Status::Dropped, DeliveryStatus::Dropped, Some("previous_bounce"), None),
        (Status::Complained, DeliveryStatus::Complained, None, None),
        (Status::Delayed, DeliveryStatus::Delayed, None, transient),
    ] {
        simulator.set_script(Selector::all(), Script::of([status])).unwrap();
        answer(send(&simulator, &body())).await;
        let report = ear.next().await.report(&verifier());
        assert_eq!(
            (report.status, report.error_code.as_deref(), report.permanence),
            (expected, code, permanence)
        );
    }
}

#[tokio::test]
async fn the_same_key_with_the_same_mail_sends_it_once_even_when_the_answer_was_lost() {
    let ear = Ear::start().await;
    let simulator = simulator(&ear).await;
    let keyed = |key: &str, body: &Value| send(&simulator, body).header("idempotency-key", key);
    simulator
        .set_fault(Fault::from(Misbehaviour::LostAnswer).times(1))
        .unwrap();
    assert!(keyed("k1", &body()).send().await.is_err());
    let (_, second) = answer(keyed("k1", &body())).await;
    let (_, third) = answer(keyed("k1", &body())).await;
    assert_eq!(second, third);
    let ledger = simulator.ledger();
    assert_eq!(ledger.effects().len(), 1);
    let effect = ledger.effects().next().unwrap();
    assert_eq!((effect.idempotency_key.as_deref(), effect.seen), (Some("k1"), 3));
    assert_eq!(second["id"], effect.external_id.as_str());
    let mut other = body();
    other["subject"] = json!("Another");
    let (status, refused) = answer(keyed("k1", &other)).await;
    assert_eq!((status, &refused["name"]), (409, &json!("invalid_idempotent_request")));
    assert_eq!(answer(keyed("k2", &body())).await.0, 200);
    let (status, refused) = answer(keyed(&"k".repeat(257), &body())).await;
    assert_eq!((status, &refused["name"]), (400, &json!("invalid_idempotency_key")));
    assert_eq!(simulator.ledger().effects().len(), 2);
}

#[tokio::test]
async fn a_key_is_in_use_as_long_as_its_request_and_free_again_when_nothing_came_of_it() {
    let ear = Ear::start().await;
    let simulator = simulator(&ear).await;
    let keyed = || send(&simulator, &body()).header("idempotency-key", "k1");
    let load = |ledger: &simulator::Ledger| {
        ledger
            .load(Provider::Resend, "desk")
            .map_or(0, simulator::Load::in_flight)
    };
    simulator.set_fault(Fault::from(Misbehaviour::Silent).times(1)).unwrap();
    let first = tokio::spawn(keyed().send());
    simulator.wait_for(LIMIT, |ledger| load(ledger) == 1).await.unwrap();
    let (status, refused) = answer(keyed()).await;
    assert_eq!(
        (status, &refused["name"]),
        (409, &json!("concurrent_idempotent_requests"))
    );
    first.abort();
    simulator.wait_for(LIMIT, |ledger| load(ledger) == 0).await.unwrap();
    let too_many = Misbehaviour::TooManyRequests { retry_after_seconds: 3 };
    simulator.set_fault(Fault::from(too_many).times(1)).unwrap();
    let response = keyed().send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"3".parse().unwrap())
    );
    assert_eq!(answer(keyed()).await.0, 200);
    assert_eq!(simulator.ledger().effects().len(), 1);
}

#[tokio::test]
async fn what_resend_would_refuse_is_refused_by_its_name() {
    let ear = Ear::start().await;
    let simulator = simulator(&ear).await;
    let without = |name: &str| {
        let mut body = body();
        body.as_object_mut().unwrap().remove(name);
        body
    };
    let with = |name: &str, value: Value| {
        let mut body = body();
        body[name] = value;
        body
    };
    for (body, status, name) in [
        (without("from"), 422, "missing_required_field"),
        (without("to"), 422, "missing_required_field"),
        (without("subject"), 422, "missing_required_field"),
        (without("html"), 422, "missing_required_field"),
        (with("from", json!("desk")), 422, "invalid_from_address"),
        (with("to", json!("ana")), 422, "invalid_parameter"),
        (
            with("tags", json!([{ "name": "é", "value": "x" }])),
            422,
            "invalid_parameter",
        ),
        (json!("x"), 400, "validation_error"),
    ] {
        let (answered, refused) = answer(send(&simulator, &body)).await;
        assert_eq!(
            (answered, &refused["name"], &refused["statusCode"]),
            (status, &json!(name), &json!(status))
        );
    }
    let url = format!("{}/resend/emails", simulator.url());
    let agent = || client().post(&url).header("user-agent", "test").json(&body());
    assert_eq!(answer(agent()).await.1["name"], "missing_api_key");
    assert_eq!(answer(agent().bearer_auth("wrong")).await.1["name"], "invalid_api_key");
    // The test's client sends no `User-Agent` by itself, and Resend demands one.
    assert_eq!(answer(client().post(&url).bearer_auth(KEY).json(&body())).await.0, 403);
    assert_eq!(simulator.ledger().effects().len(), 0);
}

#[tokio::test]
async fn a_mailbox_answers_and_the_mail_is_fetched() {
    let mut ear = Ear::start().await;
    let simulator = simulator(&ear).await;
    let mut reply = Reply::new(Provider::Resend, Channel::Email, ANA, "Yes, gladly");
    reply.subject = Some("Re: Your appointment".into());
    reply.name = Some("Ana Example".into());
    assert_eq!(simulator.reply(&reply), Err(Unanswerable::NoConversation));
    simulator.set_script(Selector::all(), Script::silent()).unwrap();
    answer(send(&simulator, &body())).await;
    let id = simulator.reply(&reply).unwrap();
    let event = ear.next().await.events(&verifier()).remove(0);
    let News::Inbound(message) = event.news else {
        panic!("no message but {event:?}");
    };
    assert_eq!(
        (message.external_id.as_str(), message.from.expose()),
        (id.as_str(), ANA)
    );
    assert_eq!(message.to.unwrap().expose(), "desk@mail.example.com");
    assert_eq!(message.subject.unwrap().expose(), "Re: Your appointment");
    let (_, mail) = answer(request(&simulator, "GET", &format!("emails/receiving/{id}"))).await;
    assert_eq!(
        (&mail["text"], &mail["from"]),
        (&json!("Yes, gladly"), &json!("Ana Example <ana@example.com>"))
    );
}

#[tokio::test]
async fn a_repetition_has_the_same_id_and_a_signature_of_its_own() {
    let mut ear = Ear::answering(|attempt| (if attempt < 3 { 503 } else { 200 }, "", String::new())).await;
    let simulator = simulator(&ear).await;
    simulator
        .set_script(Selector::all(), Script::of([Status::Delivered]))
        .unwrap();
    answer(send(&simulator, &body())).await;
    let ledger = simulator.settled(LIMIT).await.unwrap();
    assert_eq!(ledger.told().map(|told| told.attempt).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let heard = ear.rest();
    let identities: Vec<_> = heard
        .iter()
        .map(|heard| heard.events(&verifier()).remove(0).identity)
        .collect();
    assert!(identities.len() == 4 && identities.iter().all(|identity| *identity == identities[0]));
}
