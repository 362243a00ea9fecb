//! What a mail server's replies mean, and what it means when there is none.

use providers::outgoing::{Attachment, Line, OutgoingEmail};
use providers::smtp::{Security, SmtpClient, SmtpCredentials};
use providers::{Class, Failure, SendError, Sent};

use crate::smtp::{client, credentials, with_login};
use crate::smtp_server::{GOOD, HANG, Script, SmtpServer, Turn};
use crate::{check_shows_nothing_personal, now, plain_mail};

async fn send(script: Script) -> Result<Sent, SendError> {
    let server = SmtpServer::start(script).await;
    client(&server).send(&plain_mail(), now()).await
}

#[tokio::test]
async fn every_reply_means_what_its_stage_and_its_code_say() {
    use Class::{Configuration, Content, Mailbox, Recipient, Unknown};
    use Failure::{Deferred, RateLimited, Rejected, Unauthorized};
    let greeting = |turn| Script { greeting: turn, ..GOOD };
    let mail = |turn| Script { mail: turn, ..GOOD };
    let rcpt = |turn| Script { rcpt: turn, ..GOOD };
    let data = |turn| Script { data: turn, ..GOOD };
    let end = |turn| Script { end: turn, ..GOOD };
    type At<'a> = &'a dyn Fn(Turn) -> Script;
    let rows: [(At<'_>, &'static str, Failure, &str); 38] = [
        (
            &greeting,
            "421 4.3.2 mx.example.com Service not available",
            RateLimited,
            "421 4.3.2",
        ),
        (&greeting, "450 4.7.1 Not now", RateLimited, "450 4.7.1"),
        (&greeting, "554 No SMTP service here", Rejected(Configuration), "554"),
        (&greeting, "554 5.7.1 Listed", Rejected(Configuration), "554 5.7.1"),
        (&mail, "421 4.7.0 Too many connections", RateLimited, "421 4.7.0"),
        (&mail, "451 4.3.0 Local error", Deferred, "451 4.3.0"),
        (&mail, "452 4.3.1 Insufficient storage", Deferred, "452 4.3.1"),
        (&mail, "530 5.7.0 Authentication required", Unauthorized, "530 5.7.0"),
        (&mail, "550 5.1.8 Bad sender", Rejected(Configuration), "550 5.1.8"),
        (&mail, "550 No", Rejected(Configuration), "550"),
        (&mail, "552 5.3.4 Message too big", Rejected(Content), "552 5.3.4"),
        (&mail, "501 5.5.4 Syntax", Rejected(Configuration), "501 5.5.4"),
        (&rcpt, "450 4.2.1 Mailbox busy", Deferred, "450 4.2.1"),
        (
            &rcpt,
            "450 4.7.1 Greylisted, please try again in 300 seconds",
            Deferred,
            "450 4.7.1",
        ),
        (&rcpt, "451 4.4.4 DNS", Deferred, "451 4.4.4"),
        (&rcpt, "452 4.2.2 Mailbox full", Deferred, "452 4.2.2"),
        (&rcpt, "452 4.5.3 Too many recipients", Deferred, "452 4.5.3"),
        (&rcpt, "450 5.1.1 Mixed classes", Deferred, "450"),
        (&rcpt, "550 4.2.1 Mixed classes", Rejected(Unknown), "550"),
        (&rcpt, "550 No enhanced code here", Rejected(Unknown), "550"),
        (&rcpt, "550 5.1.1 User unknown", Rejected(Recipient), "550 5.1.1"),
        (&rcpt, "550 5.1.2 Bad domain", Rejected(Recipient), "550 5.1.2"),
        (&rcpt, "553 5.1.3 Bad address syntax", Rejected(Recipient), "553 5.1.3"),
        (&rcpt, "556 5.1.10 Null MX", Rejected(Recipient), "556 5.1.10"),
        (&rcpt, "550 5.2.1 Mailbox disabled", Rejected(Recipient), "550 5.2.1"),
        (&rcpt, "552 5.2.2 Mailbox full", Rejected(Mailbox), "552 5.2.2"),
        (&rcpt, "552 Mailbox full", Rejected(Mailbox), "552"),
        (&rcpt, "551 Not local", Rejected(Recipient), "551"),
        (&rcpt, "550 5.7.1 Relaying denied", Rejected(Configuration), "550 5.7.1"),
        (&data, "451 4.7.1 Later", Deferred, "451 4.7.1"),
        (&data, "554 5.5.1 No valid recipients", Rejected(Unknown), "554 5.5.1"),
        (&end, "451 4.3.0 Local error", Deferred, "451 4.3.0"),
        (&end, "421 4.3.2 Shutting down", RateLimited, "421 4.3.2"),
        (
            &end,
            "550-5.7.26 Unauthenticated email|550-5.7.26 Set up SPF or DKIM.|550 5.7.26 See",
            Rejected(Configuration),
            "550 5.7.26",
        ),
        (&end, "554 5.7.1 Rejected as spam", Rejected(Content), "554 5.7.1"),
        (&end, "552 5.2.3 Message too big", Rejected(Content), "552 5.2.3"),
        (&end, "552 Too much", Rejected(Content), "552"),
        (&end, "554 5.6.0 Bad MIME", Rejected(Content), "554 5.6.0"),
    ];
    for (at, reply, failure, code) in rows {
        let error = send(at(Turn::Say(reply))).await.unwrap_err();
        assert_eq!((error.failure, &*error.code), (failure, code), "{reply}");
        assert!(error.is_surely_unsent() && error.until.is_none());
        check_shows_nothing_personal((error.to_string(), &error));
    }
}

