//! The clients that relais itself sends with.

use chrono::{TimeDelta, Utc};
use domain::{E164, EmailAddress, PersonalText};
use providers::event::DeliveryStatus;
use providers::outgoing::{
    EmailContent, Line, Mailbox, OutgoingEmail, OutgoingText, OutgoingWhatsapp, SenderName, TextFrom, WhatsappContent,
};
use providers::{BaseUrl, Credentials, Failure, HttpClient, News, Outgoing, Provider as Whose, Sender, StandIns};
use serde_json::{Value, json};
use simulator::{
    Account, Fault, GreenApiAccount, Misbehaviour, Provider, ResendAccount, Script, Selector, SendGridAccount,
    Simulator, SmtpAccount, Status,
};

use crate::support::{ANA, AUTH_TOKEN, LIMIT, OURS, SID, start, twilio_account};

const PROVIDERS: [(Whose, Provider); 5] = [
    (Whose::Twilio, Provider::Twilio),
    (Whose::GreenApi, Provider::GreenApi),
    (Whose::SendGrid, Provider::SendGrid),
    (Whose::Resend, Provider::Resend),
    (Whose::Smtp, Provider::Smtp),
];

async fn simulator() -> Simulator {
    start(vec![
        Account::Twilio(twilio_account()),
        Account::GreenApi(GreenApiAccount::new(1_101_000_001, "fixtureApiToken0001", OURS)),
        Account::SendGrid(SendGridAccount::new("desk", "SG.fixture-key")),
        Account::Resend(ResendAccount::new("desk", "re_fixture_key")),
        Account::Smtp(SmtpAccount::new("desk", "secret")),
    ])
    .await
}

fn sender(simulator: &Simulator, whose: Whose) -> Sender {
    let credentials: Value = match whose {
        Whose::Twilio => json!({ "account_sid": SID, "auth_token": AUTH_TOKEN }),
        Whose::GreenApi => json!({ "id_instance": 1_101_000_001_u64, "api_token_instance": "fixtureApiToken0001" }),
        Whose::SendGrid => json!({ "api_key": "SG.fixture-key" }),
        Whose::Resend => json!({ "api_key": "re_fixture_key" }),
        _ => {
            let address = simulator.smtp_address();
            let (host, port) = (address.ip().to_string(), address.port());
            json!({ "host": host, "port": port, "security": "none", "username": "desk", "password": "secret" })
        }
    };
    let at = |path: &str| Some(BaseUrl::parse(&format!("{}/{path}", simulator.url())).unwrap());
    let stand_ins = StandIns {
        sendgrid: at("sendgrid"),
        resend: at("resend"),
        twilio: at("twilio"),
        green_api: at("green-api"),
        files: None,
        hooks: None,
    };
    let credentials = Credentials::parse(whose, credentials.to_string().as_bytes()).unwrap();
    Sender::new(&credentials, &HttpClient::new().unwrap(), &stand_ins).unwrap()
}

fn message(whose: Whose) -> Outgoing {
    let id = "0195f0c2-7b7a-7000-8000-000000000001".parse().unwrap();
    let body = PersonalText::new("See you at 14:30");
    let mailbox = |address: &str| Mailbox::new(&EmailAddress::parse(address).unwrap()).unwrap();
    match whose {
        Whose::Twilio => Outgoing::Text(OutgoingText {
            id,
            from: TextFrom::Number(E164::parse(OURS).unwrap()),
            to: E164::parse(ANA).unwrap(),
            body,
            valid_for: Some(TimeDelta::minutes(3)),
            report_to: Some("https://hooks.example.com/webhooks/twilio/e1".parse().unwrap()),
        }),
        Whose::GreenApi => Outgoing::Whatsapp(OutgoingWhatsapp {
            id,
            from: None,
            to: E164::parse(ANA).unwrap(),
            content: WhatsappContent::Text(body),
            report_to: None,
        }),
        _ => Outgoing::Email(Box::new(OutgoingEmail {
            id,
            from: mailbox("desk@mail.example.com"),
            reply_to: None,
            to: mailbox("ana@example.com"),
            subject: Line::new("Your appointment"),
            content: EmailContent::Text(body),
            attachments: Vec::new(),
            unsubscribe: None,
            headers: Vec::new(),
        })),
    }
}

