//! What is kept of a call that went wrong.

use providers::smtp::SmtpClient;
use providers::{Excerpt, Outgoing, Provider};

use crate::http_server::{Answer, Api, answer};
use crate::smtp::{client, credentials, with_login};
use crate::smtp_server::{GOOD, Script, SmtpServer, Turn};
use crate::{PERSONAL, at, full_mail, now, sender, text, whatsapp};

/// The excerpt of a call that is answered like this. It shows nothing personal.
async fn excerpt(provider: Provider, message: &Outgoing, answer: Answer) -> Excerpt {
    let api = Api::answering([answer]).await;
    let sent = sender(provider, &at(api.base())).send(message, now()).await;
    shows_nothing_personal(*sent.unwrap_err().excerpt.unwrap())
}

fn shows_nothing_personal(excerpt: Excerpt) -> Excerpt {
    let shown = format!("{excerpt:?}");
    let secrets = [
        "fixture-token",
        "fixture-key",
        "fixture_key",
        "fixtureApiToken",
        "1101000001",
        "AC6ae",
    ];
    for part in PERSONAL.iter().filter(|part| **part != "fixture").chain(&secrets) {
        assert!(!shown.contains(part), "{part}: {shown}");
    }
    excerpt
}

#[tokio::test]
async fn what_was_asked_is_told_by_its_names_and_what_came_back_without_what_it_repeats() {
    let mail = Outgoing::Email(Box::new(full_mail()));
    let refused = |body: &str| answer(400, body).with("retry-after", "7");
    let check = async |provider, message: &Outgoing, refused, asked: &str, answered: &str| {
        let Excerpt { request, response } = excerpt(provider, message, refused).await;
        let response = response.unwrap();
        assert!(request.starts_with(asked), "{request}");
        assert!(response.starts_with("400 Bad Request\nretry-after: 7\n"), "{response}");
        assert!(response.contains(answered), "{response}");
    };
    check(
        Provider::Twilio,
        &Outgoing::Text(text()),
        refused(r#"{"code":21211,"message":"The 'To' number +12025550143 is not a valid phone number.","status":400}"#)
            .with("twilio-request-id", "RQ6ae32eaeb19b4d6974b27e9e2e7fc789"),
        "POST /2010-04-01/Accounts/{account}/Messages.json (To, From, Body, ",
        "twilio-request-id: RQ6ae32eaeb19b4d6974b27e9e2e7fc789\n\
         {\"code\":21211,\"message\":\"The 'To' number <number> is not a valid phone number.\",\"status\":400}",
    )
    .await;
    check(
        Provider::SendGrid,
        &mail,
        refused(r#"{"errors":[{"message":"Does not contain a valid address: ana@example.com, Ana","field":"to"}]}"#),
        "POST /v3/mail/send (",
        "\"Does not contain a valid address: <told>, <told>\"",
    )
    .await;
    check(
        Provider::Resend,
        &mail,
        refused(r#"{"name":"validation_error","message":"Invalid `to`: \"Ana Example\" <ana@example.com>"}"#),
        "POST /emails (",
        "Invalid `to`: \\\"<told>",
    )
    .await;
    check(
        Provider::GreenApi,
        &Outgoing::Whatsapp(whatsapp()),
        refused("Validation failed: 12025550143@c.us via /waInstance1101000001/sendMessage/fixtureApiToken0001"),
        "POST /waInstance{instance}/sendMessage/{token} (chatId, linkPreview, message)",
        "Validation failed: <told> via /<told>/sendMessage/<told>",
    )
    .await;
}

#[tokio::test]
async fn a_call_without_an_answer_tells_what_was_asked() {
    let api = Api::answering([answer(201, "{}").after(30)]).await;
    let sent = sender(Provider::Twilio, &at(api.base()))
        .send(&Outgoing::Text(text()), now())
        .await;
    let excerpt = shows_nothing_personal(*sent.unwrap_err().excerpt.unwrap());
    assert_eq!(excerpt.response, None);
}

#[tokio::test]
async fn an_answer_that_refuses_nothing_is_told_by_its_size() {
    let list = answer(200, r#"{"messages":[{"body":"somebody else's"}]}"#);
    let excerpt = excerpt(Provider::Twilio, &Outgoing::Text(text()), list).await;
    assert_eq!(excerpt.response.as_deref(), Some("200 OK\n<41 bytes>"));
}

#[tokio::test]
async fn a_long_answer_is_cut_and_a_huge_one_is_told_by_its_size() {
    for (length, expected) in [(2_000, 500), (20_000, "<20000 bytes>".len())] {
        let page = answer(502, "x ".repeat(length / 2));
        let excerpt = excerpt(Provider::Twilio, &Outgoing::Text(text()), page).await;
        let response = excerpt.response.unwrap();
        let body = response.strip_prefix("502 Bad Gateway\n").unwrap();
        assert_eq!(body.len(), expected);
    }
}

#[tokio::test]
async fn a_reply_of_a_mail_server_is_kept_without_what_it_repeats() {
    let rcpt = Turn::Say("550-5.1.1 <ana@example.com>: Ana Example is unknown|550 5.1.1 Ihr Termin um 14:30 Uhr");
    let server = SmtpServer::start(Script { rcpt, ..GOOD }).await;
    let error = client(&server).send(&full_mail(), now()).await.unwrap_err();
    let excerpt = shows_nothing_personal(*error.excerpt.unwrap());
    assert_eq!(excerpt.request, "RCPT TO");
    let response = excerpt.response.unwrap();
    assert!(response.starts_with("550 5.1.1 <<told>>:"), "{response}");
}

#[tokio::test]
async fn a_mail_server_that_repeats_the_login_is_not_quoted_with_it() {
    let auth = Turn::Say("535 5.7.8 AUTH PLAIN AGRlc2sAZml4dHVyZS1wYXNzd29yZA==: desk, fixture-password");
    let server = SmtpServer::start(Script { auth, ..GOOD }).await;
    let client = SmtpClient::new(&with_login(credentials(&server))).unwrap();
    let error = client.send(&full_mail(), now()).await.unwrap_err();
    let excerpt = shows_nothing_personal(*error.excerpt.unwrap());
    assert_eq!(excerpt.request, "AUTH");
    let response = excerpt.response.unwrap();
    let shown =
        ["AGRlc2sAZml4dHVyZS1wYXNzd29yZA==", "desk", "fixture-password"].map(|secret| response.contains(secret));
    assert!(response.starts_with("535 5.7.8") && shown == [false; 3], "{response}");
}
