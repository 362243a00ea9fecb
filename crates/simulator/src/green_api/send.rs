//! A message is to be sent.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::json;

use super::account::{GreenApiAccount, authenticate};
use super::error::{self, GreenApi};
use super::notification::StatusTeller;
use super::number;
use crate::call;
use crate::course::Course;
use crate::fault::Called;
use crate::ledger::{Draft, sha256};
use crate::provider::{Channel, Provider};
use crate::web::Asked;
use crate::world::World;

const METHOD: &str = "sendMessage";
const MESSAGE_CHARACTERS_MAX: usize = 20_000;

/// The body of a request. What is not needed here is left out.
#[derive(Default, Deserialize)]
struct Body {
    #[serde(default, rename = "chatId")]
    chat: String,
    #[serde(default)]
    message: String,
}

/// `POST /waInstance{id}/sendMessage/{token}`
pub(super) async fn send(
    State(world): State<Arc<World>>,
    Path((instance, token)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    let account = match authenticate(&world, &instance, &token) {
        Ok(account) => account,
        Err(refusal) => return *refusal,
    };
    let body: Body = serde_json::from_slice(asked.bytes()).unwrap_or_default();
    let to = number(&body.chat);
    let fingerprint = sha256([asked.bytes()]);
    let called = Called {
        provider: Provider::GreenApi,
        recipient: &to,
        fingerprint: fingerprint.as_bytes(),
        is_lookup: false,
    };
    let execute = || accept(&world, &account, &body);
    call::answer(&world, &asked.cut, &account.id_instance, called, &GreenApi, execute).await
}

fn accept(world: &Arc<World>, account: &Arc<GreenApiAccount>, body: &Body) -> Response {
    if !is_chat(&body.chat) {
        return error::invalid(
            METHOD,
            "'chatId' must be one of the following formats: phone_number@c.us or group_id@g.us",
        );
    }
    if body.message.is_empty() || body.message.chars().count() > MESSAGE_CHARACTERS_MAX {
        return error::invalid(METHOD, "'message' length must be from 1 to 20000 characters");
    }
    let to = number(&body.chat);
    let body_sha256 = sha256([&to, &body.message]);
    let (number, id) = world.change(|state| {
        let id = format!("3EB0{}", state.dice.hex(16).to_uppercase());
        let draft = Draft {
            provider: Provider::GreenApi,
            channel: Channel::Whatsapp,
            account: &account.id_instance,
            external_id: &id,
            reference: None,
            idempotency_key: None,
            from: &account.number,
            to: &to,
            reply_to: None,
            subject: None,
            text: &body.message,
            body_sha256: body_sha256.clone(),
        };
        (state.ledger.accept(draft, Utc::now()), id)
    });
    let course = Course {
        number,
        provider: Provider::GreenApi,
        recipient: to.clone(),
        body_sha256,
        wait: Duration::ZERO,
        teller: Box::new(StatusTeller {
            account: Arc::clone(account),
            id: id.clone(),
            to,
        }),
    };
    course.start(world);
    Json(json!({ "idMessage": id })).into_response()
}

fn is_chat(chat: &str) -> bool {
    let parts = chat.split_once('@');
    parts.is_some_and(|(digits, kind)| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && matches!(kind, "c.us" | "g.us")
    })
}
