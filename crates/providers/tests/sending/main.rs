//! What is sent, and what each answer of a provider, or the lack of one, means.
//!
//! Against real servers on loopback: small ones that answer as the providers' documentation says, or break off.

#![allow(clippy::unwrap_used)]

mod credentials;
mod dkim;
mod excerpts;
mod faults;
mod green_api;
mod http_server;
mod injection;
#[cfg(feature = "services")]
mod real_server;
mod resend;
mod sendgrid;
mod smtp;
mod smtp_replies;
mod smtp_server;
mod smtp_tls;
mod twilio;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{E164, EmailAddress, MessageId, PersonalText};
use http_server::{Answer, Api};
use providers::outgoing::{
    Attachment, ContentTemplate, EmailContent, ExtraHeader, Line, Mailbox, MessagingService, OutgoingEmail,
    OutgoingText, OutgoingWhatsapp, TextFrom, Unsubscribe, WhatsappContent,
};
use providers::{BaseUrl, Credentials, Failure, HttpClient, Outgoing, Provider, Sender, StandIns};

/// Parts of the messages below that must never be shown.
const PERSONAL: [&str; 6] = ["ana@", "Ana", "2025550143", "14:30", "fixture", "Désk"];

/// Lets time go by, by moving the clock instead of waiting.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-03-02T10:15:30Z").unwrap().to_utc()
}

fn message_id() -> MessageId {
    "0195f0c2-7b7a-7000-8000-000000000001".parse().unwrap()
}

fn mailbox(address: &str) -> Mailbox {
    Mailbox::new(&EmailAddress::parse(address).unwrap()).unwrap()
}

/// The smallest mail.
fn plain_mail() -> OutgoingEmail {
    OutgoingEmail {
        id: message_id(),
        from: mailbox("desk@mail.example.com"),
        reply_to: None,
        to: mailbox("ana@example.com"),
        subject: Line::new("Your appointment"),
        content: EmailContent::Text(PersonalText::new("See you at 14:30.")),
        attachments: Vec::new(),
        unsubscribe: None,
        headers: Vec::new(),
    }
}

/// A mail with everything.
fn full_mail() -> OutgoingEmail {
    let link = "https://hooks.example.com/unsubscribe?token=abc".parse().unwrap();
    OutgoingEmail {
        from: mailbox("desk@mail.example.com").named(&Line::new("Example Désk, Zürich")),
        reply_to: Some(mailbox("reply@mail.example.com")),
        to: mailbox("ana@example.com").named(&Line::new("Ana Example")),
        subject: Line::new("Ihr Termin für 14:30 Uhr ✓"),
        content: EmailContent::Both {
            text: PersonalText::new("See you at 14:30.\r\n.\r\nA lone dot, and = signs.\n"),
            html: PersonalText::new("<p>See you at <b>14:30</b>.</p>"),
        },
        attachments: vec![
            Attachment::new(
                &Line::new("Termin März.ics"),
                "text/calendar",
                b"BEGIN:VCALENDAR\n".to_vec(),
            )
            .unwrap(),
            Attachment::new(&Line::new("map.png"), "image/png", vec![0, 13, 10, 46, 13, 10, 255]).unwrap(),
        ],
        unsubscribe: Some(Unsubscribe::new(link).unwrap()),
        headers: vec![ExtraHeader::new("X-Entity-Ref-ID", &Line::new("msg_1001")).unwrap()],
        ..plain_mail()
    }
}

thread_local! {
    /// One for each test, which has a thread and a runtime of its own: setting it up takes long.
    static HTTP: HttpClient = HttpClient::new().unwrap();
}

/// A sender with credentials that are nobody's, whose provider is at `stand_ins`.
fn sender(provider: Provider, stand_ins: &StandIns) -> Sender {
    let json = match provider {
        Provider::SendGrid => r#"{"api_key":"SG.fixture-key-of-nobody"}"#,
        Provider::Resend => r#"{"api_key":"re_fixture_key_of_nobody"}"#,
        Provider::Twilio => r#"{"account_sid":"AC6ae32eaeb19b4d6974b27e9e2e7fc789","auth_token":"fixture-token"}"#,
        Provider::GreenApi => r#"{"id_instance":1101000001,"api_token_instance":"fixtureApiToken0001"}"#,
        _ => panic!("{provider:?} is not called by HTTP"),
    };
    let credentials = Credentials::parse(provider, json.as_bytes()).unwrap();
    HTTP.with(|http| Sender::new(&credentials, http, stand_ins)).unwrap()
}

