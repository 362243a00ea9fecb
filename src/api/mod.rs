//! What tenants ask: `/v1/…`, with `Authorization: Bearer <key>`.
//!
//! A key belongs to one tenant, and every question is asked of the store in that tenant's name: what belongs to another
//! is the same as what does not exist. A key has a role, and every route says what it needs ([`router`]).

mod audit;
mod auth;
mod body;
mod contacts;
mod cursor;
mod events;
mod interactions;
mod invitations;
mod jobs;
mod keys;
mod leads;
mod me;
mod members;
mod messages;
mod moment;
pub mod openapi;
mod otp;
mod refusals;
mod render;
mod send;
mod session;
mod sign_in;
mod stats;
mod suppressions;
mod templates;
mod track;

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, patch, post};
use domain::Act;
use queue::Client;
use refusals::Refusals;
use store::Store;

use crate::problem::{Code, Problem};

/// A request is answered within this, whatever becomes of the database meanwhile: longer than its body may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);

/// What the API works with.
#[derive(Clone)]
pub struct Api {
    /// What is remembered.
    pub store: Store,
    /// How work is kept.
    pub queue: Client,
}

/// All routes under `/v1`, each with what it needs, and those that links in mail lead to.
pub fn router(api: Api) -> Router {
    let refusals = Refusals::default();
    let needs = |act, routes| auth::needs(&api, &refusals, act, routes);
    Router::new()
        .route("/v1/jobs/{id}", needs(Act::ReadMessages, get(jobs::show)))
        .route(
            "/v1/interactions",
            needs(Act::ReadInteractions, get(interactions::list)),
        )
        .route(
            "/v1/interactions/{id}",
            needs(Act::ReadInteractions, get(interactions::show)),
        )
        .route(
            "/v1/interactions/{id}/changes",
            needs(Act::ReadInteractions, get(interactions::changes)),
        )
        .route(
            "/v1/interactions",
            needs(Act::WriteOwnInteractions, post(interactions::create::create)),
        )
        .route(
            "/v1/interactions/{id}",
            needs(Act::WriteOwnInteractions, delete(interactions::change::remove)),
        )
        .route(
            "/v1/interactions/{id}/status",
            needs(Act::WriteOwnInteractions, patch(interactions::change::set_status)),
        )
        .route(
            "/v1/interactions/{id}/assignee",
            needs(Act::WriteOwnInteractions, patch(interactions::change::set_assignee)),
        )
        .route(
            "/v1/interactions/{id}/next-action",
            needs(Act::WriteOwnInteractions, patch(interactions::change::set_next_action)),
        )
        .route(
            "/v1/interactions/assign",
            needs(Act::WriteInteractions, post(interactions::assign::assign)),
        )
        .route(
            "/v1/contacts/{id}/export",
            needs(Act::AnswerForPeople, get(contacts::export)),
        )
        .route(
            "/v1/contacts/{id}",
            needs(Act::AnswerForPeople, delete(contacts::erase)),
        )
        .route("/v1/leads/hot", needs(Act::ReadLeads, get(leads::hot)))
        .route("/v1/leads/scoring", needs(Act::ReadLeads, get(leads::scoring)))
        .route("/v1/messages", needs(Act::ReadMessages, get(messages::list)))
        .route("/v1/messages", needs(Act::SendMessages, post(send::create)))
        .route("/v1/messages/{id}", needs(Act::ReadMessages, get(messages::show)))
        .route("/v1/messages/{id}/events", needs(Act::ReadMessages, get(events::list)))
        .route("/v1/stats/delivery", needs(Act::ReadMessages, get(stats::delivery)))
        .route("/v1/otp", needs(Act::SendMessages, post(otp::ask)))
        .route("/v1/otp/{id}/verify", needs(Act::SendMessages, post(otp::verify)))
        .route("/v1/templates", needs(Act::ReadTemplates, get(templates::list)))
        .route("/v1/templates", needs(Act::WriteTemplates, post(templates::create)))
        .route(
            "/v1/templates/{name}",
            needs(Act::ReadTemplates, get(templates::versions)),
        )
        .route(
            "/v1/templates/{name}/preview",
            needs(Act::ReadTemplates, post(templates::preview)),
        )
        .route(
            "/v1/suppressions",
            needs(Act::ReadSuppressions, get(suppressions::list)),
        )
        .route(
            "/v1/suppressions",
            needs(Act::WriteSuppressions, post(suppressions::add)),
        )
        .route(
            "/v1/suppressions/lift",
            needs(Act::WriteSuppressions, post(suppressions::lift)),
        )
        .route("/v1/me", needs(Act::BeOneself, get(me::show)))
        .route("/v1/members", needs(Act::ReadMembers, get(members::list)))
        .route("/v1/members", needs(Act::WriteMembers, post(members::create)))
        .route("/v1/members/{id}", needs(Act::WriteMembers, patch(members::change)))
        .route("/v1/members/{id}", needs(Act::WriteMembers, delete(members::remove)))
        .route(
            "/v1/members/{id}/sessions",
            needs(Act::WriteMembers, delete(session::end_all)),
        )
        .route("/v1/invitations", needs(Act::WriteMembers, get(invitations::list)))
        .route("/v1/invitations", needs(Act::WriteMembers, post(invitations::create)))
        .route(
            "/v1/invitations/{id}",
            needs(Act::WriteMembers, delete(invitations::revoke)),
        )
        .route("/v1/session", needs(Act::BeOneself, delete(session::end)))
        .route("/v1/session/rotate", needs(Act::BeOneself, post(session::rotate)))
        .route("/v1/keys", needs(Act::ReadKeys, get(keys::list)))
        .route("/v1/keys", needs(Act::WriteKeys, post(keys::create)))
        .route("/v1/keys/{id}", needs(Act::WriteKeys, delete(keys::revoke)))
        .route("/v1/keys/{id}/rotate", needs(Act::WriteKeys, post(keys::rotate)))
        .route("/v1/credentials", needs(Act::ReadCredentials, get(audit::credentials)))
        .route("/v1/audit", needs(Act::ReadAudit, get(audit::list)))
        // Whoever asks for these has nothing to show yet.
        .route("/v1/sign-in", post(sign_in::ask))
        .route("/v1/sign-in/redeem", post(sign_in::redeem))
        .route("/sign-in", get(sign_in::page))
        .route("/t/o/{token}", get(track::open))
        .route("/t/c/{token}", get(track::click))
        .layer(middleware::from_fn(in_time))
        .with_state(api)
}

async fn in_time(request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(ANSWERED_WITHIN, next.run(request)).await;
    answered.unwrap_or_else(|_| {
        let why = "The database did not answer in time. Try again, with the same Idempotency-Key if there was one.";
        Problem::new(Code::StoreUnavailable, why).into_response()
    })
}
