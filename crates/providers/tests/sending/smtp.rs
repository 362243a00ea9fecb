//! What a mail server is told, and over which connection.

use providers::outgoing::{Attachment, EmailContent, Line, OutgoingEmail};
use providers::smtp::{Security, SmtpClient, SmtpCredentials};
use providers::{Class, Failure};
use secrecy::SecretString;

use crate::smtp_server::{GOOD, Script, SmtpServer, Turn};
use crate::{full_mail, mailbox, now, plain_mail};

pub(crate) fn credentials(server: &SmtpServer) -> SmtpCredentials {
    let credentials = SmtpCredentials::new("127.0.0.1", server.port, Security::None).unwrap();
    credentials.with_hello("out.example.com").unwrap()
}

pub(crate) fn with_login(credentials: SmtpCredentials) -> SmtpCredentials {
    credentials
        .with_login("desk", &SecretString::from("fixture-password"))
        .unwrap()
}

pub(crate) fn client(server: &SmtpServer) -> SmtpClient {
    SmtpClient::new(&credentials(server)).unwrap()
}

#[tokio::test]
async fn a_mail_is_handed_over_and_called_by_its_message_id() {
    let server = SmtpServer::start(GOOD).await;
    let sent = client(&server).send(&plain_mail(), now()).await.unwrap();
    assert_eq!(
        sent.external_id,
        "0195f0c2-7b7a-7000-8000-000000000001@mail.example.com"
    );
    let header = format!("Message-ID: <{}>\n", sent.external_id);
    assert!(server.mails()[0].contains(&header));
    assert_eq!(
        server.commands(),
        [
            "EHLO out.example.com",
            "MAIL FROM:<desk@mail.example.com>",
            "RCPT TO:<ana@example.com>",
            "DATA"
        ]
    );
}

#[tokio::test]
async fn mails_are_written_as_they_always_were() {
    let server = SmtpServer::start(GOOD).await;
    let client = client(&server);
    let html_only = OutgoingEmail {
        content: EmailContent::Html("<p>é</p>".to_owned().into()),
        attachments: vec![Attachment::new(&Line::new(""), "application/pdf", vec![7; 100]).unwrap()],
        ..plain_mail()
    };
    for (name, mail) in [("plain", plain_mail()), ("full", full_mail()), ("html_only", html_only)] {
        client.send(&mail, now()).await.unwrap();
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("smtp_{name}"), server.mails().pop().unwrap());
        });
    }
}

#[tokio::test]
async fn a_domain_in_other_letters_goes_out_in_ascii_and_a_local_part_needs_a_server_that_takes_it() {
    let server = SmtpServer::start(GOOD).await;
    let domain = OutgoingEmail {
        to: mailbox("ana@exämple.com"),
        ..plain_mail()
    };
    client(&server).send(&domain, now()).await.unwrap();
    assert!(
        server
            .commands()
            .contains(&"RCPT TO:<ana@xn--exmple-cua.com>".to_owned())
    );

    let local = OutgoingEmail {
        to: mailbox("änne@example.com"),
        ..plain_mail()
    };
    let error = client(&server).send(&local, now()).await.unwrap_err();
    assert_eq!(error.failure, Failure::Rejected(Class::Recipient));
    server.tell(Script {
        ehlo: Turn::Say("250-mx.example.com|250 SMTPUTF8"),
        ..GOOD
    });
    client(&server).send(&local, now()).await.unwrap();
    assert!(
        server
            .commands()
            .contains(&"MAIL FROM:<desk@mail.example.com> SMTPUTF8".to_owned())
    );
}

#[tokio::test]
async fn connections_are_used_again_and_replaced_when_they_broke() {
    let server = SmtpServer::start(GOOD).await;
    let client = client(&server);
    for _ in 0..3 {
        client.send(&plain_mail(), now()).await.unwrap();
    }
    assert_eq!((server.connections(), server.mails().len()), (1, 3));

    // A refusal leaves the connection as it was.
    server.tell(Script {
        rcpt: Turn::Say("550 5.1.1 No"),
        ..GOOD
    });
    client.send(&plain_mail(), now()).await.unwrap_err();
    server.tell(GOOD);
    client.send(&plain_mail(), now()).await.unwrap();
    assert_eq!(server.connections(), 1);

    // The server closed it meanwhile.
    server.tell(Script {
        rset: Turn::Close,
        ..GOOD
    });
    client.send(&plain_mail(), now()).await.unwrap();
    assert_eq!((server.connections(), server.mails().len()), (2, 5));

    // It says nothing more.
    server.tell(Script {
        rset: Turn::Hang(3),
        ..GOOD
    });
    client.send(&plain_mail(), now()).await.unwrap();
    assert_eq!((server.connections(), server.mails().len()), (3, 6));
}

#[tokio::test]
async fn a_mail_that_nobody_waits_for_any_more_is_never_continued_on_its_connection() {
    let server = SmtpServer::start(Script {
        end: Turn::Hang(6),
        ..GOOD
    })
    .await;
    let client = client(&server);
    let limit = std::time::Duration::from_secs(5);
    let given_up = tokio::time::timeout(limit, client.send(&plain_mail(), now())).await;
    assert!(given_up.is_err());
    server.tell(GOOD);
    client.send(&plain_mail(), now()).await.unwrap();
    assert_eq!((server.connections(), server.mails().len()), (2, 2));
    assert_eq!(server.mails()[0], server.mails()[1]);
}

#[tokio::test]
async fn a_connection_carries_fifty_mails_and_no_more() {
    let server = SmtpServer::start(GOOD).await;
    let client = client(&server);
    for _ in 0..51 {
        client.send(&plain_mail(), now()).await.unwrap();
    }
    assert_eq!((server.connections(), server.mails().len()), (2, 51));
}

#[test]
fn credentials_are_refused_with_a_reason_and_show_no_secret() {
    let new = |host: &str, security| {
        SmtpCredentials::new(host, 587, security)
            .map(|_| ())
            .map_err(|error| error.field)
    };
    assert_eq!(new("smtp.example.com", Security::StartTls), Ok(()));
    assert_eq!(new("smtp.example.com", Security::None), Err("security"));
    assert_eq!(new("10.0.0.1", Security::None), Err("security"));
    assert_eq!(new("127.0.0.1", Security::None), Ok(()));
    assert_eq!(new("[::1]", Security::None), Ok(()));
    assert_eq!(new("a b", Security::Tls), Err("host"));
    assert_eq!(new("", Security::Tls), Err("host"));

    let plain = SmtpCredentials::new("smtp.example.com", 587, Security::StartTls).unwrap();
    for (user, password, field) in [
        ("", "p", "username"),
        ("u", "", "password"),
        ("u\r\n", "p", "username"),
        ("u", "p\0", "password"),
    ] {
        let refused = plain
            .clone()
            .with_login(user, &SecretString::from(password))
            .unwrap_err();
        assert_eq!(refused.field, field);
    }
    assert_eq!(
        plain.clone().with_root_certificate("none").unwrap_err().field,
        "root_certificate"
    );
    assert_eq!(plain.clone().with_hello("a b").unwrap_err().field, "hello");

    let known = plain
        .with_login("fixture-user-of-desk", &SecretString::from("fixture-password"))
        .unwrap();
    assert_eq!(known.preview(), "smtp.example.com:587 as fixt…sk");
    let shown = format!("{known:?} {:?}", SmtpClient::new(&known).map(|_| ()));
    assert!(!shown.contains("password") && !shown.contains("user-of"), "{shown}");
}
