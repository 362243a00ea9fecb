//! `/v1/invitations…`: asking people to become members.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use domain::{EmailAddress, InvitationId, Language, Role};
use jobs::SendEmail;
use jobs::sending::links::{Link, letter};
use queue::Origin;
use serde::{Deserialize, Serialize};
use store::StoreError;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::auth::Caller;
use super::body::Body;
use super::cursor::{List, Parameters, next};
use super::send::refused;
use crate::correlation;
use crate::path::Path;
use crate::problem::{Code, Problem};

/// The list's name in its cursors.
const LIST: &str = "invitations";

/// Somebody to be asked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    /// Where the invitation goes, and where they will sign in.
    email: String,
    /// What they are to be: `owner`, `admin`, `sales` or `member`.
    #[schema(value_type = String)]
    role: Role,
    /// Of the mail: `en` or `fr`; the tenant's if not given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    language: Option<Language>,
}

/// Somebody who was asked to become a member.
#[derive(Serialize, ToSchema)]
pub(super) struct Invitation {
    id: Uuid,
    email: String,
    #[schema(value_type = String)]
    role: Role,
    /// `key:`, `user:` or `operator:`, and who.
    invited_by: String,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    accepted_at: Option<DateTime<Utc>>,
    /// When it was taken back, or a later one took its place.
    revoked_at: Option<DateTime<Utc>>,
}

/// Invitations, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Invitations {
    items: Vec<Invitation>,
    next_cursor: Option<String>,
}

/// Invites somebody, by a mail with a link that is good for 7 days. An open invitation of theirs ends. Owners are invited by
/// owners.
#[utoipa::path(post, path = "/v1/invitations", tag = "accounts", security(("api_key" = [])), request_body = New,
    responses((status = 201, body = Invitation), (status = 403), (status = 422, description = "Also: no route for mail")))]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    Body(new): Body<New>,
) -> Result<(StatusCode, Json<Invitation>), Problem> {
    let email =
        EmailAddress::parse(&new.email).map_err(|error| refused(format!("`email` cannot be used: {error}.")))?;
    if !caller.role.may_grant(new.role) {
        return Err(Problem::new(Code::Forbidden, "Only an owner makes somebody an owner."));
    }
    let now = Utc::now();
    let mail = async |id, expires_at| {
        let link = Link::invitation(id, expires_at);
        let letter = letter(&api.store, caller.tenant, link, &email, new.language).await?;
        letter.ok_or_else(|| {
            let detail = "There is no account to send mail by: `relais route set --channel email` names them.";
            Problem::new(Code::RouteMissing, detail)
        })
    };
    // All that can be refused is refused before anything is written.
    let probe = mail(InvitationId(Uuid::nil()), now).await?;
    probe.check().map_err(|error| refused(format!("{error}.")))?;
    let invited = api
        .store
        .invite(caller.tenant, &email, new.role, &caller.author(), now)
        .await;
    let invited = invited.map_err(|error| match error {
        StoreError::Conflict(_) => Problem::new(Code::Conflict, "They are invited in this moment."),
        error => error.into(),
    })?;
    let letter = mail(invited.id, invited.expires_at).await?;
    let origin = Origin {
        tenant: caller.tenant.0,
        correlation: correlation::of(&headers),
    };
    api.queue.add(&SendEmail::new(letter), origin).await?;
    Ok((StatusCode::CREATED, Json(shown(invited))))
}

/// Who was invited, newest first, also by invitations that have ended.
#[utoipa::path(get, path = "/v1/invitations", tag = "accounts", security(("api_key" = [])), params(List),
    responses((status = 200, body = Invitations)))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<List>,
) -> Result<Json<Invitations>, Problem> {
    let (after, limit) = asked.read(LIST)?;
    let page = api.store.invitations(caller.tenant, after, limit).await?;
    Ok(Json(Invitations {
        items: page.items.into_iter().map(shown).collect(),
        next_cursor: next(LIST, page.next),
    }))
}

/// Takes an open invitation back.
#[utoipa::path(delete, path = "/v1/invitations/{id}", tag = "accounts", security(("api_key" = [])),
    params(("id" = Uuid, Path,)), responses((status = 204), (status = 404, description = "No open one")))]
pub(super) async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let unknown = || Problem::new(Code::NotFound, "There is no open invitation with this id.");
    let id: InvitationId = id.parse().map_err(|_| unknown())?;
    let revoked = api
        .store
        .revoke_invitation(caller.tenant, id, &caller.author(), Utc::now())
        .await?;
    if revoked {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown())
    }
}

fn shown(invitation: store::Invitation) -> Invitation {
    Invitation {
        id: invitation.id.0,
        email: invitation.email.expose().to_owned(),
        role: invitation.role,
        invited_by: invitation.invited_by.to_string(),
        created_at: invitation.created_at,
        expires_at: invitation.expires_at,
        accepted_at: invitation.accepted_at,
        revoked_at: invitation.revoked_at,
    }
}
