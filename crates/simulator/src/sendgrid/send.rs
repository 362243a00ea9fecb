//! A mail is to be sent.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use super::SendGridAccount;
use super::body::{Body, Mail};
use super::error::{self, SendGrid};
use super::events::EventTeller;
use crate::call;
use crate::course::Course;
use crate::fault::Called;
use crate::ledger::{Draft, sha256};
use crate::provider::{Channel, Provider};
use crate::secret;
use crate::web::Asked;
use crate::world::World;

/// The largest request.
const BODY_BYTES_MAX: usize = 30 * 1024 * 1024;
/// The custom argument that is the sender's own id, if it gives one.
const REFERENCE: &str = "message_id";
const MESSAGE_ID_HEADER: &str = "X-Message-Id";
/// An id is so many bytes, in base64: 22 characters.
const ID_BYTES: usize = 16;

/// `POST /v3/mail/send`
pub(super) async fn send(State(world): State<Arc<World>>, asked: Asked) -> Response {
    let token = asked
        .header("authorization")
        .and_then(secret::bearer)
        .unwrap_or_default();
    let account = world.look(|state| state.accounts.sendgrid.find(|account| account.is_opened_by(token)));
    let Some(account) = account else {
        return error::unauthenticated();
    };
    if asked.body.as_ref().is_none_or(|body| body.len() > BODY_BYTES_MAX) {
        return error::too_large();
    }
    let body = serde_json::from_slice::<Body>(asked.bytes());
    let fingerprint = sha256([asked.bytes()]);
    let called = Called {
        provider: Provider::SendGrid,
        recipient: body.as_ref().map_or("", Body::first_recipient),
        fingerprint: fingerprint.as_bytes(),
        is_lookup: false,
    };
    let execute = || match &body {
        Ok(body) => accept(&world, &account, body),
        Err(_) => error::respond(StatusCode::BAD_REQUEST, "Bad Request", None),
    };
    call::answer(&world, &asked.cut, &account.name, called, &SendGrid, execute).await
}

fn accept(world: &Arc<World>, account: &Arc<SendGridAccount>, body: &Body) -> Response {
    if let Some((message, field)) = body.fault() {
        return error::respond(StatusCode::BAD_REQUEST, message, Some(field));
    }
    if body.is_sandboxed() {
        return StatusCode::OK.into_response();
    }
    let now = Utc::now();
    let id = world.look(|state| URL_SAFE_NO_PAD.encode(&state.dice.id()[..ID_BYTES]));
    for mail in body.mails() {
        accept_one(world, account, body, mail, &id, now);
    }
    (StatusCode::ACCEPTED, [(MESSAGE_ID_HEADER, id)]).into_response()
}

fn accept_one(
    world: &Arc<World>,
    account: &Arc<SendGridAccount>,
    body: &Body,
    mail: Mail<'_>,
    id: &str,
    now: DateTime<Utc>,
) {
    let body_sha256 = sha256(std::iter::once(mail.seen.subject.as_str()).chain(body.written()));
    let number = world.change(|state| {
        let draft = Draft {
            provider: Provider::SendGrid,
            channel: Channel::Email,
            account: &account.name,
            external_id: id,
            reference: mail.custom_args.get(REFERENCE).cloned(),
            idempotency_key: None,
            from: body.from.as_ref().map_or("", |from| &from.email),
            to: mail.to,
            reply_to: body.reply_to(),
            subject: Some(&mail.seen.subject),
            text: &mail.seen.text,
            body_sha256: body_sha256.clone(),
        };
        state.ledger.accept(draft, now)
    });
    let course = Course {
        number,
        provider: Provider::SendGrid,
        recipient: mail.to.to_owned(),
        body_sha256,
        wait: wait(mail.send_at, now),
        teller: Box::new(EventTeller {
            account: Arc::clone(account),
            id: id.to_owned(),
            email: mail.to.to_owned(),
            custom_args: mail.custom_args,
            categories: body.categories.clone(),
            link: mail.seen.link,
            send_at: mail.send_at.unwrap_or(0),
        }),
    };
    course.start(world);
}

fn wait(send_at: Option<i64>, now: DateTime<Utc>) -> Duration {
    let at = send_at.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    at.and_then(|at| (at - now).to_std().ok()).unwrap_or_default()
}
