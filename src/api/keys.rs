//! `/v1/keys…`: API keys.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use domain::api_key::{OVERLAP_USUAL, check_end, check_name, check_overlap};
use domain::{ApiKeyFault, ApiKeyId, Role};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use store::{ApiKey, ApiKeyRequest, NewApiKey};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::auth::Caller;
use super::body::Body;
use super::cursor::{List, Parameters, next};
use super::moment::Moment;
use super::send::refused;
use crate::path::Path;
use crate::problem::{Code, Problem};

/// The list's name in its cursors.
const LIST: &str = "keys";

/// Why a key cannot be rotated.
const GONE: &str = "This key has expired, was revoked, or was rotated already; then rotate the one in its place.";

/// A key without what is secret of it.
#[derive(Serialize, ToSchema)]
pub(super) struct Key {
    id: Uuid,
    /// `owner`, `admin`, `sales` or `member`.
    #[schema(value_type = String)]
    role: Role,
    name: Option<String>,
    /// The key that it took the place of.
    replaces: Option<Uuid>,
    created_at: DateTime<Utc>,
    /// To the minute.
    last_used_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

/// Keys, newest first, those out of use too.
#[derive(Serialize, ToSchema)]
pub(super) struct Keys {
    items: Vec<Key>,
    next_cursor: Option<String>,
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    /// `owner`, `admin`, `sales` or `member`.
    #[schema(value_type = String)]
    role: Role,
    #[serde(default)]
    name: Option<String>,
    /// Until when it is good; for ever if not given.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: Option<Moment>,
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct Made {
    /// What to ask with. It is shown now and never again.
    api_key: String,
    #[serde(flatten)]
    key: Key,
}

/// How a key is to be changed over.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotate {
    /// How long the key before stays good: a day if not given, 30 days at most.
    #[serde(default)]
    overlap_seconds: Option<u32>,
}

/// The tenant's keys, newest first, those out of use too.
#[utoipa::path(get, path = "/v1/keys", tag = "accounts", security(("api_key" = [])), params(List),
    responses((status = 200, body = Keys)))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<List>,
) -> Result<Json<Keys>, Problem> {
    let (after, limit) = asked.read(LIST)?;
    let page = api.store.api_keys(caller.tenant, after, limit).await?;
    Ok(Json(Keys {
        items: page.items.into_iter().map(shown).collect(),
        next_cursor: next(LIST, page.next),
    }))
}

/// Makes a key. Owners' keys are made by owners.
#[utoipa::path(post, path = "/v1/keys", tag = "accounts", security(("api_key" = [])), request_body = New,
    responses((status = 201, body = Made), (status = 403), (status = 422)))]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(new): Body<New>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let now = Utc::now();
    may_grant(&caller, new.role)?;
    if let Some(name) = &new.name {
        check_name(name).map_err(unusable)?;
    }
    let expires_at = new.expires_at.map(DateTime::from);
    check_end(expires_at, now).map_err(unusable)?;
    let request = ApiKeyRequest {
        role: new.role,
        name: new.name,
        expires_at,
    };
    let made = api
        .store
        .create_api_key(caller.tenant, request, &caller.author(), now)
        .await?;
    Ok((StatusCode::CREATED, Json(with_clear(made))))
}

/// Makes a key in the place of another, which stays good for a while, so that whoever uses it can change over.
#[utoipa::path(post, path = "/v1/keys/{id}/rotate", tag = "accounts", security(("api_key" = [])), request_body = Rotate,
    params(("id" = Uuid, Path,)),
    responses((status = 201, body = Made), (status = 403), (status = 404), (status = 409, description = "It is not good any more, or was rotated already")))]
pub(super) async fn rotate(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Body(asked): Body<Rotate>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let key = found(&api, &caller, &id).await?;
    let overlap = asked
        .overlap_seconds
        .map_or(OVERLAP_USUAL, |seconds| TimeDelta::seconds(seconds.into()));
    check_overlap(overlap).map_err(unusable)?;
    let made = api
        .store
        .rotate_api_key(caller.tenant, key.id, overlap, &caller.author(), Utc::now())
        .await?;
    let made = made.ok_or_else(|| Problem::new(Code::Conflict, GONE))?;
    Ok((StatusCode::CREATED, Json(with_clear(made))))
}

/// Takes a key out of use, at once and for good.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "accounts", security(("api_key" = [])),
    params(("id" = Uuid, Path,)), responses((status = 204), (status = 403), (status = 404)))]
pub(super) async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let key = found(&api, &caller, &id).await?;
    api.store
        .revoke_api_key(caller.tenant, key.id, &caller.author(), Utc::now())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn unusable(fault: ApiKeyFault) -> Problem {
    refused(format!("{fault}."))
}

/// A key of the tenant's that the caller may change.
async fn found(api: &Api, caller: &Caller, id: &str) -> Result<ApiKey, Problem> {
    let unknown = || Problem::new(Code::NotFound, "There is no key with this id.");
    let id: ApiKeyId = id.parse().map_err(|_| unknown())?;
    let key = api.store.api_key(caller.tenant, id).await?.ok_or_else(unknown)?;
    may_grant(caller, key.role)?;
    Ok(key)
}

fn may_grant(caller: &Caller, role: Role) -> Result<(), Problem> {
    if caller.role.may_grant(role) {
        Ok(())
    } else {
        Err(Problem::new(
            Code::Forbidden,
            "Owners' keys are for owners to make and to change.",
        ))
    }
}

fn with_clear(made: NewApiKey) -> Made {
    Made {
        api_key: made.clear.expose_secret().to_owned(),
        key: shown(made.key),
    }
}

fn shown(key: ApiKey) -> Key {
    Key {
        id: key.id.0,
        role: key.role,
        name: key.name,
        replaces: key.replaces.map(|id| id.0),
        created_at: key.created_at,
        last_used_at: key.last_used_at,
        expires_at: key.expires_at,
        revoked_at: key.revoked_at,
    }
}
