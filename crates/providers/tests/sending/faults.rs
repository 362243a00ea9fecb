//! What it means when a provider does not answer, or breaks off.

use std::time::Duration;

use providers::outgoing::{Attachment, Line, OutgoingEmail};
use providers::{BaseUrl, Class, Outgoing, Provider, Verdict};
use tokio::net::TcpListener;

use crate::http_server::{Api, Fault, answer};
use crate::{at, check_shows_nothing_personal, email, now, plain_mail, sender};

/// Every provider that is called by HTTP, and a message for it.
fn all() -> [(Provider, Outgoing); 2] {
    [
        (Provider::SendGrid, email(plain_mail())),
        (Provider::Resend, email(plain_mail())),
    ]
}

#[tokio::test]
async fn only_a_connection_that_never_came_about_surely_sent_nothing() {
    use Verdict::{RateLimited, Rejected, Unauthorized, Unclear, Unreachable};
    for (provider, message) in all() {
        for (fault, verdict, code) in [
            (Fault::Refuse, Unreachable, "connect"),
            (Fault::Close, Unclear, "connection"),
            (Fault::CloseWithinHead, Unclear, "connection"),
            (Fault::Garbage, Unclear, "connection"),
            (Fault::Hang, Unclear, "timeout"),
            (Fault::CloseWithinBody(500), Unclear, "http_500"),
            (Fault::Huge(503), Unclear, "http_503"),
            // The status has told what the body does not.
            (Fault::CloseWithinBody(401), Unauthorized, "http_401"),
            (Fault::CloseWithinBody(429), RateLimited, "http_429"),
            (Fault::Huge(429), RateLimited, "http_429"),
            (Fault::Huge(418), Rejected(Class::Unknown), "http_418"),
            // It was taken, but not what it is called.
            (Fault::CloseWithinBody(200), Unclear, "answer"),
            (Fault::Huge(200), Unclear, "answer"),
        ] {
            let base = fault.start().await;
            let error = sender(provider, &at(base)).send(&message, now()).await.unwrap_err();
            assert_eq!((error.verdict, &*error.code), (verdict, code), "{provider:?} {fault:?}");
            assert_eq!(error.is_surely_unsent(), verdict != Unclear);
            check_shows_nothing_personal((error.to_string(), error));
        }
    }
}

#[tokio::test]
async fn a_server_that_never_encrypts_is_not_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = BaseUrl::parse(&format!("https://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        let _silent = listener.accept().await.unwrap();
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(6)).await;
        tokio::time::resume();
        std::future::pending::<()>().await;
    });
    let sender = sender(Provider::Resend, &at(base));
    let error = sender.send(&email(plain_mail()), now()).await.unwrap_err();
    assert_eq!((error.verdict, &*error.code), (Verdict::Unreachable, "connect"));
}

#[tokio::test]
async fn what_is_too_large_or_of_another_channel_is_not_asked_for() {
    let api = Api::answering([answer(500, "")]).await;
    let file = Attachment::new(&Line::new("a"), "application/pdf", vec![7; 10 * 1024 * 1024 + 1]).unwrap();
    let large = OutgoingEmail {
        attachments: vec![file],
        ..plain_mail()
    };
    for provider in [Provider::SendGrid, Provider::Resend] {
        let sender = sender(provider, &at(api.base()));
        let error = sender.send(&email(large.clone()), now()).await.unwrap_err();
        assert_eq!(
            (error.verdict, &*error.code),
            (Verdict::Rejected(Class::Content), "size")
        );
    }
    assert!(api.seen().is_empty());
}
