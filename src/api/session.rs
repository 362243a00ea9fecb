//! `/v1/session…`: what somebody has who signed in.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::Utc;
use domain::UserId;

use super::Api;
use super::auth::{Caller, session_token};
use super::sign_in::{SignedIn, signed_in};
use crate::path::Path;
use crate::problem::{Code, Problem};

/// The next token of the session, good for an hour. The one before stays good for a minute, for requests under way; a
/// session lasts 14 days at most.
#[utoipa::path(post, path = "/v1/session/rotate", tag = "accounts", security(("api_key" = [])),
    responses((status = 200, body = SignedIn), (status = 401, description = "Not the present token"),
        (status = 409, description = "Asked with an API key")))]
pub(super) async fn rotate(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<SignedIn>, Problem> {
    session_of(&caller)?;
    let ended = || {
        Problem::new(
            Code::Unauthenticated,
            "This is not the session's present token, or the session has ended.",
        )
    };
    let token = session_token(&api, &headers).ok_or_else(ended)?;
    let session = api.store.rotate_session(&token, Utc::now()).await?;
    signed_in(&api, &session.ok_or_else(ended)?).map(Json)
}

/// Ends the session.
#[utoipa::path(delete, path = "/v1/session", tag = "accounts", security(("api_key" = [])),
    responses((status = 204), (status = 409, description = "Asked with an API key")))]
pub(super) async fn end(State(api): State<Api>, caller: Caller) -> Result<StatusCode, Problem> {
    let (user, session) = session_of(&caller)?;
    api.store
        .end_sessions(caller.tenant, user, Some(session), &caller.author(), Utc::now())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends every session of a member.
#[utoipa::path(delete, path = "/v1/members/{id}/sessions", tag = "accounts", security(("api_key" = [])),
    params(("id" = Uuid, Path,)), responses((status = 204), (status = 404)))]
pub(super) async fn end_all(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let unknown = || Problem::new(Code::NotFound, "There is no member with this id.");
    let user: UserId = id.parse().map_err(|_| unknown())?;
    api.store.member(caller.tenant, user).await?.ok_or_else(unknown)?;
    api.store
        .end_sessions(caller.tenant, user, None, &caller.author(), Utc::now())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn session_of(caller: &Caller) -> Result<(UserId, domain::SessionId), Problem> {
    caller.session().ok_or_else(|| {
        Problem::new(
            Code::Conflict,
            "An API key has no session; `/v1/keys` rotates and revokes keys.",
        )
    })
}
