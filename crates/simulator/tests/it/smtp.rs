//! The mail server.

use chrono::Utc;
use domain::EmailEvent;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use providers::email::EmailVerifier;
use simulator::{Account, Channel, Fault, Ledger, Misbehaviour, Provider, Script, Selector, Simulator, SmtpAccount};

use crate::mail_support::{ANA, DESK, Dialogue, mail};
use crate::support::{Ear, LIMIT, start};

fn transport(simulator: &Simulator) -> lettre::transport::smtp::AsyncSmtpTransportBuilder {
    let address = simulator.smtp_address();
    AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string()).port(address.port())
}

fn message(text: &str) -> Message {
    let builder = Message::builder().message_id(Some("<m1@mail.example.com>".into()));
    let builder = builder
        .from(DESK.parse().unwrap())
        .to(ANA.parse().unwrap())
        .subject("Café à 14:30");
    builder.body(text.to_owned()).unwrap()
}

#[tokio::test]
async fn a_mail_sent_by_a_usual_client_is_read_by_its_recipient_and_told_signed() {
    let mut ear = Ear::start().await;
    let mut account = SmtpAccount::new("desk", "secret");
    account.events_url = Some(ear.url.clone());
    account.events_secret = "events-secret".into();
    let simulator = start(vec![Account::Smtp(account)]).await;
    simulator.set_script(Selector::all(), Script::engaged()).unwrap();
    let transport = transport(&simulator)
        .credentials(Credentials::new("desk".into(), "secret".into()))
        .build();
    let text = "Hello\n.\n..dots\nsee https://x.test/a?b=1\n";
    transport.send(message(text)).await.unwrap();
    let secret = "events-secret".into();
    let verifier = EmailVerifier::new([&secret]);
    for expected in [EmailEvent::Delivered, EmailEvent::Opened, EmailEvent::Clicked] {
        let heard = ear.next().await;
        let event = verifier.verify(&heard.headers, &heard.body, Utc::now()).unwrap();
        assert_eq!(
            (event.kind, event.external_id.as_str()),
            (expected, "m1@mail.example.com")
        );
        assert_eq!(
            (event.provider.as_str(), event.recipient.as_ref().unwrap().expose()),
            ("smtp", ANA)
        );
        let url = event.url.as_ref().map(|url| url.expose());
        assert_eq!(url, (expected == EmailEvent::Clicked).then_some("https://x.test/a?b=1"));
    }
    let ledger = simulator.settled(LIMIT).await.unwrap();
    let effect = ledger.effects_to(ANA).next().unwrap();
    assert_eq!((effect.channel, effect.account.as_str()), (Channel::Email, "desk"));
    assert_eq!(
        (effect.external_id.as_str(), effect.reference.as_deref()),
        ("m1@mail.example.com", Some("m1"))
    );
    assert_eq!(effect.subject.as_ref().unwrap().expose(), "Café à 14:30");
    let read = effect.text.expose().replace("\r\n", "\n");
    assert_eq!(read.trim_end(), text.trim_end());
}

#[tokio::test]
async fn who_has_an_account_to_show_must_show_the_right_one() {
    let simulator = start(vec![Account::Smtp(SmtpAccount::new("desk", "secret"))]).await;
    let wrong = transport(&simulator)
        .credentials(Credentials::new("desk".into(), "wrong".into()))
        .build();
    assert!(wrong.send(message("x")).await.unwrap_err().is_permanent());
    let mut dialogue = Dialogue::smtp(&simulator).await;
    dialogue.expect("MAIL FROM:<a@example.com>", "503 ").await;
    dialogue.expect("EHLO out.example.com", "250 ").await;
    dialogue.expect("MAIL FROM:<a@example.com>", "530 5.7.0").await;
    dialogue.expect("AUTH PLAIN !", "535 5.7.8").await;
    dialogue.expect("AUTH CRAM-MD5", "504 ").await;
    dialogue.expect("AUTH LOGIN", "334 VXNlcm5hbWU6").await;
    dialogue.expect("ZGVzaw==", "334 UGFzc3dvcmQ6").await;
    dialogue.expect("c2VjcmV0", "235 2.7.0").await;
    dialogue.expect("MAIL FROM:<a@example.com>", "250 2.1.0").await;
    assert_eq!(simulator.ledger().effects().len(), 0);
}

