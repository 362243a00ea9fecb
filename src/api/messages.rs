//! `GET /v1/messages…`: what became of what was sent.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::outgoing::AttemptState;
use domain::{Channel, ContactId, MessageId, Status, UnknownWord};
use serde::{Deserialize, Serialize};
use store::MessageFilter;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::auth::Caller;
use super::cursor::{Parameters, cursor, limit, next};
use super::send::{Known, Waiting, find};
use crate::path::Path;
use crate::problem::{Code, Problem};

/// The list's name in its cursors.
const LIST: &str = "messages";

/// The status of a message of which nobody knows whether it went.
const UNKNOWN: &str = "unknown";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct List {
    /// Only messages sent through this provider.
    provider: Option<String>,
    /// Only the message that the provider calls this; needs `provider`.
    external_id: Option<String>,
    /// Only messages with this status. Those that are still `scheduled` are not in the list.
    status: Option<String>,
    /// Only messages that go this way: `email`, `sms` or `whatsapp`.
    #[param(value_type = Option<String>)]
    channel: Option<Channel>,
    /// Only messages to this contact.
    contact_id: Option<Uuid>,
    /// Only messages to the person whom the caller calls this.
    person_id: Option<String>,
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
    /// `scheduled` or `queued`; `unknown` when it may have been sent and its provider cannot be asked; `accepted`,
    /// `sending`, `sent`, `canceled`, `expired`, `failed`, `undelivered`, `delivered`, `read`, `opened`, `clicked`, `bounced`
    /// or `complained`. From `accepted` on it only moves forward.
    status: String,
    open_count: u32,
    click_count: u32,
    /// How often its provider reported that it was sent, as all counts are of reports: a mail server reports nothing.
    sent_count: u32,
    delivered_count: u32,
    bounce_count: u32,
    complaint_count: u32,
    unsubscribe_count: u32,
    first_opened_at: Option<DateTime<Utc>>,
    first_clicked_at: Option<DateTime<Utc>>,
    last_event_at: Option<DateTime<Utc>>,
    /// Whom it goes to, as soon as it is written down.
    contact_id: Option<Uuid>,
    /// `transactional`, `code`, `marketing` or `critical`; none if it was only ever reported.
    class: Option<String>,
    /// `en` or `fr`.
    language: Option<String>,
    /// The template's name and version.
    template: Option<String>,
    /// The caller's words for it.
    tags: Vec<String>,
    /// When it was to go, if not at once.
    scheduled_at: Option<DateTime<Utc>>,
    /// The latest code of what went wrong.
    error_code: Option<String>,
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

fn status(word: &str) -> Result<Status, Problem> {
    word.parse().map_err(|UnknownWord(words)| {
        let words = words.join(", ");
        Problem::new(
            Code::ParameterInvalid,
            format!("`status` must be one of {words}, {UNKNOWN}."),
        )
    })
}

async fn page(api: &Api, caller: Caller, asked: List) -> Result<Json<Messages>, Problem> {
    let (status, unclear) = match asked.status.as_deref() {
        None => (None, None),
        Some(UNKNOWN) => (Some(Status::Queued), Some(true)),
        Some(word) => (Some(status(word)?), Some(false)),
    };
    let filter = MessageFilter {
        provider: asked.provider,
        status,
        unclear,
        channel: asked.channel,
        contact: asked.contact_id.map(ContactId),
        person: asked.person_id,
    };
    let after = cursor(LIST, asked.cursor.as_deref())?;
    let page = api
        .store
        .messages(caller.tenant, &filter, after, limit(asked.limit)?)
        .await?;
    Ok(Json(Messages {
        items: page.items.into_iter().map(Message::from).collect(),
        next_cursor: next(LIST, page.next),
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
    let id = message_id(&id)?;
    match find(&api, caller.tenant, id).await?.ok_or_else(unknown)? {
        Known::Stored(message) => Ok(Json((*message).into())),
        Known::Waiting(waiting) => Ok(Json((*waiting).into())),
    }
}

pub(super) fn message_id(text: &str) -> Result<MessageId, Problem> {
    text.parse().map_err(|_| unknown())
}

pub(super) fn unknown() -> Problem {
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
            status: shown(progress.status, message.last_attempt).to_owned(),
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
            contact_id: Some(message.contact_id.0),
            class: message.class.map(|class| class.as_str().to_owned()),
            language: message.language.map(|language| language.as_str().to_owned()),
            template: message.template.map(|template| version(&template)),
            tags: message.tags,
            scheduled_at: message.scheduled_at,
            error_code: message.error_code,
            person_id: message.person_id,
            organisation_id: message.organisation_id,
            interaction_id: message.interaction_id.map(|id| id.0),
            created_at: message.created_at,
        }
    }
}

/// A message that only the queue knows.
impl From<Waiting> for Message {
    fn from(waiting: Waiting) -> Self {
        let message = waiting.message;
        let is_scheduled = waiting.is_scheduled && message.scheduled_at.is_some();
        Self {
            id: message.id.0,
            channel: message.channel.as_str().to_owned(),
            provider: None,
            external_id: None,
            status: if is_scheduled { "scheduled" } else { "queued" }.to_owned(),
            open_count: 0,
            click_count: 0,
            sent_count: 0,
            delivered_count: 0,
            bounce_count: 0,
            complaint_count: 0,
            unsubscribe_count: 0,
            first_opened_at: None,
            first_clicked_at: None,
            last_event_at: None,
            contact_id: None,
            class: Some(message.class.as_str().to_owned()),
            language: message.language.map(|language| language.as_str().to_owned()),
            template: message.template.as_ref().map(version),
            tags: message.tags,
            scheduled_at: message.scheduled_at,
            error_code: None,
            person_id: message.person_id,
            organisation_id: message.organisation_id,
            interaction_id: None,
            created_at: DateTime::from_timestamp_millis(waiting.created_at).unwrap_or_default(),
        }
    }
}

/// The status's word; a message of which nobody knows whether it went has one of its own.
const fn shown(status: Status, last_attempt: Option<AttemptState>) -> &'static str {
    match (status, last_attempt) {
        (Status::Queued, Some(AttemptState::Unclear)) => UNKNOWN,
        (status, _) => status.as_str(),
    }
}

fn version(template: &domain::TemplateVersion) -> String {
    format!("{}/{}", template.name, template.version)
}
