//! `GET /openapi.json`: the API in words that programs read, made from the handlers themselves.

use axum::Json;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(title = "relais", description = "A queue-driven backend for business messaging"),
    paths(super::jobs::show, super::send::create, super::messages::list, super::messages::show, super::events::list,
        super::stats::delivery, super::otp::ask, super::otp::verify, super::templates::create, super::templates::list,
        super::templates::versions, super::templates::preview, super::suppressions::list, super::suppressions::add,
        super::suppressions::lift, super::leads::hot, super::leads::scoring, super::interactions::list, super::interactions::show,
        super::interactions::changes, super::interactions::create::create, super::interactions::change::remove,
        super::interactions::change::set_status, super::interactions::change::set_assignee,
        super::interactions::change::set_next_action, super::interactions::assign::assign,
        super::contacts::export, super::contacts::erase, super::me::show, super::members::list,
        super::members::create, super::members::change, super::members::remove,
        super::session::end_all, super::invitations::create, super::invitations::list, super::invitations::revoke,
        super::session::end, super::session::rotate, super::sign_in::ask, super::sign_in::redeem,
        super::keys::list, super::keys::create, super::keys::rotate, super::keys::revoke, super::audit::credentials,
        super::audit::list, webhook, provider_webhook,
        provider_webhook_by_get, health, ready, metrics),
    components(schemas(super::send::MessageRequest, super::send::BatchRequest, super::send::BatchAccepted)),
    modifiers(&ApiKey)
)]
struct Description;

struct ApiKey;

impl Modify for ApiKey {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("api_key", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// A signed e-mail event. `X-Signature` is the hex HMAC-SHA256 of `{X-Timestamp}.{raw body}` with the endpoint's secret.
#[utoipa::path(post, path = "/webhooks/email/{endpoint}", tag = "webhooks",
    params(
        ("endpoint" = Uuid, Path, description = "The endpoint's id, as `relais endpoint create` printed it"),
        ("X-Signature" = String, Header, description = "64 hex digits; `sha256=` in front is allowed"),
        ("X-Timestamp" = String, Header, description = "Unix seconds or RFC 3339, of the last 5 minutes")
    ),
    request_body(content = serde_json::Value, description = "provider, external_id, event (sent, delivered, opened, \
        clicked, bounced, complained, unsubscribed); optional: event_id, occurred_at, recipient, subject, person_id or \
        organisation_id, url"),
    responses(
        (status = 202, description = "Durably queued, or known already"),
        (status = 400, description = "Timestamp older or newer than 5 minutes"),
        (status = 403, description = "Signature missing or wrong"),
        (status = 404, description = "No such endpoint"),
        (status = 413, description = "Over 1 MiB"),
        (status = 415, description = "Not JSON"),
        (status = 422, description = "Signed, but not readable; names the field"),
        (status = 503, description = "Not queued: send it again")
    ))]
#[expect(dead_code, reason = "describes intake's route, which takes every provider")]
fn webhook() {}

/// What a provider tells, proven in its own way. SendGrid's signed event webhook, Resend, Standard Webhooks (also as
/// `standard_webhooks`), Twilio (forms, and JSON with `bodySHA256`), Green-API, Vapi. The signature of Twilio is over
/// `PUBLIC_URL`, the path and the query as they were sent.
#[utoipa::path(post, path = "/webhooks/{provider}/{endpoint}", tag = "webhooks",
    params(
        ("provider" = String, Path, description = "sendgrid, resend, standard, twilio, green_api, vapi"),
        ("endpoint" = Uuid, Path, description = "The endpoint's id, as `relais endpoint create` printed it")
    ),
    request_body(content(
        (serde_json::Value = "application/json"),
        (String = "application/x-www-form-urlencoded")
    ), description = "As the provider sends it; a form from Twilio only"),
    responses(
        (status = 200, description = "Durably queued, or known already. Green-API: as 202. Vapi's questions: the smallest \
            answer. Twilio: TwiML, empty unless STOP, START or HELP is answered. `X-Relais-Job` names the job", content(
                (serde_json::Value = "application/json"), (String = "text/xml"))),
        (status = 202, description = "Durably queued, or known already: `job` and `duplicate`"),
        (status = 204, description = "Twilio's status callbacks: as 202, in `X-Relais-Job` and `X-Relais-Duplicate`"),
        (status = 400, description = "Timestamp older or newer than 5 minutes, where the provider signs one"),
        (status = 403, description = "Proof missing or wrong, or another account's"),
        (status = 404, description = "No such endpoint, or another provider's"),
        (status = 413, description = "Over 1 MiB"),
        (status = 415, description = "Not JSON, nor a form from Twilio"),
        (status = 422, description = "Genuine, but not readable"),
        (status = 503, description = "Not queued: send it again")
    ))]
#[expect(dead_code, reason = "describes intake's route, which takes every provider")]
fn provider_webhook() {}

/// As POST, with everything in the query. Twilio may be set up to ask like this.
#[utoipa::path(get, path = "/webhooks/twilio/{endpoint}", tag = "webhooks",
    params(
        ("endpoint" = Uuid, Path, description = "The endpoint's id, as `relais endpoint create` printed it"),
        ("X-Twilio-Signature" = String, Header, description = "Over the whole URL")
    ),
    responses(
        (status = 200, description = "TwiML; `X-Relais-Job` names the job", content_type = "text/xml"),
        (status = 204, description = "A status; `X-Relais-Job` names the job"),
        (status = 403, description = "Signature missing or wrong"),
        (status = 404, description = "No such endpoint"),
        (status = 503, description = "Not queued: send it again")
    ))]
#[expect(dead_code, reason = "describes intake's route, which takes every provider")]
fn provider_webhook_by_get() {}

/// The process is alive, whatever it depends on.
#[utoipa::path(get, path = "/health", tag = "operations", responses((status = 200, description = "Alive")))]
#[expect(dead_code, reason = "describes a route of another module")]
fn health() {}

/// Whether store and queue can be reached.
#[utoipa::path(get, path = "/ready", tag = "operations", responses(
    (status = 200, description = "Both answer"),
    (status = 503, description = "`store` or `queue` is `unreachable`")))]
#[expect(dead_code, reason = "describes a route of another module")]
fn ready() {}

/// Figures of this process and of the queue.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "The text format of Prometheus", content_type = "text/plain")))]
#[expect(dead_code, reason = "describes a route of another module")]
fn metrics() {}

pub(crate) async fn json() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use domain::interaction::{InteractionReason, InteractionStatus};

    use super::*;

    #[test]
    fn every_word_of_an_interaction_is_described() {
        let described = serde_json::to_value(Description::openapi()).unwrap();
        let check = |field: &str, words: Vec<&str>| {
            let field = &described["components"]["schemas"]["Interaction"]["properties"][field];
            let said = field["description"].as_str().unwrap();
            for word in words {
                assert!(said.contains(&format!("`{word}`")), "{word}: {said}");
            }
        };
        check(
            "reason",
            InteractionReason::ALL.iter().map(|reason| reason.as_str()).collect(),
        );
        check(
            "status",
            InteractionStatus::ALL.iter().map(|status| status.as_str()).collect(),
        );
    }
}