#[tokio::test]
async fn the_conversation_is_that_of_the_standard() {
    let simulator = start(vec![]).await;
    let mut dialogue = Dialogue::smtp(&simulator).await;
    for (said, expected) in [
        ("HELO out.example.com", "250 "),
        ("NOOP", "250 2.0.0"),
        ("VRFY ana", "252 "),
        ("EXPN list", "500 5.5.2"),
        ("RCPT TO:<ana@example.com>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
        ("MAIL FROM:<> SIZE=99999999", "552 5.3.4"),
        ("MAIL FROM:desk", "501 5.5.4"),
        ("MAIL FROM:<desk>", "553 5.1.7"),
        ("MAIL FROM:<>", "250 2.1.0"),
        ("MAIL FROM:<>", "503 5.5.1"),
        ("DATA", "554 5.5.1"),
        ("RCPT TO:<ana>", "553 5.1.3"),
        ("RCPT TO:<ana@example.com>", "250 2.1.5"),
        ("RSET", "250 2.0.0"),
        ("DATA", "503 5.5.1"),
        ("QUIT", "221 2.0.0"),
    ] {
        dialogue.expect(said, expected).await;
    }
    assert_eq!(dialogue.hear().await, "");
}

#[tokio::test]
async fn several_commands_at_once_are_answered_in_order() {
    let simulator = start(vec![]).await;
    let mut dialogue = Dialogue::smtp(&simulator).await;
    dialogue.expect("EHLO out.example.com", "250 ").await;
    dialogue
        .say("MAIL FROM:<a@example.com>\r\nRCPT TO:<ana@example.com>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n")
        .await;
    for expected in ["250 2.1.0", "250 2.1.5", "250 2.1.5", "354 "] {
        assert!(dialogue.hear().await.starts_with(expected));
    }
    dialogue.say(&format!("{}.\r\nQUIT\r\n", mail("m1", "x"))).await;
    assert!(dialogue.hear().await.starts_with("250 2.0.0"));
    assert!(dialogue.hear().await.starts_with("221 "));
    let ledger = simulator.ledger();
    let to: Vec<_> = ledger.effects().map(|effect| effect.to.expose()).collect();
    assert_eq!(to, ["ana@example.com", "bob@example.com"]);
}

#[tokio::test]
async fn a_mail_that_smuggles_another_one_is_refused_whole() {
    let simulator = start(vec![]).await;
    let mut dialogue = Dialogue::smtp(&simulator).await;
    let smuggled = "x\r\n.\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\nSubject: y\r\n\r\ny";
    dialogue.mail(&[ANA], &mail("m1", smuggled)).await;
    assert!(dialogue.hear().await.starts_with("554 5.6.0"));
    dialogue.expect("NOOP", "250 ").await;
    assert_eq!(simulator.ledger().effects().len(), 0);
}

#[tokio::test]
async fn one_recipient_may_be_refused_and_another_not() {
    let simulator = start(vec![]).await;
    let refuse = |status, code: &str, to: &str| {
        let refuse = Misbehaviour::Refuse {
            status,
            code: code.into(),
        };
        let to = Selector::provider(Provider::Smtp).to(to);
        simulator.set_fault(Fault::from(refuse).with(to)).unwrap();
    };
    refuse(550, "5.1.1", "nobody@*");
    refuse(421, "4.3.2", "closing@*");
    let too_many = Fault::from(Misbehaviour::TooManyRequests {
        retry_after_seconds: 300,
    });
    simulator
        .set_fault(too_many.with(Selector::all().to("grey@*")))
        .unwrap();
    let mut dialogue = Dialogue::smtp(&simulator).await;
    dialogue.expect("EHLO out.example.com", "250 ").await;
    dialogue.expect("MAIL FROM:<a@example.com>", "250 ").await;
    dialogue.expect("RCPT TO:<ana@example.com>", "250 ").await;
    dialogue.expect("RCPT TO:<nobody@example.com>", "550 5.1.1").await;
    dialogue.expect("RCPT TO:<grey@example.com>", "450 4.7.1").await;
    dialogue.expect("DATA", "354 ").await;
    dialogue.say(&format!("{}.\r\n", mail("m1", "x"))).await;
    assert!(dialogue.hear().await.starts_with("250 2.0.0"));
    assert_eq!(simulator.ledger().effects().len(), 1);
    dialogue.expect("MAIL FROM:<a@example.com>", "250 ").await;
    dialogue.expect("RCPT TO:<closing@example.com>", "421 4.3.2").await;
    assert_eq!(dialogue.hear().await, "");
}

#[tokio::test]
async fn after_the_dot_all_may_go_wrong_and_the_ledger_knows_what_was_sent() {
    let simulator = start(vec![]).await;
    let for_ever = 600_000;
    let executed = |status| Misbehaviour::ServerError { status, executed: true };
    let cases = [
        (Misbehaviour::LostAnswer, "", 1),
        (Misbehaviour::HalfAnswer, "250 2.", 1),
        (Misbehaviour::Garbage, "<html>", 1),
        (executed(500), "451 4.3.0", 1),
        (Misbehaviour::Slow { ms: 1 }, "250 2.0.0", 1),
        (Misbehaviour::Hang { ms: 1 }, "250 2.0.0", 1),
    ];
    for (fault, expected, sent) in cases {
        simulator.reset().await;
        simulator.set_fault(fault).unwrap();
        let mut dialogue = Dialogue::smtp(&simulator).await;
        dialogue.mail(&[ANA], &mail("m1", "x")).await;
        let heard = dialogue.hear().await;
        assert!(
            heard.starts_with(expected) && heard.is_empty() == expected.is_empty(),
            "{heard}"
        );
        assert_eq!(simulator.ledger().effects().len(), sent);
    }
    let in_flight = |ledger: &Ledger| {
        ledger
            .load(Provider::Smtp, "open")
            .is_some_and(|load| load.in_flight() == 1)
    };
    let over = |ledger: &Ledger| {
        ledger
            .load(Provider::Smtp, "open")
            .is_some_and(|load| load.in_flight() == 0)
    };
    for fault in [Misbehaviour::Silent, Misbehaviour::Hang { ms: for_ever }] {
        simulator.reset().await;
        simulator.set_fault(fault).unwrap();
        let mut dialogue = Dialogue::smtp(&simulator).await;
        dialogue.mail(&[ANA], &mail("m1", "x")).await;
        simulator.wait_for(LIMIT, in_flight).await.unwrap();
        drop(dialogue);
        let ledger = simulator.wait_for(LIMIT, over).await.unwrap();
        assert_eq!(ledger.effects().len(), 0);
    }
}

#[tokio::test]
async fn the_same_mail_twice_has_the_same_hash_whatever_its_date() {
    let simulator = start(vec![]).await;
    for (date, text) in [("Mon", "x"), ("Tue", "x"), ("Wed", "y")] {
        let mut dialogue = Dialogue::smtp(&simulator).await;
        dialogue
            .mail(&[ANA], &format!("Date: {date}\r\n{}", mail("m1", text)))
            .await;
        dialogue.hear().await;
    }
    let ledger = simulator.ledger();
    let hashes: Vec<_> = ledger.effects().map(|effect| &effect.body_sha256).collect();
    assert!(hashes[0] == hashes[1] && hashes[0] != hashes[2]);
}
