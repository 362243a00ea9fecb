//! `GET /v1/messages/{id}/events`: what happened to a message.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::{EventId, MessageId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::auth::Caller;
use super::cursor::{Parameters, cursor, limit, next};
use super::messages::{message_id, unknown};
use super::send::{Known, find};
use crate::path::Path;
use crate::problem::Problem;

/// The first thing that happens to a message of ours; the store has it as the message itself.
const QUEUED: &str = "queued";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Events {
    /// Go on where an earlier answer ended: its `next_cursor`.
    cursor: Option<String>,
    /// At most this many, 1 to 500; 50 when not given.
    limit: Option<u32>,
}

/// One event of a message.
#[derive(Serialize, ToSchema)]
pub(super) struct Event {
    id: Uuid,
    /// `queued`, then what was tried and what its provider reported: `accepted`, `sent`, `delivered`, `not_sent` …
    event: String,
    /// Who reported it, or who was to carry the message then: after `not_sent` or `rejected` the next one may be asked.
    provider: Option<String>,
    /// The code of what went wrong: the provider's, or one of ours, as `circuit_open` of an account that was passed over.
    error_code: Option<String>,
    /// A machine opened it or followed a link, not a person: it counts for nothing.
    by_machine: bool,
    /// When it happened, by the provider's clock.
    occurred_at: DateTime<Utc>,
    /// When it was recorded here.
    recorded_at: DateTime<Utc>,
}

/// A message's events, in the order in which they happened.
#[derive(Serialize, ToSchema)]
pub(super) struct MessageEvents {
    items: Vec<Event>,
    next_cursor: Option<String>,
}

/// A message's events. That of a message which was asked for here begins with `queued`.
#[utoipa::path(get, path = "/v1/messages/{id}/events", tag = "messages", params(("id" = Uuid, Path,), Events),
    security(("api_key" = [])), responses((status = 200, body = MessageEvents), (status = 404)))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Parameters(asked): Parameters<Events>,
) -> Result<Json<MessageEvents>, Problem> {
    let id = message_id(&id)?;
    let list = format!("events-{id}");
    let after = cursor(&list, asked.cursor.as_deref())?;
    let limit = limit(asked.limit)?;
    let queued_at = queued_at(&api, caller, id).await?;
    // A page of one has no room for both.
    let queued_at = queued_at.filter(|_| after.is_none() && limit > 1);
    let limit = limit - u32::from(queued_at.is_some());
    let page = api.store.message_events(caller.tenant, id, after, limit).await?;
    let queued = queued_at.map(|at| Event {
        id: EventId::of_message(id, QUEUED, 0).0,
        event: QUEUED.to_owned(),
        provider: None,
        error_code: None,
        by_machine: false,
        occurred_at: at,
        recorded_at: at,
    });
    let recorded = page.items.into_iter().map(|event| Event {
        id: event.id.0,
        event: event.kind.as_str().to_owned(),
        provider: event.provider,
        error_code: event.error_code,
        by_machine: event.by_machine,
        occurred_at: event.occurred_at,
        recorded_at: event.recorded_at,
    });
    Ok(Json(MessageEvents {
        items: queued.into_iter().chain(recorded).collect(),
        next_cursor: next(&list, page.next),
    }))
}

/// When a message was asked for; `None` if nobody asked for it here, and it was only ever reported.
async fn queued_at(api: &Api, caller: Caller, id: MessageId) -> Result<Option<DateTime<Utc>>, Problem> {
    Ok(match find(api, caller.tenant, id).await?.ok_or_else(unknown)? {
        Known::Stored(message) => message.class.map(|_| message.created_at),
        Known::Waiting(waiting) => DateTime::from_timestamp_millis(waiting.created_at),
    })
}
