//! `GET /v1/messages…`: what became of what was sent.

use axum::Json;
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use domain::{MessageId, Status, UnknownWord};
use serde::{Deserialize, Serialize};
use store::MessageFilter;
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
    /// Only messages sent through this provider.
    provider: Option<String>,
    /// Only the message that the provider calls this; needs `provider`.
    external_id: Option<String>,
    /// Only messages with this status.
    status: Option<String>,
    /// Go on where an earlier answer ended: its `next_cursor`.
    cursor: Option<String>,
    /// At most this many, 1 to 500; 50 when not given.
    limit: Option<u32>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Events {
    /// Go on where an earlier answer ended: its `next_cursor`.
    cursor: Option<String>,
    /// At most this many, 1 to 500; 50 when not given.
    limit: Option<u32>,
}

/// One message and what became of it.
#[derive(Serialize, ToSchema)]
pub(super) struct Message {
    id: Uuid,
    channel: String,
    /// Who carries it; none until one was asked to.
    provider: Option<String>,
    /// What the provider calls it, as soon as that is known.
    external_id: Option<String>,
    /// `queued`, `accepted`, `sending`, `sent`, `canceled`, `expired`, `failed`, `undelivered`, `delivered`, `read`,
    /// `opened`, `clicked`, `bounced` or `complained`; it only moves forward.
    status: String,
    open_count: u32,
    click_count: u32,
    sent_count: u32,
    delivered_count: u32,
    bounce_count: u32,
    complaint_count: u32,
    unsubscribe_count: u32,
    first_opened_at: Option<DateTime<Utc>>,
    first_clicked_at: Option<DateTime<Utc>>,
    last_event_at: Option<DateTime<Utc>>,
    contact_id: Uuid,
    /// The caller's own id of the person it went to.
    person_id: Option<String>,
    /// The caller's own id of the organisation it went to.
    organisation_id: Option<String>,
    /// The interaction that its first open made.
    interaction_id: Option<Uuid>,
    created_at: DateTime<Utc>,
}

/// Messages, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Messages {
    items: Vec<Message>,
    next_cursor: Option<String>,
}

/// One event of a message.
#[derive(Serialize, ToSchema)]
pub(super) struct Event {
    id: Uuid,
    event: String,
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

/// Messages, newest first.
#[utoipa::path(get, path = "/v1/messages", tag = "messages", params(List), security(("api_key" = [])),
    responses((status = 200, body = Messages)))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<List>,
) -> Result<Json<Messages>, Problem> {
    match (&asked.provider, &asked.external_id) {
        (Some(provider), Some(external_id)) => {
            let found = api
                .store
                .message_by_external(caller.tenant, provider, external_id)
                .await?;
            Ok(Json(Messages {
                items: found.into_iter().map(Message::from).collect(),
                next_cursor: None,
            }))
        }
        (None, Some(_)) => Err(Problem::new(
            Code::ParameterInvalid,
            "`external_id` needs `provider` beside it: ids are the provider's.",
        )),
        (_, None) => page(&api, caller, asked).await,
    }
}

async fn page(api: &Api, caller: Caller, asked: List) -> Result<Json<Messages>, Problem> {
    let status = asked.status.as_deref().map(str::parse::<Status>).transpose();
    let status = status.map_err(|UnknownWord(words)| {
        let words = words.join(", ");
        Problem::new(Code::ParameterInvalid, format!("`status` must be one of {words}."))
    })?;
    let filter = MessageFilter {
        provider: asked.provider,
        status,
    };
    let after = cursor(asked.cursor.as_deref())?;
    let page = api
        .store
        .messages(caller.tenant, &filter, after, limit(asked.limit)?)
        .await?;
    Ok(Json(Messages {
        items: page.items.into_iter().map(Message::from).collect(),
        next_cursor: page.next.map(|cursor| cursor.to_string()),
    }))
}

/// One message.
#[utoipa::path(get, path = "/v1/messages/{id}", tag = "messages", params(("id" = Uuid, Path,)),
    security(("api_key" = [])), responses((status = 200, body = Message), (status = 404)))]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Message>, Problem> {
    let found = api.store.message(caller.tenant, message_id(&id)?).await?;
    found.map(|message| Json(message.into())).ok_or_else(unknown)
}

/// A message's events.
#[utoipa::path(get, path = "/v1/messages/{id}/events", tag = "messages", params(("id" = Uuid, Path,), Events),
    security(("api_key" = [])), responses((status = 200, body = MessageEvents), (status = 404)))]
pub(super) async fn events(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Parameters(asked): Parameters<Events>,
) -> Result<Json<MessageEvents>, Problem> {
    let id = message_id(&id)?;
    let after = cursor(asked.cursor.as_deref())?;
    let limit = limit(asked.limit)?;
    api.store.message(caller.tenant, id).await?.ok_or_else(unknown)?;
    let page = api.store.message_events(caller.tenant, id, after, limit).await?;
    let items = page.items.into_iter().map(|event| Event {
        id: event.id.0,
        event: event.kind.as_str().to_owned(),
        occurred_at: event.occurred_at,
        recorded_at: event.recorded_at,
    });
    Ok(Json(MessageEvents {
        items: items.collect(),
        next_cursor: page.next.map(|cursor| cursor.to_string()),
    }))
}

fn message_id(text: &str) -> Result<MessageId, Problem> {
    text.parse().map_err(|_| unknown())
}

fn unknown() -> Problem {
    Problem::new(Code::NotFound, "There is no message with this id.")
}

impl From<store::Message> for Message {
    fn from(message: store::Message) -> Self {
        let (progress, counters) = (message.progress, message.progress.counters);
        Self {
            id: message.id.0,
            channel: message.channel.as_str().to_owned(),
            provider: message.provider,
            external_id: message.external_id,
            status: progress.status.as_str().to_owned(),
            open_count: counters.opened,
            click_count: counters.clicked,
            sent_count: counters.sent,
            delivered_count: counters.delivered,
            bounce_count: counters.bounced,
            complaint_count: counters.complained,
            unsubscribe_count: counters.unsubscribed,
            first_opened_at: progress.opens.map(|span| span.first),
            first_clicked_at: progress.clicks.map(|span| span.first),
            last_event_at: progress.events.map(|span| span.last),
            contact_id: message.contact_id.0,
            person_id: message.person_id,
            organisation_id: message.organisation_id,
            interaction_id: message.interaction_id.map(|id| id.0),
            created_at: message.created_at,
        }
    }
}
