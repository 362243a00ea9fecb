//! `/v1/interactions…`: follow-up work with contacts. What is asked of it is here, what people write in the files
//! beside it.

pub(super) mod assign;
pub(super) mod change;
pub(super) mod create;

use axum::Json;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::interaction::{Due, InteractionStatus, search};
use domain::{InteractionId, UnknownWord, UserId};
use serde::{Deserialize, Serialize};
use store::{Holder, InboxFilter, Planned};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::auth::Caller;
use super::cursor::{Parameters, cursor, limit, next};
use crate::path::Path;
use crate::problem::{Code, Problem};

/// How many characters a question may have.
const QUESTION_CHARS_MAX: usize = 200;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct List {
    /// Only those that stand there: `todo`, `in_progress`, `done`.
    status: Option<String>,
    /// Only this member's: an id, `me`, or `none` for nobody's.
    assignee: Option<String>,
    /// Only open ones that are `overdue`, due later `today` (by the tenant's clock), `upcoming` after today, or `none`: not
    /// planned.
    due: Option<String>,
    /// Only those with all of these words in title or note; three letters of a word are enough.
    q: Option<String>,
    /// Go on where an earlier answer ended: its `next_cursor`.
    cursor: Option<String>,
    /// At most this many, 1 to 500; 50 when not given.
    limit: Option<u32>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct History {
    /// Go on where an earlier answer ended: its `next_cursor`.
    cursor: Option<String>,
    /// At most this many, 1 to 500; 50 when not given.
    limit: Option<u32>,
}

/// A piece of follow-up work with a contact.
#[derive(Serialize, ToSchema)]
pub(super) struct Interaction {
    id: Uuid,
    /// With whom: the `contact_id` of messages and leads.
    contact_id: Uuid,
    /// `todo`, `in_progress` or `done`.
    status: &'static str,
    /// Why it exists: `email_opened`, `reply`, `hot_lead`, `manual`.
    reason: &'static str,
    /// What a reply means: `yes`, `no`, `stop`, `start`, `help` or `unclear`.
    intent: Option<&'static str>,
    title: Option<String>,
    note: Option<String>,
    /// Whose work it is: a member's id.
    assignee: Option<Uuid>,
    next_action_at: Option<DateTime<Utc>>,
    /// When it was found overdue and its assignee was to be told.
    notified_at: Option<DateTime<Utc>>,
    /// Why the assignee could not be told: `no_channel` (they have none), `no_route` (the tenant has no account for it),
    /// `not_delivered` (the message did not arrive).
    warning: Option<&'static str>,
    /// Who created it: `system`, `key:…`, `user:…`.
    creator: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// Grows with every change: for `version` and `If-Match`.
    version: u64,
}

/// Interactions: newest first; those due in a window soonest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Interactions {
    items: Vec<Interaction>,
    next_cursor: Option<String>,
}

/// One change of an interaction.
#[derive(Serialize, ToSchema)]
pub(super) struct Change {
    /// The version that it made.
    version: u64,
    at: DateTime<Utc>,
    /// Who: `system`, `operator:…`, `key:…`, `user:…`.
    actor: String,
    /// `created`, `status`, `assignee` or `next_action_at`.
    field: &'static str,
    before: Option<String>,
    after: Option<String>,
}

/// Changes, the latest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Changes {
    items: Vec<Change>,
    next_cursor: Option<String>,
}

/// Interactions: newest first, or, if asked for a window of time and for no words, soonest first.
#[utoipa::path(get, path = "/v1/interactions", tag = "interactions", params(List), security(("api_key" = [])),
    responses((status = 200, body = Interactions)))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<List>,
) -> Result<Json<Interactions>, Problem> {
    let narrowed = Narrowed {
        status: asked.status.as_deref(),
        assignee: asked.assignee.as_deref(),
        due: asked.due.as_deref(),
        q: asked.q.as_deref(),
    };
    let filter = narrowed.read(&api, &caller).await?;
    let list = narrowed.list();
    let after = cursor(list, asked.cursor.as_deref())?;
    let page = api
        .store
        .inbox(caller.tenant, &filter, after, limit(asked.limit)?)
        .await?;
    Ok(Json(Interactions {
        items: page.items.into_iter().map(Interaction::from).collect(),
        next_cursor: next(list, page.next),
    }))
}

/// One interaction. Its version is the `ETag`.
#[utoipa::path(get, path = "/v1/interactions/{id}", tag = "interactions", params(("id" = Uuid, Path,)),
    security(("api_key" = [])), responses((status = 200, body = Interaction), (status = 404)))]
pub(super) async fn show(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    let found = api.store.interaction(caller.tenant, interaction_id(&id)?).await?;
    found.map(shown).ok_or_else(unknown)
}

/// What people changed of an interaction, the latest first.
#[utoipa::path(get, path = "/v1/interactions/{id}/changes", tag = "interactions",
    params(("id" = Uuid, Path,), History), security(("api_key" = [])),
    responses((status = 200, body = Changes), (status = 404)))]
