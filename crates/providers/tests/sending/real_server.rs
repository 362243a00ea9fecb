//! A real mail server: Postfix takes what we send, and Dovecot shows by IMAP what arrived.

use std::time::Duration;

use async_imap::Session;
use async_imap::extensions::idle::IdleResponse;
use domain::EmailAddress;
use futures_util::TryStreamExt as _;
use mail_parser::{MessageParser, MimeHeaders as _};
use providers::outgoing::{EmailContent, OutgoingEmail};
use providers::smtp::{Dkim, Security, SmtpClient, SmtpCredentials};
use providers::{Class, Failure};
use secrecy::SecretString;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::dkim::{SEED_BASE64, dkim_passes};
use crate::smtp::with_login;
use crate::{full_mail, mailbox, now, plain_mail};

/// Longer than any mail is on its way here.
const LIMIT: Duration = Duration::from_secs(60);

fn port(variable: &str) -> u16 {
    let port = std::env::var(variable);
    let port = port.unwrap_or_else(|_| panic!("{variable} is not set: run the tests through `bin/test`"));
    port.parse().unwrap()
}

fn credentials() -> SmtpCredentials {
    let credentials = SmtpCredentials::new("localhost", port("TEST_SMTP_PORT"), Security::StartTls).unwrap();
    let credentials = credentials.with_root_certificate(include_str!("tls/ca.pem")).unwrap();
    with_login(credentials.with_hello("out.example.com").unwrap())
}

/// The mailbox, from now on.
struct Inbox(Session<TcpStream>);

impl Inbox {
    async fn open() -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port("TEST_IMAP_PORT"))).await.unwrap();
        let mut client = async_imap::Client::new(stream);
        client.read_response().await.unwrap().expect("a greeting");
        let mut session = client.login("ana", "fixture-password").await.unwrap();
        session.select("INBOX").await.unwrap();
        Self(session)
    }

    /// The mail with this id, as the server keeps it. Waits for it without asking again and again (RFC 2177).
    async fn wait_for(mut self, message_id: &str) -> Vec<u8> {
        tokio::time::timeout(LIMIT, async {
            loop {
                if let Some(mail) = self.find(message_id).await {
                    return mail;
                }
                let mut idle = self.0.idle();
                idle.init().await.unwrap();
                let (wait, _stop) = idle.wait();
                assert!(!matches!(wait.await.unwrap(), IdleResponse::Timeout));
                self = Self(idle.done().await.unwrap());
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{message_id} did not arrive"))
    }

    async fn find(&mut self, message_id: &str) -> Option<Vec<u8>> {
        let found = self
            .0
            .search(format!("HEADER Message-ID <{message_id}>"))
            .await
            .unwrap();
        assert!(found.len() <= 1, "{message_id} arrived {} times", found.len());
        let mail = self
            .0
            .fetch(found.into_iter().next()?.to_string(), "BODY[]")
            .await
            .unwrap();
        let mails: Vec<_> = mail.try_collect().await.unwrap();
        Some(mails.first()?.body()?.to_vec())
    }
}

/// So that runs and tests share a mailbox.
fn with_own_id(mail: OutgoingEmail) -> OutgoingEmail {
    OutgoingEmail {
        id: domain::MessageId(Uuid::now_v7()),
        ..mail
    }
}

#[tokio::test]
async fn a_mail_with_everything_arrives_as_it_was_written() {
    let inbox = Inbox::open().await;
    let dkim = Dkim::new("mail.example.com", "s1", &SecretString::from(SEED_BASE64)).unwrap();
    let client = SmtpClient::new(&credentials().with_dkim(dkim)).unwrap();
    let written = with_own_id(full_mail());
    let sent = client.send(&written, now()).await.unwrap();

    let raw = inbox.wait_for(&sent.external_id).await;
    let text = String::from_utf8(raw.clone()).unwrap();
    assert!(
        text.contains("with ESMTPSA"),
        "it went in clear or without a login: {text}"
    );
    assert!(dkim_passes(&text.replace("\r\n", "\n")), "{text}");
    let mail = MessageParser::default().parse(&raw).unwrap();
    assert_eq!(mail.subject(), Some("Ihr Termin für 14:30 Uhr ✓"));
    let from = mail.from().unwrap().first().unwrap();
    assert_eq!(
        (from.name(), from.address()),
        (Some("Example Désk, Zürich"), Some("desk@mail.example.com"))
    );
    let EmailContent::Both { text, html } = &written.content else {
        panic!("a page with a text")
    };
    assert_eq!(mail.body_text(0).unwrap().trim_end(), text.expose().trim_end());
    assert_eq!(mail.body_html(0).unwrap().trim_end(), html.expose());
    let files: Vec<_> = mail
        .attachments()
        .map(|file| (file.attachment_name().unwrap_or_default(), file.contents()))
        .collect();
    let map: &[u8] = &[0, 13, 10, 46, 13, 10, 255];
    assert_eq!(
        files,
        [("Termin März.ics", b"BEGIN:VCALENDAR\n".as_slice()), ("map.png", map)]
    );
}

#[tokio::test]
async fn mails_by_one_connection_arrive_once_each() {
    let client = SmtpClient::new(&credentials()).unwrap();
    for _ in 0..3 {
        let inbox = Inbox::open().await;
        let sent = client.send(&with_own_id(plain_mail()), now()).await.unwrap();
        let raw = inbox.wait_for(&sent.external_id).await;
        let mail = MessageParser::default().parse(&raw).unwrap();
        assert_eq!(mail.body_text(0).unwrap().trim_end(), "See you at 14:30.");
    }
}

#[tokio::test]
async fn its_refusals_mean_what_the_table_says() {
    let client = SmtpClient::new(&credentials()).unwrap();
    let to = |address: &str| OutgoingEmail {
        to: mailbox(EmailAddress::parse(address).unwrap().expose()),
        ..with_own_id(plain_mail())
    };
    for (address, failure, code) in [
        ("refused@example.com", Failure::Rejected(Class::Recipient), "550 5.1.1"),
        ("later@example.com", Failure::Deferred, "450 4.2.1"),
    ] {
        let error = client.send(&to(address), now()).await.unwrap_err();
        assert_eq!((error.failure, &*error.code), (failure, code), "{address}");
    }
    let wrong = SmtpCredentials::new("localhost", port("TEST_SMTP_PORT"), Security::StartTls).unwrap();
    let wrong = wrong.with_root_certificate(include_str!("tls/ca.pem")).unwrap();
    let wrong = wrong
        .with_login("desk", &SecretString::from("not-the-password"))
        .unwrap();
    let error = SmtpClient::new(&wrong)
        .unwrap()
        .send(&to("ana@example.com"), now())
        .await
        .unwrap_err();
    assert_eq!(error.failure, Failure::Unauthorized, "{}", error.code);
}
