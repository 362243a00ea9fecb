//! `POST /v1/messages`: one durable write, to the queue, for one message or for a thousand.
//!
//! A message's id follows from its tenant and its idempotency key, and its job's from the message's. So the same request
//! again meets the first one, wherever that is by now: waiting in the queue, or written down in the store. It says the
//! same, or is refused: the fingerprint of what was asked for lies in both places.
//!
//! Requests at once find nothing there. So one that has a key claims it in the store before it adds the job: whoever asks for
//! something else by that key is refused, also by another channel, whose job would have another id. Should the process die
//! between the two, or the queue be away, the caller has no 202, and the same request again finds its own claim and adds the
//! job. Claims are kept as long as the queue knows a job that has ended.

mod door;
mod known;
mod request;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use domain::{Channel, Fingerprint, MessageClass, MessageId, OutgoingRecord, is_control};
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};
use jobs::sending;
use jobs::{SendBulk, SendEmail, SendSms, SendWhatsapp};
use queue::{Job as _, Origin};
use serde::Serialize;
use serde_json::Value;
use store::MessageBegun;
use utoipa::ToSchema;
use uuid::Uuid;

pub(super) use door::{Admitted, Door, length, refused};
pub(super) use known::{Known, Waiting, find};
pub(super) use request::{BatchRequest, MessageRequest};

use super::Api;
use super::auth::Caller;
use super::body::{self, Body};
use crate::correlation;
use crate::problem::{Code, Problem};

/// How many messages a batch may have.
const BATCH_MAX: usize = 1000;
/// How many messages of a batch are looked for at once.
const LOOKS_AT_ONCE: usize = 16;
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const KEY_BYTES_MAX: usize = 200;

/// A message that was accepted.
#[derive(Serialize, ToSchema)]
pub(super) struct Accepted {
    /// The message's id.
    id: Uuid,
    /// The job that sends it.
    job: Uuid,
    /// The same request was accepted before; nothing was added.
    duplicate: bool,
}

/// What became of each message of a batch, in the batch's order.
#[derive(Serialize, ToSchema)]
pub(super) struct BatchAccepted {
    items: Vec<BatchItem>,
}

/// One message of a batch.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum BatchItem {
    Accepted(Accepted),
    Refused {
        /// Why: as the request for this message alone would have been answered.
        error: ItemError,
    },
}

/// Why a message of a batch was refused.
#[derive(Serialize, ToSchema)]
pub(super) struct ItemError {
    code: &'static str,
    status: u16,
    detail: String,
}

/// Sends a message, or up to a thousand.
///
/// Everything is checked before the answer. 202 means that the message is durably queued. The same request again, with the
/// same Idempotency-Key, is answered with the same id and `duplicate`; another request with that key is refused.
#[utoipa::path(post, path = "/v1/messages", tag = "messages", security(("api_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 200 characters; at least 7 days known")),
    request_body(content = MessageRequest, description = "One message, or `{\"messages\":[…]}` with up to 1,000"),
    responses((status = 202, body = Accepted), (status = 413), (status = 422, description = "Names the field at fault"),
        (status = 503, description = "Not queued: send it again")))]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    Body(body): Body<Value>,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    let origin = Origin {
        tenant: caller.tenant.0,
        correlation: correlation::of(&headers),
    };
    let mut door = Door::open(&api.store, caller.tenant).await?;
    if body.get("messages").is_some() {
        let batch: BatchRequest = of_value(body)?;
        let items = batch_of(&api, caller, &mut door, batch, key, origin).await?;
        return Ok((StatusCode::ACCEPTED, Json(BatchAccepted { items })).into_response());
    }
    let request: MessageRequest = of_value(body)?;
    if request.idempotency_key.is_some() {
        return Err(refused(
            "`idempotency_key` is for batches; send the header Idempotency-Key.",
        ));
    }
    let accepted = one(&api, caller, &mut door, &request, key.as_deref(), origin).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
}

fn of_value<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Problem> {
    body::read(&serde_json::to_vec(&value).unwrap_or_default())
}