pub(super) async fn changes(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Parameters(asked): Parameters<History>,
) -> Result<Json<Changes>, Problem> {
    let (id, limit) = (interaction_id(&id)?, limit(asked.limit)?);
    let list = format!("changes-{id}");
    let below = cursor(&list, asked.cursor.as_deref())?;
    let found = api.store.interaction_changes(caller.tenant, id, below, limit).await?;
    let (changes, place) = found.ok_or_else(unknown)?;
    Ok(Json(Changes {
        items: changes.into_iter().map(Change::from).collect(),
        next_cursor: next(&list, place),
    }))
}

/// What a list is narrowed to, as it is written.
pub(super) struct Narrowed<'a> {
    status: Option<&'a str>,
    assignee: Option<&'a str>,
    due: Option<&'a str>,
    q: Option<&'a str>,
}

impl Narrowed<'_> {
    /// The list's name in its cursors: what is due soonest comes in an order of its own, and one window ends where another
    /// begins. What is searched for comes newest first, as everything else.
    fn list(&self) -> &'static str {
        match self.due.and_then(|due| due.parse::<Due>().ok()) {
            Some(due @ (Due::Overdue | Due::Today | Due::Upcoming)) if self.q.is_none() => due.as_str(),
            _ => "interactions",
        }
    }

    async fn read(&self, api: &Api, caller: &Caller) -> Result<InboxFilter, Problem> {
        let question = self.q.map(question).transpose()?;
        let due = word::<Due>("due", self.due)?;
        let planned = match due {
            None => None,
            Some(due) => {
                let zone = api.store.settings(caller.tenant).await?.zone();
                Some(due.window(Utc::now(), zone).map_or(Planned::Not, Planned::Within))
            }
        };
        Ok(InboxFilter {
            status: word::<InteractionStatus>("status", self.status)?,
            holder: self.assignee.map(|text| holder(text, caller)).transpose()?,
            planned,
            question,
        })
    }
}

fn question(text: &str) -> Result<String, Problem> {
    if text.chars().count() > QUESTION_CHARS_MAX {
        return Err(invalid(format!(
            "`q` must have at most {QUESTION_CHARS_MAX} characters."
        )));
    }
    if search::asked_for(text).is_empty() {
        return Err(invalid("`q` must have a word."));
    }
    Ok(text.to_owned())
}

fn word<T: std::str::FromStr<Err = UnknownWord>>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    let read = text.map(str::parse::<T>).transpose();
    read.map_err(|UnknownWord(words)| invalid(format!("`{name}` must be one of {}.", words.join(", "))))
}

fn holder(text: &str, caller: &Caller) -> Result<Holder, Problem> {
    if text == "none" {
        return Ok(Holder::Nobody);
    }
    let user = user(text, caller)
        .ok_or_else(|| invalid("`assignee` must be a member's id, `none`, or `me`, which an API key is not."))?;
    Ok(Holder::User(user))
}

/// A member by id, or whoever asks as `me`.
fn user(text: &str, caller: &Caller) -> Option<UserId> {
    match text {
        "me" => caller.actor().user(),
        _ => text.parse().ok(),
    }
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(Code::ParameterInvalid, detail)
}

fn unknown() -> Problem {
    Problem::new(Code::NotFound, "There is no interaction with this id.")
}

fn interaction_id(text: &str) -> Result<InteractionId, Problem> {
    text.parse().map_err(|_| unknown())
}

/// An interaction, with its version as the `ETag`.
fn shown(interaction: store::Interaction) -> Response {
    let etag = [(ETAG, format!("\"{}\"", interaction.version))];
    (etag, Json(Interaction::from(interaction))).into_response()
}

impl From<store::Interaction> for Interaction {
    fn from(interaction: store::Interaction) -> Self {
        let text = |text: Option<domain::PersonalText>| text.map(|text| text.expose().to_owned());
        Self {
            id: interaction.id.0,
            contact_id: interaction.contact_id.0,
            status: interaction.status.as_str(),
            reason: interaction.reason.as_str(),
            intent: interaction.intent.map(|intent| intent.as_str()),
            title: text(interaction.title),
            note: text(interaction.note),
            assignee: interaction.assignee.map(|user| user.0),
            next_action_at: interaction.next_action_at,
            notified_at: interaction.notified_at,
            warning: interaction.warning.map(|warning| warning.as_str()),
            creator: interaction.creator.to_string(),
            created_at: interaction.created_at,
            updated_at: interaction.updated_at,
            version: interaction.version,
        }
    }
}

impl From<store::InteractionChange> for Change {
    fn from(change: store::InteractionChange) -> Self {
        Self {
            version: change.version,
            at: change.at,
            actor: change.actor.to_string(),
            field: change.field.as_str(),
            before: change.before,
            after: change.after,
        }
    }
}
