//! What it means when a provider does not answer, or breaks off.

use providers::outgoing::{Attachment, Line, OutgoingEmail};
use providers::{BaseUrl, Class, Failure, Outgoing, Provider, Reconcile};
use tokio::net::TcpListener;

use crate::http_server::{Api, Fault, answer};
use crate::{at, check_shows_nothing_personal, email, now, number, pass, plain_mail, sender, template, text, whatsapp};

/// Every provider that is called by HTTP, and a message for it.
fn all() -> [(Provider, Outgoing); 5] {
    [
        (Provider::SendGrid, email(plain_mail())),
        (Provider::Resend, email(plain_mail())),
        (Provider::Twilio, Outgoing::Text(text())),
        (Provider::Twilio, Outgoing::Whatsapp(template())),
        (Provider::GreenApi, Outgoing::Whatsapp(whatsapp())),
    ]
}

#[tokio::test]
async fn only_a_connection_that_never_came_about_surely_sent_nothing() {
    use Failure::{RateLimited, Rejected, Unauthorized, Unclear, Unreachable};
    for (provider, message) in all() {
        for (fault, failure, code) in [
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
            assert_eq!((error.failure, &*error.code), (failure, code), "{provider:?} {fault:?}");
            assert_eq!(error.is_surely_unsent(), failure != Unclear);
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
        pass(6).await;
        std::future::pending::<()>().await;
    });
    let sender = sender(Provider::Resend, &at(base));
    let error = sender.send(&email(plain_mail()), now()).await.unwrap_err();
    assert_eq!((error.failure, &*error.code), (Failure::Unreachable, "connect"));
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
            (error.failure, &*error.code),
            (Failure::Rejected(Class::Content), "size")
        );
    }
    for (provider, message) in [
        (Provider::SendGrid, Outgoing::Text(text())),
        (Provider::Resend, Outgoing::Whatsapp(whatsapp())),
        (Provider::Twilio, email(plain_mail())),
        (Provider::GreenApi, Outgoing::Text(text())),
    ] {
        let sender = sender(provider, &at(api.base()));
        assert!(!provider.carries(message.channel()));
        let error = sender.send(&message, now()).await.unwrap_err();
        assert_eq!(
            (error.failure, &*error.code),
            (Failure::Rejected(Class::Configuration), "channel")
        );
    }
    for (provider, message) in all() {
        assert!(provider.carries(message.channel()));
    }
    assert!(api.seen().is_empty());
}

#[tokio::test]
async fn a_question_that_gets_no_answer_sent_nothing() {
    for (provider, message) in all() {
        for fault in [
            Fault::Refuse,
            Fault::Close,
            Fault::Garbage,
            Fault::Hang,
            Fault::Huge(200),
            Fault::CloseWithinBody(500),
        ] {
            let sender = sender(provider, &at(fault.start().await));
            let expected = match sender.reconcile() {
                Reconcile::LookUp { .. } => Failure::Unreachable,
                _ => Failure::Rejected(Class::Configuration),
            };
            let error = sender.look_up(&message, now(), now()).await.unwrap_err();
            assert_eq!(error.failure, expected, "{provider:?} {fault:?}");
            let error = sender
                .fetch("SM3388f4107222344a79a3f4e9986abb88", &number("+12025550143"), now())
                .await
                .unwrap_err();
            assert_eq!(error.failure, expected, "{provider:?} {fault:?}");
        }
    }
}
