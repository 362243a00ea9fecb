//! Creating, changing and removing one interaction.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use domain::interaction::{InteractionStatus, NOTE_CHARS_MAX, TITLE_CHARS_MAX};
use domain::{Channel, ContactId, PersonalText, Recipient, UserId};
use serde::{Deserialize, Deserializer};
use store::{InteractionCreated, InteractionDraft, InteractionEdit, InteractionWritten, WithWhom, Editor};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Interaction, interaction_id, shown, unknown, user};
use crate::api::Api;
use crate::api::auth::Caller;
use crate::api::body::Body;
use crate::api::send::refused;
use crate::problem::{Code, Problem};

/// How many bytes a tenant's own id of somebody may have.
const ID_BYTES_MAX: usize = 200;

/// Work that is to be done.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct New {
    /// With whom; or `contact`.
    #[serde(default)]
    contact_id: Option<Uuid>,
    /// With whom, by what else is known of them; made a contact if they are none.
    #[serde(default)]
    contact: Option<Whom>,
    /// At most 200 characters.
    #[serde(default)]
    title: Option<String>,
    /// At most 10,000 characters.
    #[serde(default)]
    note: Option<String>,
    /// Whose work it is: a member's id, or `me`.
    #[serde(default)]
    assignee: Option<String>,
    /// When something is due; whose work it is is told after that.
    #[serde(default)]
    next_action_at: Option<DateTime<Utc>>,
}

/// Somebody: exactly one of these.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Whom {
    /// Your own id of a person.
    #[serde(default)]
    person_id: Option<String>,
    /// Your own id of an organisation.
    #[serde(default)]
    organisation_id: Option<String>,
    /// An e-mail address.
    #[serde(default)]
    email: Option<String>,
    /// A phone number with + and its country's code.
    #[serde(default)]
    phone: Option<String>,
}

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
    next_action_at: Option<DateTime<Utc>>,
    /// The version that this is about; any, if neither this nor `If-Match` is given.
    #[serde(default)]
    version: Option<u64>,
}

/// A field that may be `null`, and must not be missing.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// Creates an interaction.
#[utoipa::path(post, path = "/v1/interactions", tag = "interactions", security(("api_key" = [])), request_body = New,
    responses((status = 201, body = Interaction), (status = 422, description = "Names the field at fault")))]
pub(in crate::api) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(new): Body<New>,
) -> Result<Response, Problem> {
    let draft = InteractionDraft {
        with: with(new.contact_id, new.contact)?,
        title: text("title", new.title, TITLE_CHARS_MAX, false)?,
        note: text("note", new.note, NOTE_CHARS_MAX, true)?,
        assignee: assignee(new.assignee.as_deref(), &caller)?,
        next_action_at: new.next_action_at,
    };
    let created = api
        .store
        .create_interaction(caller.tenant, &draft, &caller.actor(), Utc::now())
        .await?;
    match created {
        InteractionCreated::Created(created) => {
            let etag = [(ETAG, format!("\"{}\"", created.version))];
            Ok((StatusCode::CREATED, etag, Json(Interaction::from(*created))).into_response())
        }
        InteractionCreated::ContactUnknown => Err(refused("`contact_id` names no contact.")),
        InteractionCreated::AssigneeUnknown => Err(no_member()),
    }
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
    let edit = InteractionEdit::NextAction(edit.next_action_at);
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
    let writer = Editor {
        actor: &actor,
        role: caller.role,
    };
    let expected = expected(None, &headers)?;
    let removed = api
        .store
        .delete_interaction(caller.tenant, interaction_id(&id)?, writer, expected)
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
    let writer = Editor {
        actor: &actor,
        role: caller.role,
    };
    let edited = api
        .store
        .edit_interaction(caller.tenant, interaction_id(id)?, writer, edit, expected, Utc::now())
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

fn no_member() -> Problem {
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

fn with(contact_id: Option<Uuid>, contact: Option<Whom>) -> Result<WithWhom, Problem> {
    let whom = match (contact_id, contact) {
        (Some(id), None) => return Ok(WithWhom::Contact(ContactId(id))),
        (None, Some(whom)) => whom,
        _ => return Err(refused("Exactly one of `contact_id` and `contact` must be given.")),
    };
    let id = |field: &str, id: String| {
        let id = id.trim().to_owned();
        let is_usable = !id.is_empty() && id.len() <= ID_BYTES_MAX && !id.chars().any(char::is_control);
        is_usable
            .then_some(id)
            .ok_or_else(|| refused(format!("`contact.{field}` must have 1 to {ID_BYTES_MAX} bytes.")))
    };
    let reached = |field: &str, channel, text: &str| {
        Recipient::parse(channel, text)
            .map(WithWhom::Reached)
            .map_err(|error| refused(format!("`contact.{field}` cannot be used: {error}.")))
    };
    match (whom.person_id, whom.organisation_id, whom.email, whom.phone) {
        (Some(person), None, None, None) => id("person_id", person).map(WithWhom::Person),
        (None, Some(organisation), None, None) => id("organisation_id", organisation).map(WithWhom::Organisation),
        (None, None, Some(email), None) => reached("email", Channel::Email, &email),
        (None, None, None, Some(phone)) => reached("phone", Channel::Sms, &phone),
        _ => Err(refused(
            "`contact` must have exactly one of `person_id`, `organisation_id`, `email` and `phone`.",
        )),
    }
}

/// A text that people wrote; an empty one is none.
fn text(field: &str, text: Option<String>, most: usize, lines: bool) -> Result<Option<PersonalText>, Problem> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    let odd = |char: char| char.is_control() && !(lines && matches!(char, '\n' | '\r' | '\t'));
    if text.chars().count() > most || text.chars().any(odd) {
        let form = if lines { "plain" } else { "plain, on one line" };
        return Err(refused(format!(
            "`{field}` must have at most {most} characters, {form}."
        )));
    }
    Ok(Some(PersonalText::new(text)))
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

    #[test]
    fn a_title_is_one_line_and_a_note_may_be_many() {
        let check = |given: &str, lines, ok: bool| {
            assert_eq!(text("title", Some(given.to_owned()), 5, lines).is_ok(), ok, "{given:?}");
        };
        check("Ana", false, true);
        check("a\nb", false, false);
        check("a\nb", true, true);
        check("a\u{0}b", true, false);
        check("éèàçù", false, true);
        check("éèàçùô", false, false);
        assert_eq!(text("title", Some("  ".to_owned()), 5, false).ok(), Some(None));
    }
}
