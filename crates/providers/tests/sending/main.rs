//! What is sent, and what each answer of a provider, or the lack of one, means.
//!
//! Against real servers on loopback: small ones that answer as the providers' documentation says, or break off.

#![allow(clippy::unwrap_used)]

mod credentials;
mod dkim;
mod faults;
mod http_server;
mod injection;
mod resend;
mod sendgrid;
mod smtp;
mod smtp_replies;
mod smtp_server;
mod smtp_tls;

use chrono::{DateTime, Utc};
use domain::{EmailAddress, MessageId, PersonalText};
use http_server::{Answer, Api};
use providers::outgoing::{Attachment, EmailContent, ExtraHeader, Line, Mailbox, OutgoingEmail, Unsubscribe};
use providers::{BaseUrl, Credentials, HttpClient, Outgoing, Provider, Sender, StandIns, Verdict};

/// Parts of the messages below that must never be shown.
const PERSONAL: [&str; 6] = ["ana@", "Ana", "2025550143", "14:30", "fixture", "Désk"];

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

/// A sender with credentials that are nobody's, whose provider is at `stand_ins`.
fn sender(provider: Provider, stand_ins: &StandIns) -> Sender {
    let json = match provider {
        Provider::SendGrid => r#"{"api_key":"SG.fixture-key-of-nobody"}"#,
        Provider::Resend => r#"{"api_key":"re_fixture_key_of_nobody"}"#,
        _ => panic!("{provider:?} is not called by HTTP"),
    };
    let credentials = Credentials::parse(provider, json.as_bytes()).unwrap();
    Sender::new(&credentials, &HttpClient::new().unwrap(), stand_ins).unwrap()
}

fn at(base: BaseUrl) -> StandIns {
    StandIns {
        sendgrid: Some(base.clone()),
        resend: Some(base),
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
    verdict: Verdict,
    code: &'static str,
    /// How many seconds from now another try is welcome.
    wait_seconds: Option<i64>,
}

fn row(answer: Answer, verdict: Verdict, code: &'static str) -> Row {
    Row {
        answer,
        verdict,
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
        let told = (error.verdict, &*error.code, wait);
        assert_eq!(told, (row.verdict, row.code, row.wait_seconds), "{:?}", row.answer);
        assert_eq!(api.seen().len(), 1, "one attempt");
        check_shows_nothing_personal((error.to_string(), error));
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
}