#[tokio::test]
async fn what_relais_sends_is_accepted_as_it_was_meant() {
    let simulator = simulator().await;
    simulator.set_script(Selector::all(), Script::silent()).unwrap();
    for (whose, provider) in PROVIDERS {
        let sent = sender(&simulator, whose)
            .send(&message(whose), Utc::now())
            .await
            .unwrap();
        let ledger = simulator.ledger();
        let effect = ledger.effects().next_back().unwrap();
        assert_eq!(
            (effect.provider, effect.external_id.as_str()),
            (provider, sent.external_id.as_str())
        );
        assert_eq!(effect.text.expose().trim_end(), "See you at 14:30");
        if matches!(message(whose), Outgoing::Email(_)) {
            assert_eq!(
                effect.reference.as_deref(),
                Some("0195f0c2-7b7a-7000-8000-000000000001")
            );
        }
    }
}

#[tokio::test]
async fn a_lost_answer_is_unclear_to_relais_and_what_can_be_found_is_found() {
    let simulator = simulator().await;
    simulator
        .set_script(Selector::all(), Script::of([Status::Sent]))
        .unwrap();
    for (whose, provider) in PROVIDERS {
        let lost = Fault::from(Misbehaviour::LostAnswer).with(Selector::provider(provider));
        simulator.set_fault(lost.times(1)).unwrap();
        let (sender, message) = (sender(&simulator, whose), message(whose));
        let sent_at = Utc::now();
        let error = sender.send(&message, sent_at).await.unwrap_err();
        assert_eq!(error.failure, Failure::Unclear, "{whose:?}");
        let ledger = simulator.settled(LIMIT).await.unwrap();
        let id = &ledger.effects().next_back().unwrap().external_id;
        match whose {
            Whose::Twilio | Whose::GreenApi => {
                let found = sender.look_up(&message, sent_at, Utc::now()).await.unwrap();
                assert!(found.iter().map(|sent| &sent.external_id).eq([id]), "{whose:?}");
                let to = E164::parse(ANA).unwrap();
                let event = sender.fetch(id, &to, Utc::now()).await.unwrap().unwrap();
                let News::Report(report) = &event.news else {
                    panic!("no report but {event:?}");
                };
                assert_eq!(report.status, DeliveryStatus::Sent);
            }
            Whose::Resend => {
                let again = sender.send(&message, Utc::now()).await.unwrap();
                assert_eq!(again.external_id, *id);
                let count =
                    simulator.look(|ledger| ledger.effects().filter(|effect| effect.provider == provider).count());
                assert_eq!(count, 1);
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_text_from_a_name_is_sent_and_found_again() {
    let simulator = simulator().await;
    simulator.set_script(Selector::all(), Script::silent()).unwrap();
    let lost = Fault::from(Misbehaviour::LostAnswer).with(Selector::provider(Provider::Twilio));
    simulator.set_fault(lost.times(1)).unwrap();
    let named = |name: &str| {
        let Outgoing::Text(mut text) = message(Whose::Twilio) else {
            panic!("no text");
        };
        text.from = TextFrom::Name(SenderName::parse(name).unwrap());
        Outgoing::Text(text)
    };
    let (sender, sent_at) = (sender(&simulator, Whose::Twilio), Utc::now());
    let error = sender.send(&named("Acme"), sent_at).await.unwrap_err();
    assert_eq!(error.failure, Failure::Unclear);
    let ledger = simulator.settled(LIMIT).await.unwrap();
    let id = ledger.effects().next_back().unwrap().external_id.clone();
    let found = async |name: &str| {
        // Later, when what is not found was not sent.
        let now = sent_at + TimeDelta::minutes(10);
        let found = sender.look_up(&named(name), sent_at, now).await.unwrap();
        found.into_iter().map(|sent| sent.external_id).collect::<Vec<_>>()
    };
    assert_eq!(found("Acme").await, [id]);
    assert_eq!(found("Acme 2").await, [""; 0]);
}

#[tokio::test]
async fn what_a_provider_refuses_is_understood_by_relais() {
    let simulator = simulator().await;
    let too_many = Misbehaviour::TooManyRequests {
        retry_after_seconds: 30,
    };
    let down = Misbehaviour::ServerError {
        status: 503,
        executed: false,
    };
    for (whose, provider) in PROVIDERS {
        let of_this = |fault: &Misbehaviour| Fault::from(fault.clone()).with(Selector::provider(provider)).times(1);
        let now = Utc::now();
        simulator.set_fault(of_this(&too_many)).unwrap();
        let error = sender(&simulator, whose).send(&message(whose), now).await.unwrap_err();
        assert!(
            matches!(error.failure, Failure::RateLimited | Failure::Deferred),
            "{whose:?} {:?}",
            error.failure
        );
        simulator.set_fault(of_this(&down)).unwrap();
        let error = sender(&simulator, whose).send(&message(whose), now).await.unwrap_err();
        assert!(
            !matches!(error.failure, Failure::Rejected(_)),
            "{whose:?} {:?}",
            error.failure
        );
    }
    assert_eq!(simulator.ledger().effects().len(), 0);
}
