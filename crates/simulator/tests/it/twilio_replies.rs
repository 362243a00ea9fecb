//! Telephones answer.

use providers::News;
use providers::event::{Channel as Way, InboundMessage};
use simulator::{Account, Answer, Channel, Provider, Reply, Simulator, Unanswerable};

use crate::support::{
    ANA, Ear, Heard, LIMIT, OURS, SID, answer, form, sms, start, twilio, twilio_account, twilio_request,
};
use crate::twilio::verifier;

async fn listening(ear: &Ear) -> Simulator {
    let mut account = twilio_account();
    account.sms_url = Some(format!("{}/sms#rc=3&rp=all", ear.url));
    account.whatsapp_url = Some(format!("{}/whatsapp", ear.url));
    start(vec![Account::Twilio(account)]).await
}

fn inbound(heard: &Heard) -> InboundMessage {
    match heard.events(&verifier()).remove(0).news {
        News::Inbound(message) => message,
        other => panic!("no message but {other:?}"),
    }
}

fn by_sms(text: &str) -> Reply {
    Reply::new(Provider::Twilio, Channel::Sms, ANA, text)
}

#[tokio::test]
async fn a_telephone_answers_whoever_wrote_to_it_last() {
    let mut ear = Ear::answering(|_| (200, "text/xml", "<Response/>".into())).await;
    let simulator = listening(&ear).await;
    assert_eq!(simulator.reply(&by_sms("x")), Err(Unanswerable::NoConversation));
    answer(sms(&simulator, &[("To", ANA), ("From", OURS), ("Body", "At 14:30?")])).await;
    let sid = simulator.reply(&by_sms("Oui, à 14:30 & merci +1 👋\n")).unwrap();
    let heard = ear.next().await;
    assert_eq!(heard.uri, "/our/sms");
    let message = inbound(&heard);
    assert_eq!((message.channel, message.external_id), (Way::Sms, sid));
    assert_eq!((message.from.expose(), message.to.unwrap().expose()), (ANA, OURS));
    assert_eq!(message.text.unwrap().expose(), "Oui, à 14:30 & merci +1 👋\n");
    let ledger = simulator.settled(LIMIT).await.unwrap();
    let told = ledger.told().next().unwrap();
    assert_eq!(
        (told.answer, told.complaint, told.kind.as_str()),
        (Answer::Status(200), None, "received")
    );
    assert_eq!(ledger.replies().len(), 1);
}

#[tokio::test]
async fn a_button_is_pressed_on_whatsapp() {
    let mut ear = Ear::start().await;
    let simulator = listening(&ear).await;
    let reply = Reply::new(Provider::Twilio, Channel::Whatsapp, ANA, "").to(SID, OURS);
    simulator.reply(&reply.pressing("confirm_1001", "Confirm")).unwrap();
    let message = inbound(&ear.next().await);
    let button = message.button.unwrap();
    assert_eq!(button.payload.unwrap().expose(), "confirm_1001");
    assert_eq!(
        (message.channel, message.text.unwrap().expose()),
        (Way::Whatsapp, "Confirm")
    );
    assert_eq!(message.from.expose(), ANA);
}

#[tokio::test]
async fn what_our_side_answers_is_sent_to_the_telephone() {
    let twiml = "<Response><Message>Thanks &amp; see you</Message></Response>";
    let ear = Ear::answering(move |_| (200, "text/xml", twiml.into())).await;
    let simulator = listening(&ear).await;
    simulator.reply(&by_sms("Yes").to(SID, OURS)).unwrap();
    let ledger = simulator.settled(LIMIT).await.unwrap();
    let sent = ledger.effects_to(ANA).next().unwrap();
    assert_eq!((sent.text.expose(), sent.from.expose()), ("Thanks & see you", OURS));
}

#[tokio::test]
async fn an_answer_that_twilio_cannot_read_is_complained_about() {
    let ear = Ear::answering(|_| (202, "application/json", "{}".into())).await;
    let simulator = listening(&ear).await;
    simulator.reply(&by_sms("Yes").to(SID, OURS)).unwrap();
    let ledger = simulator.settled(LIMIT).await.unwrap();
    assert_eq!(ledger.told().next().unwrap().complaint, Some("12300"));
    assert_eq!(ledger.effects().len(), 0);
}

#[tokio::test]
async fn who_said_stop_gets_no_text_message_until_start() {
    let ear = Ear::start().await;
    let simulator = listening(&ear).await;
    let send = || answer(sms(&simulator, &[("To", ANA), ("From", OURS), ("Body", "x")]));
    simulator.reply(&by_sms(" stop").to(SID, OURS)).unwrap();
    let (status, body) = send().await;
    assert_eq!((status, &body["code"]), (400, &21610.into()));
    simulator.reply(&by_sms("START").to(SID, OURS)).unwrap();
    assert_eq!(send().await.0, 201);
}

#[tokio::test]
async fn a_number_that_was_bought_has_a_url_of_its_own() {
    let mut ear = Ear::start().await;
    let simulator = twilio().await;
    let reply = |to: &str| simulator.reply(&by_sms("x").to(SID, to));
    assert_eq!(reply("+12025550100"), Err(Unanswerable::NoUrl));
    let own = format!("{}/own", ear.url);
    let pairs = [("PhoneNumber", "+12025550100"), ("SmsUrl", own.as_str())];
    let (status, _) = answer(form(
        twilio_request(&simulator, "POST", "IncomingPhoneNumbers.json"),
        &pairs,
    ))
    .await;
    assert_eq!(status, 201);
    reply("+12025550100").unwrap();
    assert_eq!(ear.next().await.uri, "/our/own");
}