async fn batch_of(
    api: &Api,
    caller: Caller,
    door: &mut Door<'_>,
    batch: BatchRequest,
    key: Option<String>,
    origin: Origin,
) -> Result<Vec<BatchItem>, Problem> {
    if batch.messages.is_empty() || batch.messages.len() > BATCH_MAX {
        return Err(refused(format!("`messages` must have 1 to {BATCH_MAX} items.")));
    }
    let mut checked = Vec::with_capacity(batch.messages.len());
    for (place, value) in batch.messages.into_iter().enumerate() {
        checked.push(checked_item(caller, door, value, key.as_deref(), place).await?);
    }
    // First the look whether they are known, a few at a time, then one claim for all keys; then all the adds, which so share
    // one call to the queue.
    let looks = checked.into_iter().map(|item| async move {
        match item {
            Ok(item) if item.is_keyed => match known(api, &item.admitted.sending.message, origin).await {
                Ok(Some(accepted)) => Ok(Looked::Told(BatchItem::Accepted(accepted))),
                Ok(None) => Ok(Looked::New(Box::new(item))),
                Err(problem) => told(problem).map(Looked::Told),
            },
            Ok(item) => Ok(Looked::New(Box::new(item))),
            Err(problem) => Ok(Looked::Told(BatchItem::from(problem))),
        }
    });
    let looked: Vec<_> = stream::iter(looks).buffered(LOOKS_AT_ONCE).try_collect().await?;
    let adding = claimed(api, caller, looked).await?.into_iter().map(|item| async {
        match item {
            Looked::Told(item) => Ok(item),
            Looked::New(item) => match added(api, item.admitted, origin).await {
                Ok(accepted) => Ok(BatchItem::Accepted(accepted)),
                Err(problem) => told(problem),
            },
        }
    });
    future::try_join_all(adding).await
}

/// A message of a batch that can be sent.
struct Checked {
    admitted: Admitted,
    /// Whether the caller knows it by a key.
    is_keyed: bool,
}

/// A message of a batch, after the look.
enum Looked {
    Told(BatchItem),
    New(Box<Checked>),
}

impl Looked {
    /// What has to be claimed before it is added.
    fn claim(&self) -> Option<(MessageId, Fingerprint)> {
        match self {
            Self::New(item) if item.is_keyed => Some(claim(&item.admitted)),
            Self::New(_) | Self::Told(_) => None,
        }
    }
}

const fn claim(admitted: &Admitted) -> (MessageId, Fingerprint) {
    let message = &admitted.sending.message;
    (message.id, message.fingerprint)
}

/// Refuses the messages whose key is another request's.
async fn claimed(api: &Api, caller: Caller, mut looked: Vec<Looked>) -> Result<Vec<Looked>, Problem> {
    let claims: Vec<_> = looked.iter().filter_map(Looked::claim).collect();
    let held = api.store.claim_requests(caller.tenant, &claims, Utc::now()).await?;
    let claiming = looked.iter_mut().filter(|item| item.claim().is_some());
    for (item, _) in claiming.zip(held).filter(|(_, is_held)| !is_held) {
        *item = Looked::Told(BatchItem::from(reused()));
    }
    Ok(looked)
}

/// A refusal of one item; `Err` if it is store or queue that is away, which is the whole batch's.
fn told(problem: Problem) -> Result<BatchItem, Problem> {
    if problem.code.row().1.is_server_error() {
        return Err(problem);
    }
    Ok(BatchItem::from(problem))
}

/// `Ok(Err)`: the item is refused; `Err`: the whole batch is, because store or queue is away.
async fn checked_item(
    caller: Caller,
    door: &mut Door<'_>,
    value: Value,
    key: Option<&str>,
    place: usize,
) -> Result<Result<Checked, Problem>, Problem> {
    let checked = async {
        let request: MessageRequest = of_value(value)?;
        if let Some(own) = &request.idempotency_key {
            check_key("idempotency_key", own)?;
        }
        let id = match (&request.idempotency_key, key) {
            (Some(own), _) => Some(MessageId::of_request(caller.tenant, own)),
            (None, Some(key)) => Some(MessageId::of_batch(caller.tenant, key, place)),
            (None, None) => None,
        };
        let admitted = door.admit(id.unwrap_or_else(unnamed), &request, Utc::now()).await?;
        Ok::<_, Problem>(Checked {
            admitted,
            is_keyed: id.is_some(),
        })
    };
    match checked.await {
        Err(problem) if problem.code.row().1.is_server_error() => Err(problem),
        checked => Ok(checked),
    }
}

