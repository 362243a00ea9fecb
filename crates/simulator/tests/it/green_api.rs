//! Green-API.

use providers::event::{Channel as Way, DeliveryStatus, InboundMessage};
use providers::green_api::GreenApiVerifier;
use providers::{News, Verifier};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use simulator::{
    Account, Answer, Channel, Fault, GreenApiAccount, Misbehaviour, Provider, Reply, Script, Selector, Simulator,
    Status, Step,
};

use crate::support::{ANA, Ear, LIMIT, OURS, answer, client, settings, start};

const INSTANCE: u64 = 1_101_000_001;
const TOKEN: &str = "fixtureApiToken0001";
const CHAT: &str = "12025550143@c.us";

async fn simulator(ear: &Ear) -> Simulator {
    start(vec![account(ear)]).await
}

fn account(ear: &Ear) -> Account {
    let mut account = GreenApiAccount::new(INSTANCE, TOKEN, OURS);
    account.webhook_url = Some(ear.url.clone());
    account.webhook_token = "webhook-token".into();
    Account::GreenApi(account)
}

fn verifier() -> Verifier {
    let verifier = GreenApiVerifier::new([&"webhook-token".into()]).unwrap();
    Verifier::GreenApi(verifier.for_instance(INSTANCE))
}

fn request(simulator: &Simulator, method: &str, name: &str) -> RequestBuilder {
    let url = format!("{}/green-api/waInstance{INSTANCE}/{name}/{TOKEN}", simulator.url());
    client().request(method.parse().unwrap(), url)
}

fn send(simulator: &Simulator, body: &Value) -> RequestBuilder {
    request(simulator, "POST", "sendMessage").json(body)
}

fn hello() -> Value {
    json!({ "chatId": CHAT, "message": "Hello", "linkPreview": false })
}

fn taking() -> impl Fn(usize) -> (u16, &'static str, String) {
    |_| (200, "", String::new())
}

#[tokio::test]
async fn a_message_is_accepted_and_its_way_is_told_with_the_token() {
    let mut ear = Ear::answering(taking()).await;
    let simulator = simulator(&ear).await;
    simulator.set_script(Selector::all(), Script::engaged()).unwrap();
    let (status, sent) = answer(send(&simulator, &hello())).await;
    assert_eq!(status, 200);
    let id = sent["idMessage"].as_str().unwrap();
    for expected in [DeliveryStatus::Sent, DeliveryStatus::Delivered, DeliveryStatus::Read] {
        let report = ear.next().await.report(&verifier());
        assert_eq!((report.status, report.channel), (expected, Way::Whatsapp));
        assert_eq!(
            (report.external_id.as_deref(), report.recipient.unwrap().expose()),
            (Some(id), ANA)
        );
    }
    let ledger = simulator.settled(LIMIT).await.unwrap();
    assert_eq!(ledger.effects_to(ANA).next().unwrap().external_id, id);
    let wanted = json!({ "chatId": CHAT, "idMessage": id });
    let (_, found) = answer(request(&simulator, "POST", "getMessage").json(&wanted)).await;
    assert_eq!(
        (&found["statusMessage"], &found["textMessage"]),
        (&json!("read"), &json!("Hello"))
    );
    let nothing = json!({ "chatId": CHAT, "idMessage": "x" });
    assert_eq!(
        answer(request(&simulator, "POST", "getMessage").json(&nothing)).await.0,
        404
    );
}