fn at(base: BaseUrl) -> StandIns {
    StandIns {
        sendgrid: Some(base.clone()),
        resend: Some(base.clone()),
        twilio: Some(base.clone()),
        green_api: Some(base),
        files: None,
        hooks: None,
    }
}

/// What a request to the provider looks like: a snapshot.
fn check_request(name: &str, api: &Api) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, api.seen().pop().unwrap());
    });
}

/// What one answer of a provider means.
struct Row {
    answer: Answer,
    failure: Failure,
    code: &'static str,
    /// How many seconds from now another try is welcome.
    wait_seconds: Option<i64>,
}

fn row(answer: Answer, failure: Failure, code: &'static str) -> Row {
    Row {
        answer,
        failure,
        code,
        wait_seconds: None,
    }
}

impl Row {
    fn wait(self, seconds: i64) -> Self {
        Self {
            wait_seconds: Some(seconds),
            ..self
        }
    }
}

async fn check_rows(provider: Provider, message: &Outgoing, rows: impl IntoIterator<Item = Row>) {
    for row in rows {
        let api = Api::answering([row.answer.clone()]).await;
        let error = sender(provider, &at(api.base()))
            .send(message, now())
            .await
            .unwrap_err();
        let wait = error.until.map(|until| (until - now()).num_seconds());
        let told = (error.failure, &*error.code, wait);
        assert_eq!(told, (row.failure, row.code, row.wait_seconds), "{:?}", row.answer);
        assert_eq!(api.seen().len(), 1, "one attempt");
        check_shows_nothing_personal((error.to_string(), error));
    }
}

fn number(text: &str) -> E164 {
    E164::parse(text).unwrap()
}

/// A text message with everything.
fn text() -> OutgoingText {
    OutgoingText {
        id: message_id(),
        from: TextFrom::Number(number("+15005550006")),
        to: number("+12025550143"),
        body: PersonalText::new("Your appointment is confirmed for 14:30."),
        valid_for: Some(TimeDelta::minutes(10)),
        report_to: Some("https://hooks.example.com/webhooks/twilio/status".parse().unwrap()),
    }
}

/// A text of our own by WhatsApp.
fn whatsapp() -> OutgoingWhatsapp {
    OutgoingWhatsapp {
        id: message_id(),
        from: Some(TextFrom::Number(number("+15005550006"))),
        to: number("+12025550143"),
        content: WhatsappContent::Text(PersonalText::new("Hi Ana, is 14:30 still fine?")),
        report_to: None,
    }
}

/// A template by WhatsApp.
fn template() -> OutgoingWhatsapp {
    let variables = [("1", "Ana \"the\" first"), ("2", "14:30")];
    let variables = variables.map(|(name, value)| (name.to_owned(), PersonalText::new(value)));
    OutgoingWhatsapp {
        from: Some(TextFrom::Service(
            MessagingService::parse("MG5222bde4760f29bce7349cfd26bcfab8").unwrap(),
        )),
        content: WhatsappContent::Template {
            template: ContentTemplate::parse("HXdddc2559ee1ac8218d34c67aea425073").unwrap(),
            variables: variables.into_iter().collect(),
        },
        ..whatsapp()
    }
}

fn email(mail: OutgoingEmail) -> Outgoing {
    Outgoing::Email(Box::new(mail))
}

fn check_shows_nothing_personal(shown: impl std::fmt::Debug) {
    let shown = format!("{shown:?}");
    for personal in PERSONAL {
        assert!(!shown.contains(personal), "{shown}");
    }
}

#[test]
fn messages_show_nothing_personal() {
    check_shows_nothing_personal(plain_mail());
    check_shows_nothing_personal(full_mail());
    check_shows_nothing_personal(text());
    check_shows_nothing_personal((whatsapp(), template()));
}
