//! Twilio: sending, looking, being told.

use providers::Verifier;
use providers::event::{Channel, DeliveryStatus, Permanence};
use providers::twilio::TwilioVerifier;
use simulator::{Account, Provider, Script, Selector, Status, TwilioApiKey};

use crate::support::{
    ANA, AUTH_TOKEN, Ear, LIMIT, OURS, SID, answer, client, form, sms, sms_to_ana, start, twilio, twilio_account,
    twilio_request,
};

pub(crate) fn verifier() -> Verifier {
    Verifier::Twilio(TwilioVerifier::new([&AUTH_TOKEN.into()]).unwrap())
}

#[tokio::test]
async fn a_text_message_is_accepted_and_its_way_is_told_signed() {
    let simulator = twilio().await;
    let mut ear = Ear::start().await;
    let url = format!("{}/status?tenant=t%201&v=2#rc=2&rp=5xx", ear.url);
    let (status, message) = answer(sms_to_ana(&simulator, &url)).await;
    assert_eq!(status, 201);
    assert_eq!(
        (&message["status"], &message["num_segments"]),
        (&"queued".into(), &"1".into())
    );
    let sid = message["sid"].as_str().unwrap();
    assert!(sid.starts_with("SM") && sid.len() == 34, "{sid}");
    for expected in [DeliveryStatus::Sent, DeliveryStatus::Delivered] {
        let heard = ear.next().await;
        assert_eq!(heard.uri, "/our/status?tenant=t%201&v=2");
        let report = heard.report(&verifier());
        assert_eq!((report.status, report.channel), (expected, Channel::Sms));
        assert_eq!(report.external_id.as_deref(), Some(sid));
        assert_eq!(report.recipient.unwrap().expose(), ANA);
    }
    let ledger = simulator.settled(LIMIT).await.unwrap();
    assert!(ear.rest().is_empty());
    let effect = ledger.effects_to(ANA).next().unwrap();
    assert_eq!(
        (effect.external_id.as_str(), effect.status()),
        (sid, Some(Status::Delivered))
    );
    assert!(ledger.told().all(|told| told.complaint.is_none() && !told.again));
}