#[tokio::test]
async fn a_message_is_in_the_queue_and_then_in_the_journal() {
    let ear = Ear::answering(taking()).await;
    let simulator = simulator(&ear).await;
    let late = Step {
        status: Status::Sent,
        after_ms: 600_000,
        code: None,
    };
    let script = Script {
        steps: vec![late],
        ..Script::default()
    };
    simulator.set_script(Selector::all(), script).unwrap();
    simulator
        .set_fault(Fault::from(Misbehaviour::LostAnswer).times(1))
        .unwrap();
    assert!(send(&simulator, &hello()).send().await.is_err());
    let list = |name| answer(request(&simulator, "GET", name));
    let (_, queue) = list("showMessagesQueue").await;
    assert_eq!(
        (&queue[0]["body"]["chatId"], &queue[0]["body"]["message"]),
        (&json!(CHAT), &json!("Hello"))
    );
    assert_eq!(list("lastOutgoingMessages").await.1, json!([]));
    simulator
        .set_script(Selector::all(), Script::of([Status::Sent]))
        .unwrap();
    let (_, sent) = answer(send(&simulator, &hello())).await;
    let passed = |ledger: &simulator::Ledger| ledger.effects().any(|effect| effect.status().is_some());
    simulator.wait_for(LIMIT, passed).await.unwrap();
    let (_, journal) = list("lastOutgoingMessages").await;
    assert_eq!(
        (&journal[0]["idMessage"], &journal[0]["statusMessage"]),
        (&sent["idMessage"], &json!("sent"))
    );
    assert_eq!(list("showMessagesQueue").await.1.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_does_not_arrive_says_why() {
    let mut ear = Ear::answering(taking()).await;
    let simulator = simulator(&ear).await;
    for (script, status, code) in [
        (Script::of([Status::Failed]), DeliveryStatus::Failed, "failed"),
        (Script::of([Status::Bounced]), DeliveryStatus::Failed, "noAccount"),
        (
            Script::of([Status::Failed]).because("notInGroup"),
            DeliveryStatus::Failed,
            "notInGroup",
        ),
        (Script::of([Status::Delayed]), DeliveryStatus::Delayed, "yellowCard"),
    ] {
        simulator.set_script(Selector::all(), script).unwrap();
        answer(send(&simulator, &hello())).await;
        let report = ear.next().await.report(&verifier());
        assert_eq!((report.status, report.error_code.as_deref()), (status, Some(code)));
    }
}

#[tokio::test]
async fn one_notification_holds_up_those_behind_it_until_it_was_answered_with_exactly_200() {
    let mut ear = Ear::answering(|attempt| (if attempt < 2 { 202 } else { 200 }, "", String::new())).await;
    let mut settings = settings(vec![account(&ear)]);
    // Of the minute that Green-API waits, long enough that the second message would overtake the first.
    settings.telling.pace = 0.005;
    let simulator = Simulator::start(settings).await.unwrap();
    simulator
        .set_script(Selector::all(), Script::of([Status::Sent]))
        .unwrap();
    let (_, first) = answer(send(&simulator, &hello())).await;
    simulator
        .wait_for(LIMIT, |ledger| ledger.told().len() > 0)
        .await
        .unwrap();
    let (_, second) = answer(send(&simulator, &hello())).await;
    let ledger = simulator.settled(LIMIT).await.unwrap();
    let told: Vec<_> = ledger
        .told()
        .map(|told| (told.external_id.clone(), told.answer))
        .collect();
    let id = |sent: &Value| sent["idMessage"].as_str().map(str::to_owned);
    let expected = [
        (id(&first), Answer::Status(202)),
        (id(&first), Answer::Status(202)),
        (id(&first), Answer::Status(200)),
        (id(&second), Answer::Status(200)),
    ];
    assert_eq!(told, expected);
    assert_eq!(ear.rest().len(), 4);
}

#[tokio::test]
async fn what_green_api_would_refuse_is_refused() {
    let ear = Ear::start().await;
    let simulator = simulator(&ear).await;
    let url =
        |instance: &str, name: &str, token: &str| format!("{}/green-api/{instance}/{name}/{token}", simulator.url());
    let post = |url: String| answer(client().post(url).json(&hello()));
    assert_eq!(post(url("waInstance1101000001", "sendMessage", "wrong")).await.0, 401);
    assert_eq!(post(url("waInstance1", "sendMessage", TOKEN)).await.0, 403);
    assert_eq!(post(url("waInstance1101000001", "explode", TOKEN)).await.0, 404);
    for body in [
        json!({}),
        json!({ "chatId": "+12025550143", "message": "x" }),
        json!({ "chatId": CHAT, "message": "" }),
    ] {
        let (status, refused) = answer(send(&simulator, &body)).await;
        assert!(
            status == 400 && refused["message"].as_str().unwrap().starts_with("Validation failed"),
            "{refused}"
        );
        assert!(!refused.to_string().contains(TOKEN));
    }
    let quota = Misbehaviour::Refuse {
        status: 466,
        code: String::new(),
    };
    simulator.set_fault(quota).unwrap();
    let (status, refused) = answer(send(&simulator, &hello())).await;
    assert_eq!(
        (status, &refused["invokeStatus"]["status"]),
        (466, &json!("QUOTE_EXCEEDED"))
    );
    assert_eq!(
        answer(request(&simulator, "GET", "getStateInstance")).await.1["stateInstance"],
        "authorized"
    );
    assert_eq!(simulator.ledger().effects().len(), 0);
}

#[tokio::test]
async fn a_telephone_answers_presses_a_button_and_quotes() {
    let mut ear = Ear::answering(taking()).await;
    let simulator = simulator(&ear).await;
    simulator.set_script(Selector::all(), Script::silent()).unwrap();
    let (_, sent) = answer(send(&simulator, &hello())).await;
    let id = sent["idMessage"].as_str().unwrap().to_owned();
    let reply = |text: &str| Reply::new(Provider::GreenApi, Channel::Whatsapp, ANA, text);
    let mut quoting = reply("Yes to this");
    quoting.answers = Some(id.clone());
    let ids = [
        simulator.reply(&reply("Oui 👋")).unwrap(),
        simulator.reply(&reply("").pressing("confirm_1001", "Confirm")).unwrap(),
        simulator.reply(&quoting).unwrap(),
    ];
    let mut messages = Vec::new();
    for id in ids {
        let event = ear.next().await.events(&verifier()).remove(0);
        let News::Inbound(message) = event.news else {
            panic!("no message but {event:?}");
        };
        assert_eq!(
            (message.external_id.as_str(), message.from.expose()),
            (id.as_str(), ANA)
        );
        messages.push(message);
    }
    let text = |message: &InboundMessage| message.text.as_ref().unwrap().expose().to_owned();
    assert_eq!(
        messages.iter().map(text).collect::<Vec<_>>(),
        ["Oui 👋", "Confirm", "Yes to this"]
    );
    let button = messages[1].button.as_ref().unwrap();
    assert_eq!(button.payload.as_ref().unwrap().expose(), "confirm_1001");
    assert_eq!(messages[2].answers.as_deref(), Some(id.as_str()));
}
