//! What SendGrid is asked, and what its answers mean.

use providers::event::DeliveryStatus;
use providers::{Class, Failure, Provider, Reconcile};

use crate::http_server::{Api, answer};
use crate::{at, check_request, check_rows, email, full_mail, now, plain_mail, row, sender};

#[tokio::test]
async fn a_mail_is_asked_for_and_called_by_the_id_in_the_header() {
    let api = Api::answering([answer(202, "").with("X-Message-Id", "Fx1uRe2sNdGr3idMsg4Id0")]).await;
    let sender = sender(Provider::SendGrid, &at(api.base()));
    for (name, mail) in [("sendgrid_plain", plain_mail()), ("sendgrid_full", full_mail())] {
        let sent = sender.send(&email(mail), now()).await.unwrap();
        assert_eq!(sent.external_id, "Fx1uRe2sNdGr3idMsg4Id0");
        assert_eq!(sent.status, DeliveryStatus::Queued);
        check_request(name, &api);
    }
    assert_eq!(sender.reconcile(), Reconcile::Neither);
}

#[tokio::test]
async fn every_documented_answer_has_its_meaning() {
    use Class::{Configuration, Content, Recipient, Unknown};
    use Failure::{RateLimited, Rejected, Unauthorized, Unclear};
    let field = |field: &str| {
        answer(
            400,
            format!(r#"{{"errors":[{{"message":"ana@example.com","field":"{field}","help":null}}]}}"#),
        )
    };
    let rows = [
        row(
            answer(400, include_str!("answers/sendgrid/error_400.json")),
            Rejected(Configuration),
            "http_400 from",
        ),
        row(
            field("personalizations.0.to.0.email"),
            Rejected(Recipient),
            "http_400 to",
        ),
        row(field("reply_to.email"), Rejected(Configuration), "http_400 reply_to"),
        row(field("subject"), Rejected(Content), "http_400 subject"),
        row(field("content.0.value"), Rejected(Content), "http_400 content"),
        row(field("attachments.0.type"), Rejected(Content), "http_400 attachments"),
        row(field("ana@example.com"), Rejected(Unknown), "http_400"),
        row(answer(400, "<html>"), Rejected(Unknown), "http_400"),
        row(
            answer(401, include_str!("answers/sendgrid/error_401.json")),
            Unauthorized,
            "http_401",
        ),
        row(
            answer(403, include_str!("answers/sendgrid/error_403_sender.json")),
            Rejected(Configuration),
            "http_403",
        ),
        row(answer(404, ""), Rejected(Configuration), "http_404"),
        row(answer(405, ""), Rejected(Configuration), "http_405"),
        row(answer(406, ""), Rejected(Configuration), "http_406"),
        row(
            answer(413, include_str!("answers/sendgrid/error_413.json")),
            Rejected(Content),
            "http_413",
        ),
        row(
            answer(429, include_str!("answers/sendgrid/error_429.json")).with("X-RateLimit-Reset", "1772446560"),
            RateLimited,
            "http_429",
        )
        .wait(30),
        row(answer(429, ""), RateLimited, "http_429"),
        row(answer(500, ""), Unclear, "http_500"),
        row(answer(503, "").with("Retry-After", "5"), Unclear, "http_503"),
        // It has the mail, but does not say what it calls it.
        row(answer(202, ""), Unclear, "answer"),
    ];
    check_rows(Provider::SendGrid, &email(plain_mail()), rows).await;
}