/// The id of a message that its caller has no key for.
fn unnamed() -> MessageId {
    MessageId(Uuid::new_v4())
}

async fn one(
    api: &Api,
    caller: Caller,
    door: &mut Door<'_>,
    request: &MessageRequest,
    key: Option<&str>,
    origin: Origin,
) -> Result<Accepted, Problem> {
    let id = key.map(|key| MessageId::of_request(caller.tenant, key));
    let admitted = door.admit(id.unwrap_or_else(unnamed), request, Utc::now()).await?;
    if id.is_some() {
        if let Some(known) = known(api, &admitted.sending.message, origin).await? {
            return Ok(known);
        }
        let claims = [claim(&admitted)];
        let held = api.store.claim_requests(caller.tenant, &claims, Utc::now()).await?;
        if held != [true] {
            return Err(reused());
        }
    }
    added(api, admitted, origin).await
}

/// Adds the message's job.
async fn added(api: &Api, admitted: Admitted, origin: Origin) -> Result<Accepted, Problem> {
    let Admitted { sending, scheduled_at } = admitted;
    let id = sending.message.id;
    let at = scheduled_at.map_or_else(|| api.queue.clock().now(), |at| at.timestamp_millis());
    let receipt = sending::add(&api.queue, sending, origin, at).await?;
    Ok(Accepted {
        id: id.0,
        job: receipt.job.0,
        duplicate: receipt.duplicate,
    })
}

/// The message of the same key, if there is one already; a refusal, if that one says something else.
async fn known(api: &Api, message: &OutgoingRecord, origin: Origin) -> Result<Option<Accepted>, Problem> {
    let tenant = domain::TenantId(origin.tenant);
    let accepted = |job: queue::JobId| Accepted {
        id: message.id.0,
        job: job.0,
        duplicate: true,
    };
    match find(api, tenant, message.id).await? {
        // It is there, so this only compares.
        Some(Known::Stored(_)) => match api.store.begin_message(tenant, message, Utc::now()).await? {
            MessageBegun::OtherRequest => Err(reused()),
            MessageBegun::New | MessageBegun::Known => Ok(Some(accepted(job_id(message, origin.tenant)))),
        },
        Some(Known::Waiting(waiting)) if waiting.fingerprint() != message.fingerprint => Err(reused()),
        Some(Known::Waiting(waiting)) => Ok(Some(accepted(waiting.job))),
        None => Ok(None),
    }
}

fn reused() -> Problem {
    Problem::new(
        Code::IdempotencyKeyReused,
        "Another request was sent with this key. Take another key, or send what was sent first.",
    )
}

fn job_id(message: &OutgoingRecord, tenant: Uuid) -> queue::JobId {
    queue::JobId::derive(kind(message.channel, message.class), tenant, &message.id.to_string())
}

/// The kind of the job that sends such a message.
const fn kind(channel: Channel, class: MessageClass) -> &'static str {
    match (class, channel) {
        (MessageClass::Marketing, _) => SendBulk::KIND,
        (_, Channel::Email) => SendEmail::KIND,
        (_, Channel::Sms) => SendSms::KIND,
        (_, Channel::Whatsapp) => SendWhatsapp::KIND,
    }
}

/// The header Idempotency-Key.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = value.to_str().map_err(|_| bad_key("Idempotency-Key"))?;
    check_key("Idempotency-Key", key)?;
    Ok(Some(key.to_owned()))
}

fn check_key(field: &str, key: &str) -> Result<(), Problem> {
    let is_usable = !key.is_empty() && key.len() <= KEY_BYTES_MAX && !key.chars().any(is_control);
    if is_usable { Ok(()) } else { Err(bad_key(field)) }
}

fn bad_key(field: &str) -> Problem {
    refused(format!("`{field}` must have 1 to {KEY_BYTES_MAX} plain characters."))
}

impl From<Problem> for BatchItem {
    fn from(problem: Problem) -> Self {
        let (code, status, _) = problem.code.row();
        Self::Refused {
            error: ItemError {
                code,
                status: status.as_u16(),
                detail: problem.detail,
            },
        }
    }
}
