//! What goes out encrypted, and to whom nothing goes out.

use providers::smtp::{Security, SmtpClient, SmtpCredentials};
use providers::{Class, Failure};

use crate::smtp::with_login;
use crate::smtp_server::{GOOD, Script, SmtpServer, Turn};
use crate::{now, plain_mail};

const STARTTLS: Script = Script {
    ehlo: Turn::Say("250-mx.example.com|250-AUTH PLAIN|250 STARTTLS"),
    ..GOOD
};

fn trusting(server: &SmtpServer, security: Security) -> SmtpCredentials {
    let credentials = SmtpCredentials::new("localhost", server.port, security).unwrap();
    let credentials = credentials.with_root_certificate(include_str!("tls/ca.pem")).unwrap();
    with_login(credentials.with_hello("out.example.com").unwrap())
}

#[tokio::test]
async fn password_and_mail_go_out_encrypted() {
    for (security, script) in [
        (Security::StartTls, STARTTLS),
        (Security::Tls, Script { tls: true, ..GOOD }),
    ] {
        let server = SmtpServer::start(script).await;
        let client = SmtpClient::new(&trusting(&server, security)).unwrap();
        client.send(&plain_mail(), now()).await.unwrap();
        let commands = server.commands();
        let position = |word: &str| commands.iter().position(|line| line.starts_with(word));
        let starttls = position("STARTTLS").map_or(0, |at| at + 1);
        assert_eq!(position("STARTTLS").is_some(), security == Security::StartTls);
        assert!(commands[starttls..][0].starts_with("EHLO"), "{commands:?}");
        // desk and its password, as RFC 4616 has them.
        assert_eq!(commands[starttls..][1], "AUTH PLAIN AGRlc2sAZml4dHVyZS1wYXNzd29yZA==");
        assert_eq!(server.mails().len(), 1);
    }
}

#[tokio::test]
async fn a_server_without_starttls_or_with_a_strangers_certificate_gets_neither_password_nor_mail() {
    let in_clear = SmtpServer::start(GOOD).await;
    let client = SmtpClient::new(&trusting(&in_clear, Security::StartTls)).unwrap();
    let error = client.send(&plain_mail(), now()).await.unwrap_err();
    assert_eq!(
        (error.failure, &*error.code),
        (Failure::Rejected(Class::Configuration), "starttls")
    );
    assert_eq!(in_clear.commands(), ["EHLO out.example.com"]);

    for (security, script) in [
        (Security::StartTls, STARTTLS),
        (Security::Tls, Script { tls: true, ..GOOD }),
    ] {
        let stranger = SmtpServer::start(script).await;
        let credentials = with_login(SmtpCredentials::new("localhost", stranger.port, security).unwrap());
        let error = SmtpClient::new(&credentials)
            .unwrap()
            .send(&plain_mail(), now())
            .await
            .unwrap_err();
        assert_eq!(error.failure, Failure::Unreachable, "{security:?}");
        let told = stranger
            .commands()
            .iter()
            .any(|line| line.starts_with("AUTH") || line.starts_with("MAIL"));
        assert!(!told, "{:?}", stranger.commands());
    }
}
