//! Changing and removing one interaction.

use axum::extract::State;
use axum::http::header::IF_MATCH;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::UserId;
use domain::interaction::InteractionStatus;
use serde::{Deserialize, Deserializer};
use store::{Editor, InteractionEdit, InteractionWritten};
use utoipa::ToSchema;

use super::{Interaction, interaction_id, shown, unknown, user};
use crate::api::Api;
use crate::api::auth::Caller;
use crate::api::body::Body;
use crate::api::moment::Moment;
use crate::api::send::refused;
use crate::path::Path;
use crate::problem::{Code, Problem};

/// Where it stands from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct StatusEdit {
    /// `todo`, `in_progress` or `done`.
    #[schema(value_type = String)]
    status: InteractionStatus,
    /// The version that this is about; any, if neither this nor `If-Match` is given.
    #[serde(default)]
    version: Option<u64>,
}

/// Whose work it is from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AssigneeEdit {
    /// A member's id, `me`, or `null` for nobody.
    #[serde(deserialize_with = "present")]
    assignee: Option<String>,
    /// The version that this is about; any, if neither this nor `If-Match` is given.
    #[serde(default)]
    version: Option<u64>,
}

/// When something is due from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NextActionEdit {
    /// The time, or `null` for none.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    next_action_at: Option<Moment>,
    /// The version that this is about; any, if neither this nor `If-Match` is given.
    #[serde(default)]
    version: Option<u64>,
}

/// A field that may be `null`, and must not be missing.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// Says where an interaction stands.
#[utoipa::path(patch, path = "/v1/interactions/{id}/status", tag = "interactions", params(("id" = Uuid, Path,)),
    security(("api_key" = [])), request_body = StatusEdit, responses((status = 200, body = Interaction), (status = 403),
    (status = 404), (status = 409, description = "It has another version; names it")))]
pub(in crate::api) async fn set_status(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(edit): Body<StatusEdit>,
) -> Result<Response, Problem> {
    let expected = expected(edit.version, &headers)?;
    write(&api, &caller, &id, InteractionEdit::Status(edit.status), expected).await
}

/// Says whose work an interaction is.
#[utoipa::path(patch, path = "/v1/interactions/{id}/assignee", tag = "interactions", params(("id" = Uuid, Path,)),
    security(("api_key" = [])), request_body = AssigneeEdit, responses((status = 200, body = Interaction),
    (status = 403), (status = 404), (status = 409, description = "It has another version; names it")))]
pub(in crate::api) async fn set_assignee(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(edit): Body<AssigneeEdit>,
) -> Result<Response, Problem> {
    let expected = expected(edit.version, &headers)?;
    let assignee = assignee(edit.assignee.as_deref(), &caller)?;
    write(&api, &caller, &id, InteractionEdit::Assignee(assignee), expected).await
}

/// Says when something is due. Another time than before is told anew once it has passed.
#[utoipa::path(patch, path = "/v1/interactions/{id}/next-action", tag = "interactions", params(("id" = Uuid, Path,)),
    security(("api_key" = [])), request_body = NextActionEdit, responses((status = 200, body = Interaction),
    (status = 403), (status = 404), (status = 409, description = "It has another version; names it")))]
pub(in crate::api) async fn set_next_action(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(edit): Body<NextActionEdit>,
) -> Result<Response, Problem> {
    let expected = expected(edit.version, &headers)?;
    let edit = InteractionEdit::NextAction(edit.next_action_at.map(DateTime::from));
    write(&api, &caller, &id, edit, expected).await
}

/// Removes an interaction, with its history.
#[utoipa::path(delete, path = "/v1/interactions/{id}", tag = "interactions", params(("id" = Uuid, Path,)),
    security(("api_key" = [])), responses((status = 204), (status = 403), (status = 404),
    (status = 409, description = "It has another version than `If-Match` says; names it")))]
pub(in crate::api) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let actor = caller.actor();
    let by = Editor {
        actor: &actor,
        role: caller.role,
    };
    let expected = expected(None, &headers)?;
    let removed = api
        .store
        .delete_interaction(caller.tenant, interaction_id(&id)?, by, expected)
        .await?;
    written(removed).map(|()| StatusCode::NO_CONTENT)
}

async fn write(
    api: &Api,
    caller: &Caller,
    id: &str,
    edit: InteractionEdit,
    expected: Option<u64>,
) -> Result<Response, Problem> {
    let actor = caller.actor();
    let by = Editor {
        actor: &actor,
        role: caller.role,
    };
    let edited = api
        .store
        .edit_interaction(caller.tenant, interaction_id(id)?, by, edit, expected, Utc::now())
        .await?;
    written(edited).map(shown)
}

fn written<T>(written: InteractionWritten<T>) -> Result<T, Problem> {
    match written {
        InteractionWritten::Written(written) => Ok(written),
        InteractionWritten::Unknown => Err(unknown()),
        InteractionWritten::Forbidden => Err(Problem::new(
            Code::Forbidden,
            "Who created it may change it, and sales and admins; whose work it is may change its status and next action.",
        )),
        InteractionWritten::Conflict(present) => Err(Problem::new(
            Code::Conflict,
            format!("It changed meanwhile: it has version {present} now."),
        )),
        InteractionWritten::AssigneeUnknown => Err(no_member()),
    }
}

pub(super) fn no_member() -> Problem {
    refused("`assignee` names no member.")
}

/// The member that is named, if one is.
pub(super) fn assignee(text: Option<&str>, caller: &Caller) -> Result<Option<UserId>, Problem> {
    let read = |text| {
        user(text, caller)
            .ok_or_else(|| refused("`assignee` must be a member's id, `null`, or `me`, which an API key is not."))
    };
    text.map(read).transpose()
}

/// The version that a change is about, by its body or by `If-Match`: one of the two, or both saying the same.
fn expected(version: Option<u64>, headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(header) = headers.get(IF_MATCH) else {
        return Ok(version);
    };
    let odd = || {
        Problem::new(
            Code::ParameterInvalid,
            "`If-Match` must be the `ETag` of an answer before, or `*`.",
        )
    };
    let tag = header.to_str().map_err(|_| odd())?.trim();
    if tag == "*" {
        return Ok(version);
    }
    let tag = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    let tag: u64 = tag.and_then(|tag| tag.parse().ok()).ok_or_else(odd)?;
    if version.is_some_and(|version| version != tag) {
        return Err(refused("`version` and `If-Match` name different versions."));
    }
    Ok(Some(tag))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_version_is_that_of_the_body_or_of_the_header() {
        let check = |version, header: Option<&str>, read: Result<Option<u64>, ()>| {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(IF_MATCH, header.parse().unwrap());
            }
            assert_eq!(
                expected(version, &headers).map_err(|_| ()),
                read,
                "{version:?} {header:?}"
            );
        };
        check(None, None, Ok(None));
        check(Some(3), None, Ok(Some(3)));
        check(None, Some("\"3\""), Ok(Some(3)));
        check(Some(3), Some("\"3\""), Ok(Some(3)));
        check(Some(3), Some("*"), Ok(Some(3)));
        check(Some(4), Some("\"3\""), Err(()));
        for odd in ["3", "\"x\"", "W/\"3\"", "\"-1\"", ""] {
            check(None, Some(odd), Err(()));
        }
    }
}
