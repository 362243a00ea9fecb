//! `/v1/sign-in…`: coming in by a link in a mail.
//!
//! Whoever asks for a link is answered the same whether anybody has the address or not, and after the same work: who has it
//! is looked up by a [job](SendSignInLinks).

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::otp::TooMany;
use domain::{EmailAddress, Origin as Place, Role, TenantId, Token};
use jobs::SendSignInLinks;
use jobs::sending::links::token_keys;
use queue::Origin;
use serde::{Deserialize, Serialize};
use store::Session;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::body::Body;
use super::send::refused;
use crate::client_address::ClientAddress;
use crate::correlation;
use crate::problem::{Code, Problem};

/// What a link leads to. It lets nobody in by itself: programs that look at mails open links, too.
const PAGE: &str = include_str!("sign_in.html");

/// Somebody who wants to come in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    /// Where the link is to go.
    email: String,
    /// For which tenant; all they work for if not given.
    #[serde(default)]
    tenant: Option<Uuid>,
}

/// What everybody is told.
#[derive(Serialize, ToSchema)]
pub(super) struct Asked {
    detail: &'static str,
}

/// A link that somebody opened.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Redeem {
    /// What stands behind the `#` of the link: `rl_…`, or `ri_…` of an invitation.
    token: String,
    /// Only if it is a link of this tenant.
    #[serde(default)]
    tenant: Option<Uuid>,
}

/// Somebody is in.
#[derive(Serialize, ToSchema)]
pub(super) struct SignedIn {
    /// What to ask with: `Authorization: Bearer rs_…`. `POST /v1/session/rotate` gives the next one.
    token: String,
    /// Until when it is good.
    expires_at: DateTime<Utc>,
    /// The tenant whose data it shows.
    tenant: Uuid,
    /// The user's id.
    user: Uuid,
    /// `owner`, `admin`, `sales` or `member`.
    #[schema(value_type = String)]
    role: Role,
}

/// Sends a link by which whoever has the address can sign in, within 15 minutes and once. Everybody is answered the same.
#[utoipa::path(post, path = "/v1/sign-in", tag = "accounts", request_body = Ask,
    responses((status = 202, body = Asked), (status = 422),
        (status = 429, description = "Asked too often for this address, or from this place; Retry-After says when")))]
pub(super) async fn ask(
    State(api): State<Api>,
    address: ClientAddress,
    headers: HeaderMap,
    Body(asked): Body<Ask>,
) -> Result<(StatusCode, Json<Asked>), Problem> {
    let email =
        EmailAddress::parse(&asked.email).map_err(|error| refused(format!("`email` cannot be used: {error}.")))?;
    let now = Utc::now();
    if let Err(TooMany { again_at }) = api.store.try_sign_in(&email, address.0, now).await? {
        let seconds = (again_at - now).num_seconds().max(0) + 1;
        let detail = format!("Too many links were asked for lately. Try again in {seconds} seconds.");
        return Err(Problem::new(Code::TooManyRequests, detail).retry_after(seconds.unsigned_abs()));
    }
    let job = SendSignInLinks {
        email,
        tenant: asked.tenant.map(TenantId),
        request: Uuid::new_v4(),
        asked_at: now,
    };
    let origin = Origin {
        tenant: Uuid::nil(),
        correlation: correlation::of(&headers),
    };
    api.queue.add(&job, origin).await?;
    let detail = "If somebody works here with this address, a link is on its way to it. It is good for 15 minutes.";
    Ok((StatusCode::ACCEPTED, Json(Asked { detail })))
}

/// Lets in who holds a link, once. An invitation makes them a member.
#[utoipa::path(post, path = "/v1/sign-in/redeem", tag = "accounts", request_body = Redeem,
    responses((status = 200, body = SignedIn), (status = 410, description = "The link is not good, or not any more"),
        (status = 422)))]
pub(super) async fn redeem(
    State(api): State<Api>,
    address: ClientAddress,
    Body(given): Body<Redeem>,
) -> Result<Json<SignedIn>, Problem> {
    // Why it is not good is nobody's business who does not hold a good one.
    let not_good = || Problem::new(Code::LinkNotGood, "Ask for another one with `POST /v1/sign-in`.");
    let token = Token::read(&given.token, &token_keys(api.queue.keyring())).ok_or_else(not_good)?;
    let place = address.0.map_or_else(Place::unknown, Place::network);
    let only = given.tenant.map(TenantId);
    let session = api.store.redeem(&token, only, &place, Utc::now()).await?;
    signed_in(&api, &session.ok_or_else(not_good)?).map(Json)
}

/// What somebody gets who is in.
pub(super) fn signed_in(api: &Api, session: &Session) -> Result<SignedIn, Problem> {
    let keys = token_keys(api.queue.keyring());
    let key = keys
        .first()
        .ok_or_else(|| Problem::new(Code::Internal, "There is no key to sign with."))?;
    Ok(SignedIn {
        token: session.token().sign(key).expose().to_owned(),
        expires_at: session.expires_at,
        tenant: session.tenant.0,
        user: session.user.0,
        role: session.role,
    })
}

/// `GET /sign-in`: the page that links lead to.
pub(super) async fn page() -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'",
        ),
    ];
    (headers, Html(PAGE)).into_response()
}
