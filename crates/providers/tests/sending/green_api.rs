//! What Green-API is asked, and what its answers mean.

use chrono::TimeDelta;
use providers::event::DeliveryStatus;
use providers::green_api::GreenApiVerifier;
use providers::outgoing::OutgoingWhatsapp;
use providers::{Class, Event, Failure, Outgoing, Provider, Reconcile, Request, Sent};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::http_server::{Answer, Api, answer};
use crate::{
    at, check_request, check_rows, check_shows_nothing_personal, now, number, row, sender, template, whatsapp,
};

const ID: &str = "3EB078617FFF363EC33F";

fn message() -> Outgoing {
    Outgoing::Whatsapp(OutgoingWhatsapp {
        from: None,
        ..whatsapp()
    })
}

#[tokio::test]
async fn a_message_is_asked_for_and_called_by_the_id_in_the_answer() {
    let api = Api::answering([answer(200, include_str!("answers/green_api/send_response_200.json"))]).await;
    let sent = sender(Provider::GreenApi, &at(api.base()))
        .send(&message(), now())
        .await
        .unwrap();
    assert_eq!((sent.external_id.as_str(), sent.status), (ID, DeliveryStatus::Queued));
    check_request("green_api_text", &api);
}

#[tokio::test]
async fn every_documented_answer_has_its_meaning() {
    use Class::{Configuration, Content, Quota, Unknown};
    use Failure::{Deferred, RateLimited, Rejected, Unauthorized, Unclear};
    let rows = [
        row(
            answer(400, include_str!("answers/green_api/error_400_validation.json")),
            Rejected(Content),
            "http_400",
        ),
        row(
            answer(400, "Instance in starting process try later"),
            Deferred,
            "http_400",
        ),
        row(
            answer(400, "Instance account not authorized"),
            Rejected(Configuration),
            "http_400",
        ),
        row(
            answer(400, r#"{"message":"Instance account is expired"}"#),
            Rejected(Configuration),
            "http_400",
        ),
        row(answer(400, "Instance is deleted"), Rejected(Configuration), "http_400"),
        row(answer(400, "about 12025550143"), Rejected(Unknown), "http_400"),
        row(
            answer(401, include_str!("answers/green_api/error_401.txt")),
            Unauthorized,
            "http_401",
        ),
        row(answer(403, ""), Rejected(Configuration), "http_403"),
        row(answer(404, ""), Rejected(Configuration), "http_404"),
        row(
            answer(429, include_str!("answers/green_api/error_429.txt")),
            RateLimited,
            "http_429",
        ),
        row(answer(429, "").with("Retry-After", "2"), RateLimited, "http_429").wait(2),
        row(
            answer(466, include_str!("answers/green_api/error_466_quota.json")),
            Rejected(Quota),
            "http_466",
        ),
        row(
            answer(466, include_str!("answers/green_api/error_466_chats.json")),
            Rejected(Quota),
            "http_466",
        ),
        row(answer(499, ""), Unclear, "http_499"),
        row(answer(500, ""), Unclear, "http_500"),
        row(answer(502, ""), Unclear, "http_502"),
        row(answer(200, "{}"), Unclear, "answer"),
        row(answer(200, "null"), Unclear, "answer"),
    ];
    check_rows(Provider::GreenApi, &message(), rows).await;
}

#[tokio::test]
async fn a_template_is_not_asked_for() {
    let api = Api::answering([answer(200, "{}")]).await;
    let sender = sender(Provider::GreenApi, &at(api.base()));
    let error = sender.send(&Outgoing::Whatsapp(template()), now()).await.unwrap_err();
    assert_eq!(
        (error.failure, &*error.code),
        (Failure::Rejected(Class::Content), "template")
    );
    assert!(api.seen().is_empty());
}

/// What a status notification tells.
fn told_by_notification(status: &str) -> Event {
    let token = SecretString::from("fixture-token");
    let body = json!({
        "typeWebhook": "outgoingMessageStatus", "instanceData": { "idInstance": 1_101_000_001 },
        "timestamp": now().timestamp(), "chatId": "12025550143@c.us", "idMessage": ID, "status": status, "sendByApi": true,
    });
    let body = body.to_string();
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", "Bearer fixture-token".parse().unwrap());
    let request = Request {
        method: "POST",
        url: "https://hooks.example.com/green-api",
        headers: &headers,
        body: body.as_bytes(),
        received_at: now(),
    };
    GreenApiVerifier::new([&token])
        .unwrap()
        .verify(&request)
        .unwrap()
        .into_inner()
}

#[tokio::test]
async fn what_is_fetched_is_the_event_that_the_notification_would_have_been() {
    let fetch = async |answer: Answer| {
        let api = Api::answering([answer]).await;
        let sender = sender(Provider::GreenApi, &at(api.base()));
        let fetched = sender.fetch(ID, &number("+12025550143"), now()).await;
        check_request("green_api_fetch", &api);
        fetched
    };
    let known = |status: Option<&str>| {
        let known = json!({
            "type": "outgoing", "idMessage": ID, "timestamp": now().timestamp(), "chatId": "12025550143@c.us",
            "typeMessage": "textMessage", "textMessage": "Hi Ana", "statusMessage": status, "sendByApi": true,
        });
        answer(200, known.to_string())
    };
    for status in ["sent", "delivered", "read", "failed", "noAccount", "yellowCard"] {
        let (fetched, told) = (
            fetch(known(Some(status))).await.unwrap().unwrap(),
            told_by_notification(status),
        );
        assert_eq!(
            (&fetched.identity, &fetched.kind, &fetched.news),
            (&told.identity, &told.kind, &told.news)
        );
        assert_eq!(
            (&fetched.account, fetched.occurred_at),
            (&told.account, told.occurred_at)
        );
        check_shows_nothing_personal(&fetched);
    }
    assert_eq!(fetch(known(Some("pending"))).await.unwrap(), None);
    assert_eq!(fetch(known(None)).await.unwrap(), None);
    assert_eq!(fetch(answer(404, "")).await.unwrap(), None);
    assert_eq!(fetch(answer(502, "")).await.unwrap_err().failure, Failure::Unreachable);
    assert_eq!(fetch(answer(401, "")).await.unwrap_err().failure, Failure::Unauthorized);
}

async fn look_up(queue: Value, journal: Value, minutes: i64) -> (Result<Vec<Sent>, Failure>, Vec<String>) {
    let api = Api::answering([answer(200, queue.to_string()), answer(200, journal.to_string())]).await;
    let later = now() + TimeDelta::minutes(minutes);
    let found = sender(Provider::GreenApi, &at(api.base()))
        .look_up(&message(), now(), later)
        .await;
    (found.map_err(|error| error.failure), api.seen())
}

#[tokio::test]
async fn an_unclear_message_is_found_in_the_queue_or_in_the_journal_and_once() {
    const TEXT: &str = "Hi Ana, is 14:30 still fine?";
    let queued = |id: &str, chat: &str, text: &str| json!({ "messageID": id, "type": "sendMessage", "body": { "chatId": chat, "message": text } });
    let journaled = |id: &str, chat: &str, text: &str, seconds: i64, by_api: bool| {
        json!({
            "type": "outgoing", "idMessage": id, "timestamp": now().timestamp() + seconds, "chatId": chat,
            "typeMessage": "textMessage", "textMessage": text, "statusMessage": "delivered", "sendByApi": by_api,
        })
    };
    let with_link = json!({
        "idMessage": "J6", "timestamp": now().timestamp(), "chatId": "12025550143@c.us", "statusMessage": "pending",
        "typeMessage": "extendedTextMessage", "extendedTextMessage": { "text": TEXT },
    });
    let queue = json!([
        queued("Q1", "12025550143@c.us", TEXT),
        queued("Q2", "12025550144@c.us", TEXT),
        queued("Q3", "12025550143@c.us", "Something else"),
        queued("J1", "12025550143@c.us", TEXT),
        { "messageID": "Q4", "type": "sendPoll", "body": {} },
    ]);
    let journal = json!([
        journaled("J1", "12025550143@c.us", TEXT, 5, true),
        journaled("J2", "12025550144@c.us", TEXT, 5, true),
        journaled("J3", "12025550143@c.us", "Something else", 5, true),
        journaled("J4", "12025550143@c.us", TEXT, -3600, true),
        journaled("J5", "12025550143@c.us", TEXT, 5, false),
        with_link,
        "odd",
    ]);
    let (found, seen) = look_up(queue, journal, 7).await;
    let sent = |id: &str, status| Sent {
        external_id: id.into(),
        status,
    };
    assert_eq!(
        found,
        Ok(vec![
            sent("J1", DeliveryStatus::Delivered),
            sent("J6", DeliveryStatus::Queued),
            sent("Q1", DeliveryStatus::Queued),
        ])
    );
    assert!(seen[0].starts_with("GET /waInstance1101000001/showMessagesQueue/fixtureApiToken0001\n"));
    assert!(seen[1].starts_with("GET /waInstance1101000001/lastOutgoingMessages/fixtureApiToken0001?minutes=9\n"));
}

#[tokio::test]
async fn nothing_found_is_believed_only_after_the_journal_had_its_time() {
    let after = TimeDelta::minutes(5);
    let api = Api::answering([answer(200, "[]")]).await;
    let sender = sender(Provider::GreenApi, &at(api.base()));
    assert_eq!(sender.reconcile(), Reconcile::LookUp { after });
    let early = sender
        .look_up(&message(), now(), now() + TimeDelta::minutes(4))
        .await
        .unwrap_err();
    assert_eq!((early.failure, early.until), (Failure::Deferred, Some(now() + after)));
    assert_eq!(look_up(json!([]), json!([]), 5).await.0, Ok(Vec::new()));
    assert_eq!(look_up(json!([]), json!({}), 5).await.0, Err(Failure::Unreachable));
    assert_eq!(look_up(json!("odd"), json!([]), 5).await.0, Err(Failure::Unreachable));
}
