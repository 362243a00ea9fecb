//! A mail is to be sent.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde_json::json;

use super::account::{ResendAccount, authenticate};
use super::body::Body;
use super::error::{self, Resend};
use super::events::EventTeller;
use super::idempotency::{Begun, Held, KEY_BYTES_MAX};
use super::memory::Mail;
use crate::call;
use crate::course::Course;
use crate::fault::Called;
use crate::ledger::{Draft, sha256};
use crate::mail::{Seen, address};
use crate::provider::{Channel, Provider};
use crate::web::Asked;
use crate::world::World;

/// The tag that is the sender's own id, if it gives one.
const REFERENCE: &str = "message_id";

/// `POST /emails`
pub(super) async fn send(State(world): State<Arc<World>>, asked: Asked) -> Response {
    let account = match authenticate(&world, &asked) {
        Ok(account) => account,
        Err(refusal) => return *refusal,
    };
    let key = asked
        .headers
        .get("idempotency-key")
        .map(|_| asked.header("idempotency-key").unwrap_or_default());
    if key.is_some_and(|key| !(1..=KEY_BYTES_MAX).contains(&key.len())) {
        return error::KEY_TOO_LONG.respond();
    }
    let fingerprint = sha256([asked.bytes()]);
    let begun =
        key.map(|key| world.look(|state| state.resend.keys.begin(&account.name, key, &fingerprint, Utc::now())));
    match begun {
        Some(Begun::StillRunning) => return error::STILL_RUNNING.respond(),
        Some(Begun::OtherBody) => return error::OTHER_BODY.respond(),
        _ => {}
    }
    let held = key.filter(|_| begun == Some(Begun::Fresh)).map(|key| Held {
        world: Arc::clone(&world),
        account: account.name.clone(),
        key: key.to_owned(),
    });
    let body = serde_json::from_slice::<Body>(asked.bytes());
    let called = Called {
        provider: Provider::Resend,
        recipient: body
            .as_ref()
            .ok()
            .and_then(|body| body.everybody().next())
            .unwrap_or_default(),
        fingerprint: fingerprint.as_bytes(),
        is_lookup: false,
    };
    let execute = || match (&begun, &body) {
        (Some(Begun::Answered(id)), _) => {
            world.change(|state| {
                state
                    .ledger
                    .see_again(Provider::Resend, &account.name, key.unwrap_or_default())
            });
            answer(id)
        }
        (_, Err(_)) => error::NOT_READABLE.respond(),
        (_, Ok(body)) => accept(&world, &account, body, key),
    };
    let answer = call::answer(&world, &asked.cut, &account.name, called, &Resend, execute).await;
    drop(held);
    answer
}

fn answer(id: &str) -> Response {
    Json(json!({ "id": id })).into_response()
}

fn accept(world: &Arc<World>, account: &Arc<ResendAccount>, body: &Body, key: Option<&str>) -> Response {
    if let Some(refusal) = body.fault() {
        return refusal.respond();
    }
    let now = Utc::now();
    let (html, text) = (
        body.html.as_deref().unwrap_or_default(),
        body.text.as_deref().unwrap_or_default(),
    );
    let seen = Seen::of_parts(&body.subject, text, html);
    let body_sha256 = sha256([&body.subject, text, html]);
    let tags = body.tags();
    let (mail, numbers) = world.change(|state| {
        let id = state.dice.uuid().to_string();
        let accept = |to| {
            let draft = Draft {
                provider: Provider::Resend,
                channel: Channel::Email,
                account: &account.name,
                external_id: &id,
                reference: tags.get(REFERENCE).map(|reference| (*reference).to_owned()),
                idempotency_key: key.map(str::to_owned),
                from: address(&body.from),
                to,
                reply_to: body.reply_to.list().first().map(|mailbox| address(mailbox)),
                subject: Some(&body.subject),
                text: &seen.text,
                body_sha256: body_sha256.clone(),
            };
            state.ledger.accept(draft, now)
        };
        let numbers: Vec<_> = body.everybody().map(accept).collect();
        let mail = Mail {
            message_id: format!("<{}@resend.simulator>", state.dice.hex(32)),
            id,
            account: account.name.clone(),
            body: body.kept(),
            created_at: now,
            number: numbers.first().copied().unwrap_or_default(),
        };
        state.resend.sent.push(mail.clone());
        if let Some(key) = key {
            // In the same breath: a mail that was accepted is known by its key, whatever becomes of the answer.
            state.resend.keys.finish(&account.name, key, &mail.id);
        }
        (mail, numbers)
    });
    for (number, to) in numbers.into_iter().zip(body.everybody()) {
        let course = Course {
            number,
            provider: Provider::Resend,
            recipient: to.to_owned(),
            body_sha256: body_sha256.clone(),
            wait: wait(body.scheduled_at.as_deref(), now),
            teller: Box::new(EventTeller {
                account: Arc::clone(account),
                mail: mail.clone(),
                link: seen.link.clone(),
            }),
        };
        course.start(world);
    }
    answer(&mail.id)
}

/// Until `scheduled_at`, if it is an instant. Words such as "in 1 min" are taken for now.
fn wait(scheduled_at: Option<&str>, now: DateTime<Utc>) -> Duration {
    let at = scheduled_at.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    at.and_then(|at| (at.to_utc() - now).to_std().ok()).unwrap_or_default()
}
