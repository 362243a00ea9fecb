//! What Resend is asked, and what its answers mean.

use chrono::TimeDelta;
use providers::event::DeliveryStatus;
use providers::{Class, Failure, Provider, Reconcile};

use crate::http_server::{Api, answer};
use crate::{at, check_request, check_rows, email, full_mail, now, plain_mail, row, sender};

#[tokio::test]
async fn a_mail_is_asked_for_and_called_by_the_id_in_the_answer() {
    let api = Api::answering([answer(200, include_str!("answers/resend/send_response_200.json"))]).await;
    let sender = sender(Provider::Resend, &at(api.base()));
    for (name, mail) in [("resend_plain", plain_mail()), ("resend_full", full_mail())] {
        let sent = sender.send(&email(mail), now()).await.unwrap();
        assert_eq!(sent.external_id, "2bd84cbe-230a-4a45-a961-42e6f394d88c");
        assert_eq!(sent.status, DeliveryStatus::Queued);
        check_request(name, &api);
    }
}

#[tokio::test]
async fn a_mail_that_is_sent_again_is_the_same_request_byte_by_byte() {
    let api = Api::answering([answer(503, ""), answer(200, r#"{"id":"abc"}"#)]).await;
    let sender = sender(Provider::Resend, &at(api.base()));
    let within = TimeDelta::hours(24);
    assert_eq!(sender.reconcile(), Reconcile::Idempotent { within });
    sender.send(&email(full_mail()), now()).await.unwrap_err();
    sender
        .send(&email(full_mail()), now() + TimeDelta::hours(1))
        .await
        .unwrap();
    assert_eq!(api.seen()[0], api.seen()[1]);
    assert_eq!(api.bodies()[0], api.bodies()[1]);
}

#[tokio::test]
async fn every_documented_answer_has_its_meaning() {
    use Class::{Configuration, Content, Quota, Recipient, Unknown};
    use Failure::{Deferred, RateLimited, Rejected, Unauthorized, Unclear};
    let named = |status: u16, name: &str| {
        answer(
            status,
            format!(r#"{{"statusCode":{status},"name":"{name}","message":"about ana@example.com"}}"#),
        )
    };
    let rows = [
        row(named(400, "validation_error"), Rejected(Content), "validation_error"),
        row(
            named(400, "invalid_idempotency_key"),
            Rejected(Content),
            "invalid_idempotency_key",
        ),
        row(
            answer(401, include_str!("answers/resend/error_401_missing_api_key.json")),
            Unauthorized,
            "missing_api_key",
        ),
        row(named(401, "restricted_api_key"), Unauthorized, "restricted_api_key"),
        row(named(403, "invalid_api_key"), Unauthorized, "invalid_api_key"),
        row(
            answer(403, include_str!("answers/resend/error_403_validation_error.json")),
            Rejected(Configuration),
            "validation_error",
        ),
        row(named(403, "invalid_access"), Rejected(Configuration), "invalid_access"),
        row(named(403, "security_error"), Rejected(Configuration), "security_error"),
        row(named(422, "invalid_region"), Rejected(Configuration), "invalid_region"),
        row(named(404, "not_found"), Rejected(Configuration), "not_found"),
        row(
            named(405, "method_not_allowed"),
            Rejected(Configuration),
            "method_not_allowed",
        ),
        row(
            answer(
                409,
                include_str!("answers/resend/error_409_concurrent_idempotent_requests.json"),
            ),
            Deferred,
            "concurrent_idempotent_requests",
        ),
        row(
            named(409, "resource_locked").with("retry-after", "2"),
            Deferred,
            "resource_locked",
        )
        .wait(2),
        row(
            answer(
                409,
                include_str!("answers/resend/error_409_invalid_idempotent_request.json"),
            ),
            Rejected(Content),
            "invalid_idempotent_request",
        ),
        row(
            answer(
                422,
                include_str!("answers/resend/error_422_missing_required_field.json"),
            ),
            Rejected(Content),
            "missing_required_field",
        ),
        row(named(422, "invalid_parameter"), Rejected(Content), "invalid_parameter"),
        row(
            named(422, "invalid_attachment"),
            Rejected(Content),
            "invalid_attachment",
        ),
        row(
            named(422, "invalid_from_address"),
            Rejected(Configuration),
            "invalid_from_address",
        ),
        row(
            named(422, "invalid_to_address"),
            Rejected(Recipient),
            "invalid_to_address",
        ),
        row(
            answer(429, include_str!("answers/resend/error_429_rate_limit_exceeded.json"))
                .with("retry-after", "1")
                .with("ratelimit-reset", "9"),
            RateLimited,
            "rate_limit_exceeded",
        )
        .wait(1),
        row(
            named(429, "rate_limit_exceeded").with("Retry-After", "Mon, 02 Mar 2026 10:16:00 GMT"),
            RateLimited,
            "rate_limit_exceeded",
        )
        .wait(30),
        row(
            named(429, "rate_limit_exceeded").with("ratelimit-reset", "4"),
            RateLimited,
            "rate_limit_exceeded",
        )
        .wait(4),
        // Until midnight, UTC.
        row(
            answer(429, include_str!("answers/resend/error_429_daily_quota_exceeded.json")),
            RateLimited,
            "daily_quota_exceeded",
        )
        .wait(13 * 3600 + 44 * 60 + 30),
        row(
            named(429, "monthly_quota_exceeded"),
            Rejected(Quota),
            "monthly_quota_exceeded",
        ),
        row(
            answer(500, include_str!("answers/resend/error_500_application_error.json")),
            Unclear,
            "application_error",
        ),
        row(named(500, "internal_server_error"), Unclear, "internal_server_error"),
        row(named(503, "service_unavailable"), Unclear, "service_unavailable"),
        // What is not in the documentation is told by its status, and its words are not repeated.
        row(named(403, "ana@example.com"), Rejected(Unknown), "http_403"),
        row(named(418, "teapot"), Rejected(Unknown), "http_418"),
        row(answer(401, ""), Unauthorized, "http_401"),
        row(answer(408, ""), Deferred, "http_408"),
        row(answer(429, "<html>").with("Retry-After", "3"), RateLimited, "http_429").wait(3),
        row(answer(502, "<html>"), Unclear, "http_502"),
        row(
            answer(302, "").with("Location", "/"),
            Rejected(Configuration),
            "http_302",
        ),
        row(answer(200, "{}"), Unclear, "answer"),
        row(answer(200, r#"{"id":["abc"]}"#), Unclear, "answer"),
        row(answer(200, r#"{"id":"a\nb"}"#), Unclear, "answer"),
        row(answer(200, "<html>"), Unclear, "answer"),
        row(answer(204, ""), Unclear, "answer"),
    ];
    check_rows(Provider::Resend, &email(plain_mail()), rows).await;
}
