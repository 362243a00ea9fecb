//! `/v1/members…`: who works for the tenant.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::{Act, EmailAddress, Language, MemberRefusal, Notify, PersonalText, Role, UserId, member};
use serde::{Deserialize, Deserializer, Serialize};
use store::{MemberChange, MemberChanged, NewMember, StoreError};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::auth::Caller;
use super::body::Body;
use super::cursor::{List, Parameters, next};
use super::send::refused;
use crate::path::Path;
use crate::problem::{Code, Problem};

/// The list's name in its cursors.
const LIST: &str = "members";

/// Somebody who works for the tenant.
#[derive(Serialize, ToSchema)]
pub(super) struct Member {
    /// The user's id, which is the same for every tenant they work for.
    id: Uuid,
    /// `owner`, `admin`, `sales` or `member`.
    #[schema(value_type = String)]
    role: Role,
    /// Where they sign in.
    email: String,
    name: Option<String>,
    /// How they are told what they have to do: `none`, `email`, `sms` or `whatsapp`.
    notify_channel: &'static str,
    /// Where they are told, if not where they sign in. Shown to themselves and to who may change members.
    notify_address: Option<String>,
    /// In which language; none: the tenant's.
    #[schema(value_type = Option<String>)]
    language: Option<Language>,
    created_at: DateTime<Utc>,
}

/// Members, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Members {
    items: Vec<Member>,
    next_cursor: Option<String>,
}

/// Somebody who is to work for the tenant from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    /// Where they will sign in.
    email: String,
    /// `owner`, `admin`, `sales` or `member`.
    #[schema(value_type = String)]
    role: Role,
    #[serde(default)]
    name: Option<String>,
    /// How they are told what they have to do: `email` if not given, `none`, `sms` or `whatsapp`.
    #[serde(default)]
    notify_channel: Option<String>,
    /// Where they are told; needed for `sms` and `whatsapp`.
    #[serde(default)]
    notify_address: Option<String>,
    /// `en` or `fr`; the tenant's if not given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    language: Option<Language>,
}

/// What is to change. What is not given stays; `null` takes a name or a language away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// `owner`, `admin`, `sales` or `member`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    /// `none`, `email`, `sms` or `whatsapp`; changes the address, too.
    #[serde(default)]
    notify_channel: Option<String>,
    /// Where they are told; needed for `sms` and `whatsapp`, and only together with the channel.
    #[serde(default)]
    notify_address: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    language: Option<Option<Language>>,
}

/// Tells `null` from nothing.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Who works for the tenant, newest first.
#[utoipa::path(get, path = "/v1/members", tag = "accounts", security(("api_key" = [])), params(List),
    responses((status = 200, body = Members)))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<List>,
) -> Result<Json<Members>, Problem> {
    let (after, limit) = asked.read(LIST)?;
    let page = api.store.members(caller.tenant, after, limit).await?;
    Ok(Json(Members {
        items: page.items.into_iter().map(|member| shown(&caller, member)).collect(),
        next_cursor: next(LIST, page.next),
    }))
}

/// Makes somebody a member, without asking them; `POST /v1/invitations` asks. Owners are made by owners.
#[utoipa::path(post, path = "/v1/members", tag = "accounts", security(("api_key" = [])), request_body = New,
    responses((status = 201, body = Member), (status = 403), (status = 409, description = "A member already"), (status = 422)))]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(new): Body<New>,
) -> Result<(StatusCode, Json<Member>), Problem> {
    let channel = new.notify_channel.as_deref().unwrap_or("email");
    let new = NewMember {
        email: EmailAddress::parse(&new.email).map_err(|error| refused(format!("`email` cannot be used: {error}.")))?,
        role: new.role,
        name: new.name.map(name).transpose()?,
        notify: notify(channel, new.notify_address.as_deref())?,
        language: new.language,
    };
    let added = api
        .store
        .add_member(caller.tenant, &new, caller.role, &caller.author(), Utc::now())
        .await;
    let added = added.map_err(|error| match error {
        StoreError::Conflict(_) => Problem::new(Code::Conflict, "They are a member already."),
        error => error.into(),
    })?;
    Ok((StatusCode::CREATED, Json(shown(&caller, done(added)?))))
}

/// Changes a member. A new role counts at once. Owners are made and unmade by owners, and the last one stays.
#[utoipa::path(patch, path = "/v1/members/{id}", tag = "accounts", security(("api_key" = [])), request_body = Change,
    params(("id" = Uuid, Path,)),
    responses((status = 200, body = Member), (status = 403), (status = 404), (status = 409, description = "The last owner"), (status = 422)))]
pub(super) async fn change(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Body(change): Body<Change>,
) -> Result<Json<Member>, Problem> {
    let id = user_id(&id)?;
    let notify = match (change.notify_channel.as_deref(), change.notify_address.as_deref()) {
        (Some(channel), address) => Some(notify(channel, address)?),
        (None, Some(_)) => return Err(refused("`notify_address` needs `notify_channel`.")),
        (None, None) => None,
    };
    let change = MemberChange {
        role: change.role,
        name: change.name.map(|given| given.map(name).transpose()).transpose()?,
        notify,
        language: change.language,
    };
    let changed = api
        .store
        .change_member(caller.tenant, id, &change, caller.role, &caller.author(), Utc::now())
        .await?;
    Ok(Json(shown(&caller, done(changed)?)))
}

/// Ends a membership, and with it its sessions. The last owner stays.
#[utoipa::path(delete, path = "/v1/members/{id}", tag = "accounts", security(("api_key" = [])),
    params(("id" = Uuid, Path,)),
    responses((status = 204), (status = 403), (status = 404), (status = 409, description = "The last owner")))]
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let removed = api
        .store
        .remove_member(caller.tenant, user_id(&id)?, caller.role, &caller.author(), Utc::now())
        .await?;
    done(removed).map(|_| StatusCode::NO_CONTENT)
}

fn done(changed: MemberChanged) -> Result<store::Member, Problem> {
    match changed {
        MemberChanged::Done(member) => Ok(member),
        MemberChanged::Missing => Err(unknown()),
        MemberChanged::Refused(refusal) => Err(match refusal {
            MemberRefusal::Owners => Problem::new(
                Code::Forbidden,
                "Only an owner makes somebody an owner, or an owner somebody else.",
            ),
            MemberRefusal::LastOwner => Problem::new(
                Code::Conflict,
                "The last owner stays one. Make somebody else an owner first.",
            ),
        }),
    }
}

fn unknown() -> Problem {
    Problem::new(Code::NotFound, "There is no member with this id.")
}

fn user_id(text: &str) -> Result<UserId, Problem> {
    text.parse().map_err(|_| unknown())
}

fn name(text: String) -> Result<PersonalText, Problem> {
    member::name(text).map_err(|error| refused(format!("`name` cannot be used: {error}.")))
}

fn notify(channel: &str, address: Option<&str>) -> Result<Notify, Problem> {
    Notify::parse(channel, address).map_err(|error| refused(format!("`notify_channel` cannot be used: {error}.")))
}

fn shown(caller: &Caller, member: store::Member) -> Member {
    let may_know = caller.role.may(Act::WriteMembers) || caller.actor().user() == Some(member.user);
    Member {
        id: member.user.0,
        role: member.role,
        email: member.email.expose().to_owned(),
        name: member.name.map(|name| name.expose().to_owned()),
        notify_channel: member.notify.word(),
        notify_address: member
            .notify
            .address()
            .filter(|_| may_know)
            .map(|address| address.expose().to_owned()),
        language: member.language,
        created_at: member.created_at,
    }
}
