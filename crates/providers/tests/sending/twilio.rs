//! What Twilio is asked, and what its answers mean.

use chrono::TimeDelta;
use providers::event::{Channel, DeliveryStatus, News};
use providers::outgoing::{OutgoingText, OutgoingWhatsapp};
use providers::twilio::{TwilioVerifier, meaning_of, sign};
use providers::{Class, Event, Failure, Outgoing, Provider, Reconcile, Request};
use secrecy::SecretString;

use crate::http_server::{Answer, Api, answer};
use crate::{
    at, check_request, check_rows, check_shows_nothing_personal, now, number, row, sender, template, text, whatsapp,
};

const SENT: &str = include_str!("answers/twilio/send_response_201.json");
const DELIVERED: &str = include_str!("answers/twilio/get_response_200_delivered.json");

#[tokio::test]
async fn messages_are_asked_for_as_they_always_were() {
    let api = Api::answering([answer(201, SENT)]).await;
    let sender = sender(Provider::Twilio, &at(api.base()));
    let plain = OutgoingText {
        valid_for: None,
        report_to: None,
        ..text()
    };
    for (name, message) in [
        ("twilio_text", Outgoing::Text(text())),
        ("twilio_text_plain", Outgoing::Text(plain)),
        ("twilio_whatsapp_text", Outgoing::Whatsapp(whatsapp())),
        ("twilio_whatsapp_template", Outgoing::Whatsapp(template())),
    ] {
        let sent = sender.send(&message, now()).await.unwrap();
        assert_eq!(sent.external_id, "SM3388f4107222344a79a3f4e9986abb88");
        check_request(name, &api);
    }
}

#[tokio::test]
async fn a_message_is_called_by_its_sid_and_is_as_far_as_twilio_says() {
    for (body, id, status) in [
        (SENT, "SM3388f4107222344a79a3f4e9986abb88", DeliveryStatus::Queued),
        (
            include_str!("answers/twilio/send_response_201_service.json"),
            "SMc9a1b045e1ed6a346b8912949d5e15f4",
            DeliveryStatus::Accepted,
        ),
        (
            include_str!("answers/twilio/whatsapp_response_201.json"),
            "MM2296353d280d487efc092b53a1406ac9",
            DeliveryStatus::Accepted,
        ),
        (
            r#"{"sid":"SM1","status":"teleported"}"#,
            "SM1",
            DeliveryStatus::Accepted,
        ),
    ] {
        let api = Api::answering([answer(201, body)]).await;
        let sent = sender(Provider::Twilio, &at(api.base()))
            .send(&Outgoing::Text(text()), now())
            .await
            .unwrap();
        assert_eq!((sent.external_id.as_str(), sent.status), (id, status));
    }
}

#[tokio::test]
async fn a_validity_stays_within_what_twilio_takes() {
    for (valid_for, expected) in [
        (TimeDelta::seconds(-5), "ValidityPeriod=1\n"),
        (TimeDelta::milliseconds(900), "ValidityPeriod=1\n"),
        (TimeDelta::days(3), "ValidityPeriod=36000\n"),
    ] {
        let api = Api::answering([answer(201, SENT)]).await;
        let message = OutgoingText {
            valid_for: Some(valid_for),
            ..text()
        };
        sender(Provider::Twilio, &at(api.base()))
            .send(&Outgoing::Text(message), now())
            .await
            .unwrap();
        assert!(api.seen()[0].contains(expected), "{}", api.seen()[0]);
    }
}

