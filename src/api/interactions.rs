//! `GET /v1/interactions`: follow-up work, such as a reply that somebody has to read.

use axum::Json;
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use domain::interaction::InteractionStatus;
use domain::{InteractionId, UnknownWord};
use serde::{Deserialize, Serialize};
use store::InboxFilter;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::auth::Caller;
use super::cursor::{Parameters, cursor, limit};
use crate::problem::{Code, Problem};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct List {
    /// Only those that stand there: `todo`, `in_progress`, `done`.
    status: Option<String>,
    /// Only this person's.
    assignee: Option<String>,
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
    /// Why it exists: `email_opened`, `reply`.
    reason: &'static str,
    /// What a reply means: `yes`, `no`, `stop`, `start`, `help` or `unclear`.
    intent: Option<&'static str>,
    /// Whose work it is.
    assignee: Option<String>,
    next_action_at: Option<DateTime<Utc>>,
    /// When somebody was told that it is overdue.
    notified_at: Option<DateTime<Utc>>,
    creator: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// Interactions, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Interactions {
    items: Vec<Interaction>,
    next_cursor: Option<String>,
}

/// Interactions, newest first.
#[utoipa::path(get, path = "/v1/interactions", tag = "interactions", params(List), security(("api_key" = [])),
    responses((status = 200, body = Interactions)))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<List>,
) -> Result<Json<Interactions>, Problem> {
    let status = asked.status.as_deref().map(str::parse::<InteractionStatus>).transpose();
    let status = status.map_err(|UnknownWord(words)| {
        let words = words.join(", ");
        Problem::new(Code::ParameterInvalid, format!("`status` must be one of {words}."))
    })?;
    let filter = InboxFilter {
        status,
        assignee: asked.assignee,
    };
    let after = cursor(asked.cursor.as_deref())?;
    let page = api
        .store
        .inbox(caller.tenant, &filter, after, limit(asked.limit)?)
        .await?;
    Ok(Json(Interactions {
        items: page.items.into_iter().map(Interaction::from).collect(),
        next_cursor: page.next.map(|cursor| cursor.to_string()),
    }))
}

/// One interaction.
#[utoipa::path(get, path = "/v1/interactions/{id}", tag = "interactions", params(("id" = Uuid, Path,)),
    security(("api_key" = [])), responses((status = 200, body = Interaction), (status = 404)))]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Interaction>, Problem> {
    let unknown = || Problem::new(Code::NotFound, "There is no interaction with this id.");
    let id: InteractionId = id.parse().map_err(|_| unknown())?;
    let found = api.store.interaction(caller.tenant, id).await?;
    found.map(|found| Json(found.into())).ok_or_else(unknown)
}

impl From<store::Interaction> for Interaction {
    fn from(interaction: store::Interaction) -> Self {
        Self {
            id: interaction.id.0,
            contact_id: interaction.contact_id.0,
            status: interaction.status.as_str(),
            reason: interaction.reason.as_str(),
            intent: interaction.intent.map(|intent| intent.as_str()),
            assignee: interaction.assignee,
            next_action_at: interaction.next_action_at,
            notified_at: interaction.notified_at,
            creator: interaction.creator,
            created_at: interaction.created_at,
            updated_at: interaction.updated_at,
        }
    }
}
