//! Creating one interaction.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use domain::interaction::{NOTE_CHARS_MAX, TITLE_CHARS_MAX};
use domain::{Channel, ContactId, PersonalText, Recipient, is_control};
use serde::Deserialize;
use store::{InteractionCreated, InteractionDraft, WithWhom};
use utoipa::ToSchema;
use uuid::Uuid;

use super::change::{assignee, no_member};
use super::{Interaction, shown};
use crate::api::Api;
use crate::api::auth::Caller;
use crate::api::body::{Body, optional_object};
use crate::api::moment::Moment;
use crate::api::send::refused;
use crate::problem::Problem;

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
    #[serde(default, deserialize_with = "optional_object")]
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
    #[schema(value_type = Option<DateTime<Utc>>)]
    next_action_at: Option<Moment>,
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
        next_action_at: new.next_action_at.map(DateTime::from),
    };
    let created = api
        .store
        .create_interaction(caller.tenant, &draft, &caller.actor(), Utc::now())
        .await?;
    match created {
        InteractionCreated::Created(created) => Ok((StatusCode::CREATED, shown(*created)).into_response()),
        InteractionCreated::ContactUnknown => Err(refused("`contact_id` names no contact.")),
        InteractionCreated::AssigneeUnknown => Err(no_member()),
    }
}

fn with(contact_id: Option<Uuid>, contact: Option<Whom>) -> Result<WithWhom, Problem> {
    let whom = match (contact_id, contact) {
        (Some(id), None) => return Ok(WithWhom::Contact(ContactId(id))),
        (None, Some(whom)) => whom,
        _ => return Err(refused("Exactly one of `contact_id` and `contact` must be given.")),
    };
    let id = |field: &str, id: String| {
        let id = id.trim().to_owned();
        let is_usable = !id.is_empty() && id.len() <= ID_BYTES_MAX && !id.chars().any(is_control);
        is_usable.then_some(id).ok_or_else(|| {
            let expected = format!("`contact.{field}` must have 1 to {ID_BYTES_MAX} bytes and no control characters.");
            refused(expected)
        })
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
    let odd = |char: char| is_control(char) && !(lines && matches!(char, '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}'));
    if text.chars().count() > most || text.chars().any(odd) {
        let form = if lines {
            "no control characters but line breaks and tabs"
        } else {
            "be one line without control characters"
        };
        return Err(refused(format!(
            "`{field}` must have at most {most} characters, and {form}."
        )));
    }
    Ok(Some(PersonalText::new(text)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_title_is_one_line_and_a_note_may_be_many() {
        let check = |given: &str, lines, ok: bool| {
            assert_eq!(text("title", Some(given.to_owned()), 5, lines).is_ok(), ok, "{given:?}");
        };
        check("Ana", false, true);
        check("a\nb", false, false);
        check("a\nb", true, true);
        for line_break in ['\u{2028}', '\u{2029}'] {
            check(&format!("a{line_break}b"), false, false);
            check(&format!("a{line_break}b"), true, true);
        }
        check("a\u{0}b", true, false);
        check("éèàçù", false, true);
        check("éèàçùô", false, false);
        assert_eq!(text("title", Some("  ".to_owned()), 5, false).ok(), Some(None));
    }
}