fn coded(status: u16, code: u32) -> Answer {
    answer(
        status,
        format!(r#"{{"code":{code},"message":"about +12025550143","status":{status}}}"#),
    )
}

#[tokio::test]
async fn every_documented_answer_has_its_meaning() {
    use Class::{Configuration, Content, OptedOut, Recipient, Unknown};
    use Failure::{RateLimited, Rejected, Unauthorized, Unclear};
    let rows = [
        row(
            answer(400, include_str!("answers/twilio/error_400_21211.json")),
            Rejected(Recipient),
            "21211",
        ),
        row(
            answer(400, include_str!("answers/twilio/error_400_21408.json")),
            Rejected(Configuration),
            "21408",
        ),
        row(
            answer(400, include_str!("answers/twilio/error_400_21610.json")),
            Rejected(OptedOut),
            "21610",
        ),
        row(
            answer(400, include_str!("answers/twilio/error_400_21614.json")),
            Rejected(Recipient),
            "21614",
        ),
        row(
            answer(400, include_str!("answers/twilio/error_400_21656.json")),
            Rejected(Content),
            "21656",
        ),
        row(
            answer(401, include_str!("answers/twilio/error_401_20003.json")),
            Unauthorized,
            "20003",
        ),
        row(
            answer(404, include_str!("answers/twilio/error_404_20404.json")),
            Rejected(Configuration),
            "20404",
        ),
        row(
            answer(429, include_str!("answers/twilio/error_429_20429.json")),
            RateLimited,
            "20429",
        ),
        row(coded(429, 20429).with("Retry-After", "3"), RateLimited, "20429").wait(3),
        row(
            coded(429, 20429).with("Retry-After", "Mon, 02 Mar 2026 10:16:00 GMT"),
            RateLimited,
            "20429",
        )
        .wait(30),
        row(
            answer(500, include_str!("answers/twilio/error_500_20500.json")),
            Unclear,
            "20500",
        ),
        row(
            answer(503, include_str!("answers/twilio/error_503_20503.json")),
            Unclear,
            "20503",
        ),
        // Until midnight, UTC.
        row(coded(429, 63038), RateLimited, "63038").wait(13 * 3600 + 44 * 60 + 30),
        row(coded(400, 21611), RateLimited, "21611"),
        row(coded(400, 21799), Rejected(Unknown), "21799"),
        row(coded(503, 21799), Unclear, "http_503"),
        row(answer(400, r#"{"code":"+12025550143"}"#), Rejected(Unknown), "http_400"),
        row(answer(400, r#"{"code":12025550143}"#), Rejected(Unknown), "http_400"),
        row(answer(404, "<html>"), Rejected(Configuration), "http_404"),
        row(answer(201, "{}"), Unclear, "answer"),
        row(answer(201, r#"{"sid":null}"#), Unclear, "answer"),
    ];
    check_rows(Provider::Twilio, &Outgoing::Text(text()), rows).await;
}

#[test]
fn every_documented_code_has_its_meaning() {
    use Class::{Configuration, Content, OptedOut, Recipient};
    use Failure::{Deferred, RateLimited, Rejected, Unauthorized, Unclear};
    let check = |codes: &[u32], expected: Failure| {
        for code in codes {
            let meaning = meaning_of(&code.to_string()).unwrap();
            assert_eq!(meaning.failure, expected, "{code} {}", meaning.detail);
        }
    };
    check(&[20003], Unauthorized);
    check(&[20429, 21611, 30022, 63017, 63018, 63038], RateLimited);
    check(&[20500, 20503], Unclear);
    check(&[30001, 30003, 30008, 30410], Deferred);
    check(&[21610, 63014], Rejected(OptedOut));
    check(
        &[
            21211, 21214, 21217, 21604, 21614, 21635, 30004, 30005, 30006, 63003, 63024, 63032,
        ],
        Rejected(Recipient),
    );
    check(
        &[14107, 21602, 21617, 21620, 21656, 30007, 30009, 63005, 63013, 63016],
        Rejected(Content),
    );
    check(
        &[
            20404, 21212, 21408, 21601, 21603, 21606, 21608, 21609, 21612, 21703, 30002, 30010, 30032, 30034, 63001,
            63007, 63015,
        ],
        Rejected(Configuration),
    );
    assert_eq!(
        (meaning_of("99999"), meaning_of("no number"), meaning_of("")),
        (None, None, None)
    );
}

#[tokio::test]
async fn a_whatsapp_message_without_a_sender_is_not_asked_for() {
    let api = Api::answering([answer(201, SENT)]).await;
    let message = OutgoingWhatsapp {
        from: None,
        ..whatsapp()
    };
    let error = sender(Provider::Twilio, &at(api.base()))
        .send(&Outgoing::Whatsapp(message), now())
        .await
        .unwrap_err();
    assert_eq!(
        (error.failure, &*error.code),
        (Failure::Rejected(Class::Configuration), "21603")
    );
    assert!(api.seen().is_empty());
}

/// What a status callback tells.
fn told_by_callback(form: &str) -> Event {
    let (token, url) = (SecretString::from("fixture-token"), "https://hooks.example.com/twilio");
    let signature = sign(&token, url, form.as_bytes()).unwrap();
    let mut headers = http::HeaderMap::new();
    headers.insert("x-twilio-signature", signature.parse().unwrap());
    headers.insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
    let request = Request {
        method: "POST",
        url,
        headers: &headers,
        body: form.as_bytes(),
        received_at: now(),
    };
    TwilioVerifier::new([&token])
        .unwrap()
        .verify(&request)
        .unwrap()
        .into_inner()
}

#[tokio::test]
async fn what_is_fetched_is_the_event_that_the_callback_would_have_been() {
    let to = number("+12025550143");
    let failed = DELIVERED
        .replace(r#""delivered""#, r#""undelivered""#)
        .replace(r#""error_code": null"#, r#""error_code": 30003"#)
        .replace("+12025550143", "whatsapp:+12025550143");
    for (body, form, channel, code) in [
        (
            DELIVERED.to_owned(),
            "MessageStatus=delivered&To=%2B12025550143",
            Channel::Sms,
            None,
        ),
        (
            failed,
            "MessageStatus=undelivered&To=whatsapp%3A%2B12025550143&ErrorCode=30003",
            Channel::Whatsapp,
            Some("30003"),
        ),
    ] {
        let api = Api::answering([answer(200, body)]).await;
        let sender = sender(Provider::Twilio, &at(api.base()));
        let fetched = sender
            .fetch("SM3388f4107222344a79a3f4e9986abb88", &to, now())
            .await
            .unwrap()
            .unwrap();
        let form = format!("MessageSid=SM3388f4107222344a79a3f4e9986abb88&AccountSid=AC1&{form}");
        let told = told_by_callback(&form);
        assert_eq!((&fetched.identity, &fetched.kind), (&told.identity, &told.kind));
        assert_eq!(fetched.news, told.news);
        let News::Report(report) = &fetched.news else {
            panic!("a report");
        };
        assert_eq!((report.channel, report.error_code.as_deref()), (channel, code));
        assert_eq!(report.recipient.as_ref().unwrap().expose(), "+12025550143");
        assert_eq!(fetched.occurred_at, now() + TimeDelta::seconds(4));
        check_shows_nothing_personal(&fetched);
        assert!(api.seen()[0].starts_with(
            "GET /2010-04-01/Accounts/AC6ae32eaeb19b4d6974b27e9e2e7fc789/Messages/SM3388f4107222344a79a3f4e9986abb88.json\n"
        ));
    }
}

#[tokio::test]
async fn what_twilio_does_not_know_or_cannot_tell_is_no_event() {
    let fetch = async |answer: Answer| {
        let api = Api::answering([answer]).await;
        sender(Provider::Twilio, &at(api.base()))
            .fetch("SM/../x?", &number("+12025550143"), now())
            .await
    };
    assert_eq!(
        fetch(answer(404, include_str!("answers/twilio/error_404_20404.json")))
            .await
            .unwrap(),
        None
    );
    for (answer, expected) in [
        (coded(503, 20503), Failure::Unreachable),
        (answer(200, "{}"), Failure::Unreachable),
        (answer(200, "<html>"), Failure::Unreachable),
        (coded(401, 20003), Failure::Unauthorized),
        (coded(429, 20429), Failure::RateLimited),
    ] {
        assert_eq!(fetch(answer).await.unwrap_err().failure, expected);
    }
}

/// A message in the list, made so many seconds after now.
fn listed(sid: &str, seconds: i64, change: impl Fn(&mut serde_json::Value)) -> serde_json::Value {
    let mut message: serde_json::Value = serde_json::from_str(SENT).unwrap();
    message["sid"] = sid.into();
    message["date_created"] = (now() + TimeDelta::seconds(seconds)).to_rfc2822().into();
    change(&mut message);
    message
}

fn page(messages: &[serde_json::Value], next: Option<&str>) -> Answer {
    answer(
        200,
        serde_json::json!({ "messages": messages, "next_page_uri": next }).to_string(),
    )
}

async fn look_up(message: &Outgoing, pages: Vec<Answer>) -> (Result<Vec<String>, Failure>, Vec<String>) {
    let api = Api::answering(pages).await;
    let later = now() + TimeDelta::minutes(2);
    let found = sender(Provider::Twilio, &at(api.base()))
        .look_up(message, now(), later)
        .await;
    let ids = found.map(|found| found.into_iter().map(|sent| sent.external_id).collect());
    (ids.map_err(|error| error.failure), api.seen())
}

#[tokio::test]
async fn an_unclear_message_is_found_by_numbers_time_and_text() {
    let same = |_: &mut serde_json::Value| {};
    let messages = [
        listed("SM1", 5, same),
        listed("SM2", -3600, same),
        listed("SM3", 6, |message| message["body"] = "Something else".into()),
        listed("SM4", 6, |message| message["from"] = "+15005550007".into()),
        listed("SM5", 6, |message| message["to"] = "+12025550144".into()),
        listed("SM6", 6, |message| message["to"] = "whatsapp:+12025550143".into()),
        listed("SM7", 6, |message| message["direction"] = "inbound".into()),
        // As trial accounts send it.
        listed("SM8", -20, |message| {
            message["body"] = "Sent from your Twilio trial account - Your appointment is confirmed for 14:30.".into();
        }),
    ];
    let (found, seen) = look_up(&Outgoing::Text(text()), vec![page(&messages, None)]).await;
    assert_eq!(found, Ok(vec!["SM1".to_owned(), "SM8".to_owned()]));
    assert_eq!(seen.len(), 1);
    assert!(seen[0].starts_with(
        "GET /2010-04-01/Accounts/AC6ae32eaeb19b4d6974b27e9e2e7fc789/Messages.json?To=%2B12025550143&PageSize=100&From=%2B15005550006\n"
    ));

    let by_service = |message: &mut serde_json::Value| {
        message["to"] = "whatsapp:+12025550143".into();
        message["from"] = serde_json::Value::Null;
        message["messaging_service_sid"] = "MG5222bde4760f29bce7349cfd26bcfab8".into();
        message["body"] = "".into();
    };
    let (found, seen) = look_up(
        &Outgoing::Whatsapp(template()),
        vec![page(&[listed("MM1", 1, by_service)], None)],
    )
    .await;
    assert_eq!(found, Ok(vec!["MM1".to_owned()]));
    assert!(
        seen[0].contains("Messages.json?To=whatsapp%3A%2B12025550143&PageSize=100\n"),
        "{}",
        seen[0]
    );
}

#[tokio::test]
async fn pages_are_turned_until_they_are_older_and_never_for_ever_or_elsewhere() {
    let message = Outgoing::Text(text());
    let other = |message: &mut serde_json::Value| message["body"] = "Something else".into();
    let recent = || page(&[listed("SM1", 5, other)], Some("/2010-04-01/next?Page=1"));

    let (found, seen) = look_up(&message, vec![recent(), page(&[listed("SM2", 1, |_| {})], None)]).await;
    assert_eq!(found, Ok(vec!["SM2".to_owned()]));
    assert!(seen[1].starts_with("GET /2010-04-01/next?Page=1\n"));

    let old = page(&[listed("SM3", -3600, |_| {})], Some("/2010-04-01/next?Page=2"));
    let (found, seen) = look_up(&message, vec![recent(), old]).await;
    assert_eq!((found, seen.len()), (Ok(Vec::new()), 2));

    let (found, seen) = look_up(&message, vec![recent()]).await;
    assert_eq!((found, seen.len()), (Err(Failure::Unreachable), 5));

    let elsewhere = page(&[listed("SM1", 5, other)], Some("https://example.com/steal"));
    let (found, seen) = look_up(&message, vec![elsewhere]).await;
    assert_eq!((found, seen.len()), (Err(Failure::Unreachable), 1));
}

#[tokio::test]
async fn looking_has_one_time_limit_however_many_pages_there_are() {
    let other = |message: &mut serde_json::Value| message["body"] = "Something else".into();
    let slow = page(&[listed("SM1", 5, other)], Some("/2010-04-01/next")).after(9);
    let (found, seen) = look_up(&Outgoing::Text(text()), vec![slow]).await;
    assert_eq!((found, seen.len()), (Err(Failure::Unreachable), 3));
}

#[tokio::test]
async fn nothing_found_too_early_is_to_be_looked_for_again() {
    let api = Api::answering([page(&[], None)]).await;
    let sender = sender(Provider::Twilio, &at(api.base()));
    let after = TimeDelta::seconds(60);
    assert_eq!(sender.reconcile(), Reconcile::LookUp { after });
    let message = Outgoing::Text(text());
    let early = sender
        .look_up(&message, now(), now() + TimeDelta::seconds(59))
        .await
        .unwrap_err();
    assert_eq!((early.failure, early.until), (Failure::Deferred, Some(now() + after)));
    assert_eq!(sender.look_up(&message, now(), now() + after).await, Ok(Vec::new()));
}