#[tokio::test]
async fn a_whatsapp_message_is_told_until_it_was_read() {
    let simulator = twilio().await;
    simulator.set_script(Selector::all(), Script::engaged()).unwrap();
    let mut ear = Ear::start().await;
    let (to, from) = (format!("whatsapp:{ANA}"), format!("whatsapp:{OURS}"));
    let pairs = [
        ("To", to.as_str()),
        ("From", &from),
        ("ContentSid", "HXdddc2559ee1ac8218d34c67aea425073"),
        ("ContentVariables", r#"{"1":"Ana"}"#),
        ("StatusCallback", &ear.url),
    ];
    let (status, message) = answer(sms(&simulator, &pairs)).await;
    assert_eq!((status, &message["to"]), (201, &to.as_str().into()));
    assert!(message["sid"].as_str().unwrap().starts_with("MM"));
    for expected in [DeliveryStatus::Sent, DeliveryStatus::Delivered, DeliveryStatus::Read] {
        let report = ear.next().await.report(&verifier());
        assert_eq!((report.status, report.channel), (expected, Channel::Whatsapp));
        assert_eq!(report.recipient.unwrap().expose(), ANA);
    }
}

#[tokio::test]
async fn a_message_that_does_not_arrive_says_why() {
    let simulator = twilio().await;
    let mut ear = Ear::start().await;
    let cases = [
        (Script::bounced(), DeliveryStatus::Undelivered, "30005"),
        (Script::bounced().because("30003"), DeliveryStatus::Undelivered, "30003"),
        (Script::of([Status::Failed]), DeliveryStatus::Failed, "30008"),
    ];
    for (script, status, code) in cases {
        simulator
            .set_script(Selector::provider(Provider::Twilio).to("+1202*"), script)
            .unwrap();
        let (_, message) = answer(sms_to_ana(&simulator, &ear.url)).await;
        let ledger = simulator.settled(LIMIT).await.unwrap();
        let heard = ear.rest().pop().unwrap();
        let report = heard.report(&verifier());
        assert_eq!((report.status, report.error_code.as_deref()), (status, Some(code)));
        assert_eq!(report.permanence, None::<Permanence>);
        let path = format!("Messages/{}.json", message["sid"].as_str().unwrap());
        let (_, fetched) = answer(twilio_request(&simulator, "GET", &path)).await;
        assert_eq!(fetched["error_code"], code.parse::<u32>().unwrap());
        assert_eq!(ledger.pending(), 0);
    }
}

#[tokio::test]
async fn only_the_owner_of_an_account_may_use_it() {
    let mut account = twilio_account();
    account.api_keys.push(TwilioApiKey {
        sid: "SK1".into(),
        secret: "key-secret".into(),
    });
    let simulator = start(vec![Account::Twilio(account)]).await;
    let base = format!("{}/twilio/2010-04-01/Accounts", simulator.url());
    let mut ear = Ear::start().await;
    let pairs = [("To", ANA), ("From", OURS), ("Body", "x"), ("StatusCallback", &ear.url)];
    let send = |sid: &str, user: &'static str, password: &'static str| {
        let request = client().post(format!("{base}/{sid}/Messages.json"));
        answer(form(request.basic_auth(user, Some(password)), &pairs))
    };
    let (status, body) = send(SID, SID, "wrong").await;
    assert_eq!((status, &body["code"]), (401, &20003.into()));
    let (status, body) = send("AC0", SID, AUTH_TOKEN).await;
    assert_eq!((status, &body["code"]), (404, &20404.into()));
    let without = client().post(format!("{base}/{SID}/Messages.json"));
    assert_eq!(answer(form(without, &pairs)).await.0, 401);
    assert_eq!(simulator.ledger().effects().len(), 0);
    // Whoever logs in with a key is told with the auth token's signature all the same.
    assert_eq!(send(SID, "SK1", "key-secret").await.0, 201);
    assert_eq!(ear.next().await.report(&verifier()).status, DeliveryStatus::Sent);
}

#[tokio::test]
async fn what_twilio_would_refuse_is_refused_with_its_code() {
    let mut account = twilio_account();
    account.numbers = vec![OURS.into()];
    let simulator = start(vec![Account::Twilio(account)]).await;
    let long = "a".repeat(1_601);
    let whatsapp = format!("whatsapp:{ANA}");
    let cases: [(&[(&str, &str)], u32); 14] = [
        (&[("From", OURS), ("Body", "x")], 21604),
        (&[("To", ANA), ("Body", "x")], 21603),
        (&[("To", ANA), ("From", OURS)], 21602),
        (&[("To", "12025550143"), ("From", OURS), ("Body", "x")], 21211),
        (&[("To", ANA), ("From", "desk!"), ("Body", "x")], 21212),
        (&[("To", ANA), ("From", OURS), ("Body", &long)], 21617),
        (&[("To", ANA), ("From", OURS), ("MediaUrl", "x")], 21620),
        (
            &[
                ("To", ANA),
                ("From", OURS),
                ("ContentSid", "HX1"),
                ("ContentVariables", "[]"),
            ],
            21656,
        ),
        (
            &[("To", ANA), ("From", OURS), ("Body", "x"), ("StatusCallback", "/x")],
            21609,
        ),
        (&[("To", &whatsapp), ("From", OURS), ("Body", "x")], 63007),
        (&[("To", ANA), ("From", "+12025550100"), ("Body", "x")], 21606),
        (&[("To", "+15005550001"), ("From", OURS), ("Body", "x")], 21211),
        (&[("To", "+15005550009"), ("From", OURS), ("Body", "x")], 21614),
        (&[("To", ANA), ("From", "+15005550008"), ("Body", "x")], 21611),
    ];
    for (pairs, code) in cases {
        let (status, body) = answer(sms(&simulator, pairs)).await;
        assert_eq!(
            (status, &body["code"], &body["status"]),
            (400, &code.into(), &400.into())
        );
    }
    assert_eq!(simulator.ledger().effects().len(), 0);
}

#[tokio::test]
async fn messages_are_found_by_what_was_asked_for() {
    let simulator = twilio().await;
    for body in ["one", "two", "three"] {
        answer(sms(&simulator, &[("To", ANA), ("From", OURS), ("Body", body)])).await;
    }
    answer(sms(
        &simulator,
        &[("To", "+12025550144"), ("From", OURS), ("Body", "other")],
    ))
    .await;
    simulator.settled(LIMIT).await.unwrap();
    let list = |query: String| answer(twilio_request(&simulator, "GET", &format!("Messages.json?{query}")));
    let bodies = |page: &serde_json::Value| {
        let all = page["messages"].as_array().unwrap().iter();
        all.map(|message| message["body"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (_, page) = list("To=%2B12025550143&PageSize=2&DateSent%3E=2020-01-01T00:00:00Z".into()).await;
    assert_eq!(bodies(&page), ["three", "two"]);
    let next = page["next_page_uri"].as_str().unwrap().split_once('?').unwrap().1;
    let (_, page) = list(next.to_owned()).await;
    assert_eq!(
        (bodies(&page), &page["next_page_uri"]),
        (vec!["one".to_owned()], &serde_json::Value::Null)
    );
    let (_, page) = list("To=%2B12025550143&DateSent%3E=2999-01-01".into()).await;
    assert!(bodies(&page).is_empty());
    let (_, page) = list("From=%2B19995550143".into()).await;
    assert!(bodies(&page).is_empty());
}

#[tokio::test]
async fn a_messaging_service_chooses_the_sender_and_tells_that_it_is_queued() {
    let simulator = twilio().await;
    let mut ear = Ear::start().await;
    let pairs = [
        ("To", ANA),
        ("MessagingServiceSid", "MG1"),
        ("Body", "x"),
        ("StatusCallback", &ear.url),
    ];
    let (_, message) = answer(sms(&simulator, &pairs)).await;
    assert_eq!(
        (&message["status"], &message["from"]),
        (&"accepted".into(), &serde_json::Value::Null)
    );
    assert_eq!(ear.next().await.report(&verifier()).status, DeliveryStatus::Queued);
}