#[tokio::test]
async fn the_login_decides_for_the_whole_account() {
    let rows = [
        (
            "535 5.7.8 Authentication credentials invalid",
            Failure::Unauthorized,
            "535 5.7.8",
        ),
        ("534 5.7.9 Mechanism too weak", Failure::Unauthorized, "534 5.7.9"),
        ("538 5.7.11 Encryption required", Failure::Unauthorized, "538 5.7.11"),
        (
            "432 4.7.12 Password transition needed",
            Failure::Unauthorized,
            "432 4.7.12",
        ),
        (
            "454 4.7.0 Temporary authentication failure",
            Failure::RateLimited,
            "454 4.7.0",
        ),
        (
            "451 Authentication failed: Maximum credits exceeded",
            Failure::RateLimited,
            "451",
        ),
    ];
    for (reply, failure, code) in rows {
        let server = SmtpServer::start(Script {
            auth: Turn::Say(reply),
            ..GOOD
        })
        .await;
        let client = SmtpClient::new(&with_login(credentials(&server))).unwrap();
        let error = client.send(&plain_mail(), now()).await.unwrap_err();
        assert_eq!((error.failure, &*error.code), (failure, code), "{reply}");
        assert!(server.mails().is_empty());
    }
    let none = SmtpServer::start(Script {
        ehlo: Turn::Say("250 mx.example.com"),
        ..GOOD
    })
    .await;
    let client = SmtpClient::new(&with_login(credentials(&none))).unwrap();
    let error = client.send(&plain_mail(), now()).await.unwrap_err();
    assert_eq!(
        (error.failure, &*error.code),
        (Failure::Rejected(Class::Configuration), "auth")
    );
}

#[tokio::test]
async fn before_the_last_dot_a_lost_server_surely_has_no_mail_and_behind_it_only_the_server_knows() {
    const LOST: [Turn; 4] = [Turn::Close, HANG, Turn::SayAndHang("250-never"), Turn::Say("nonsense")];
    for turn in LOST {
        check_lost(Script { greeting: turn, ..GOOD }, Failure::Unreachable).await;
        check_lost(Script { ehlo: turn, ..GOOD }, Failure::Unreachable).await;
    }
    for turn in LOST.into_iter().chain([Turn::Say("354 out of step")]) {
        check_lost(Script { mail: turn, ..GOOD }, Failure::Unreachable).await;
        check_lost(Script { rcpt: turn, ..GOOD }, Failure::Unreachable).await;
        check_lost(Script { end: turn, ..GOOD }, Failure::Unclear).await;
    }
    for turn in LOST
        .into_iter()
        .chain([Turn::Say("250 out of step"), Turn::SayAndClose("250 out of step")])
    {
        check_lost(Script { data: turn, ..GOOD }, Failure::Unreachable).await;
    }
}

async fn check_lost(script: Script, expected: Failure) {
    let error = send(script).await.unwrap_err();
    assert_eq!(error.failure, expected, "{script:?}");
}

#[tokio::test]
async fn a_server_lost_within_the_content_surely_has_no_mail() {
    let server = SmtpServer::start(Script {
        data: Turn::SayAndClose("354 Go ahead"),
        ..GOOD
    })
    .await;
    // More than both ends can hold back, so that the loss is seen before the last dot.
    let file = Attachment::new(&Line::new("a"), "application/pdf", vec![7; 10 * 1024 * 1024]).unwrap();
    let large = OutgoingEmail {
        attachments: vec![file.clone()],
        ..plain_mail()
    };
    let error = client(&server).send(&large, now()).await.unwrap_err();
    assert_eq!(error.failure, Failure::Unreachable);

    let too_large = OutgoingEmail {
        attachments: vec![file, Attachment::new(&Line::new("b"), "text/plain", vec![7]).unwrap()],
        ..plain_mail()
    };
    let error = client(&server).send(&too_large, now()).await.unwrap_err();
    assert_eq!(
        (error.failure, &*error.code),
        (Failure::Rejected(Class::Content), "size")
    );
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn nobody_at_the_port_is_unreachable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let credentials = SmtpCredentials::new("127.0.0.1", port, Security::None).unwrap();
    let error = SmtpClient::new(&credentials)
        .unwrap()
        .send(&plain_mail(), now())
        .await
        .unwrap_err();
    assert_eq!(error.failure, Failure::Unreachable);
}
