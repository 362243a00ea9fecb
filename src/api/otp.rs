//! `POST /v1/otp` and `POST /v1/otp/{id}/verify`: one-time codes.
//!
//! A challenge is written to the store before its job is added, because its limits (per number, per caller) are counted
//! where it is written, in one transaction. Should the process die between the two, or the queue be away, the caller has no
//! 202: the same request again, with the same Idempotency-Key, finds the challenge and adds the job. Without a key it is a
//! new challenge, and the one before counts against the limits and ends by itself, unsent. The job's key follows from the
//! challenge, so that however often it is added one message goes out.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::otp::{TooMany, Verdict};
use domain::{ChallengeId, Channel, Code as OneTimeCode, Language, MessageClass, MessageId, OutgoingRecord, Recipient};
use jobs::SendOtp;
use jobs::sending::{Content, Hop, Sending, code_key};
use queue::Origin;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use store::{ChallengeBegun, NewChallenge, StoreError, StoredChallenge};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::auth::Caller;
use super::body::Body;
use super::send::{Door, idempotency_key, refused};
use crate::correlation;
use crate::path::Path;
use crate::problem::{Code, Problem};

/// Who is to prove that they read what is sent there.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    /// A phone number with + and its country's code, or an e-mail address.
    to: String,
    /// `sms` (if not given), `whatsapp` or `email`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    channel: Option<Channel>,
    /// `en` or `fr`; the tenant's language if not given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    language: Option<Language>,
}

/// A code is on its way.
#[derive(Serialize, ToSchema)]
pub(super) struct Asked {
    /// What the code is given back with: the id of the challenge.
    id: Uuid,
    /// The message that brings the code, for `GET /v1/messages/{id}`.
    message_id: Uuid,
    /// Until when it is good.
    expires_at: DateTime<Utc>,
}

/// The code that somebody typed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    /// Six digits; spaces and dashes between them do not matter.
    code: String,
}

/// What is said about a code.
#[derive(Serialize, ToSchema)]
pub(super) struct Judged {
    verified: bool,
    /// Why not: `wrong`, `locked`, `expired` or `used`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// How many more may be tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    tries_left: Option<u8>,
}

/// Sends a one-time code. The same request with the same Idempotency-Key makes no second one.
#[utoipa::path(post, path = "/v1/otp", tag = "codes", security(("api_key" = [])), request_body = Ask,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 200 characters")),
    responses((status = 202, body = Asked), (status = 422),
        (status = 429, description = "Too many codes to this recipient, or by this key; Retry-After says when")))]
pub(super) async fn ask(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    Body(asked): Body<Ask>,
) -> Result<Response, Problem> {
    let channel = asked.channel.unwrap_or(Channel::Sms);
    let recipient =
        Recipient::parse(channel, &asked.to).map_err(|error| refused(format!("`to` cannot be used: {error}.")))?;
    let request = idempotency_key(&headers)?.unwrap_or_else(|| Uuid::new_v4().to_string());
    let mut door = Door::open(&api.store, caller.tenant).await?;
    let hops = door.hops(channel, None).await?;
    let challenge = NewChallenge {
        id: ChallengeId::of_request(caller.tenant, &request),
        recipient,
        channel,
        language: asked.language.unwrap_or_else(|| door.language()),
        code_key_id: api.queue.keyring().current().to_owned(),
        caller: caller.id(),
    };
    // All that can be refused is refused before anything is written.
    let probe = sending(&door, caller, &challenge, hops.clone(), &challenge.code_key_id)?;
    door.checked(probe)?;
    let known = begin(&api, caller, &challenge).await?;
    let sending = sending(&door, caller, &challenge, hops, &known.code_key_id)?;
    let origin = Origin {
        tenant: caller.tenant.0,
        correlation: correlation::of(&headers),
    };
    let message = sending.message.id;
    api.queue.add(&SendOtp::new(sending), origin).await?;
    let asked = Asked {
        id: known.id.0,
        message_id: message.0,
        expires_at: known.expires_at,
    };
    Ok((StatusCode::ACCEPTED, Json(asked)).into_response())
}

async fn begin(api: &Api, caller: Caller, challenge: &NewChallenge) -> Result<StoredChallenge, Problem> {
    let now = Utc::now();
    match api.store.begin_challenge(caller.tenant, challenge, now).await {
        Ok(ChallengeBegun::New(known) | ChallengeBegun::Known(known)) => Ok(known),
        Ok(ChallengeBegun::Refused(TooMany { again_at })) => {
            let seconds = (again_at - now).num_seconds().max(0) + 1;
            let detail = format!("Too many codes were sent lately. Try again in {seconds} seconds.");
            Err(Problem::new(Code::TooManyRequests, detail).retry_after(seconds.unsigned_abs()))
        }
        Err(StoreError::Conflict(_)) => Err(Problem::new(
            Code::IdempotencyKeyReused,
            "A code for somebody else was asked for with this key.",
        )),
        Err(error) => Err(error.into()),
    }
}

fn sending(
    door: &Door<'_>,
    caller: Caller,
    challenge: &NewChallenge,
    hops: Vec<Hop>,
    key_id: &str,
) -> Result<Sending, Problem> {
    let id = MessageId::of_ours(caller.tenant, &format!("otp/{}", challenge.id));
    let message = OutgoingRecord {
        id,
        fingerprint: domain::Fingerprint(Sha256::digest(challenge.id.0).into()),
        channel: challenge.channel,
        recipient: challenge.recipient.clone(),
        class: MessageClass::Code,
        language: Some(challenge.language),
        template: None,
        tags: Vec::new(),
        scheduled_at: None,
        person_id: None,
        organisation_id: None,
        subject: None,
        content: None,
        to_member: false,
    };
    Ok(Sending {
        message,
        from: door.sender(challenge.channel, None),
        content: Content::Code {
            challenge: challenge.id,
            key_id: key_id.to_owned(),
        },
        hops,
        hop: 0,
        confirms: false,
    })
}

/// Says whether a code is the right one. A right one is right once; five wrong ones end it.
#[utoipa::path(post, path = "/v1/otp/{id}/verify", tag = "codes", security(("api_key" = [])), request_body = Given,
    params(("id" = Uuid, Path,)), responses((status = 200, body = Judged), (status = 404), (status = 422)))]
pub(super) async fn verify(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Body(given): Body<Given>,
) -> Result<Json<Judged>, Problem> {
    let unknown = || Problem::new(Code::NotFound, "There is no code with this id.");
    let id: ChallengeId = id.parse().map_err(|_| unknown())?;
    let given = OneTimeCode::read(&given.code).map_err(|error| refused(format!("`code` cannot be used: {error}.")))?;
    let keyring = api.queue.keyring().clone();
    let key = move |id: &str| code_key(&keyring, id);
    let verdict = api
        .store
        .verify_challenge(caller.tenant, id, &given, key, Utc::now())
        .await?;
    let judged = |verified, reason, tries_left| Judged {
        verified,
        reason,
        tries_left,
    };
    Ok(Json(match verdict.ok_or_else(unknown)? {
        Verdict::Right => judged(true, None, None),
        Verdict::Wrong { tries_left } => judged(false, Some("wrong"), Some(tries_left)),
        Verdict::Locked => judged(false, Some("locked"), Some(0)),
        Verdict::Expired => judged(false, Some("expired"), None),
        Verdict::Used => judged(false, Some("used"), None),
    }))
}
