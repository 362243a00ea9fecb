//! What became of messages.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use chrono::{TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::{GreenApiAccount, authenticate};
use super::error::{self, GreenApi};
use super::notification::word;
use super::{chat, number};
use crate::call;
use crate::fault::Called;
use crate::ledger::Effect;
use crate::provider::Provider;
use crate::web::Asked;
use crate::world::World;

const MINUTES: i64 = 1_440;
/// What the journal says of a message that is still in the queue.
const PENDING: &str = "pending";

#[derive(Default, Deserialize)]
struct Wanted {
    #[serde(default, rename = "chatId")]
    chat: String,
    #[serde(default, rename = "idMessage")]
    id: String,
}

/// `POST /waInstance{id}/getMessage/{token}`
pub(super) async fn message(
    State(world): State<Arc<World>>,
    Path((instance, token)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    let wanted: Wanted = serde_json::from_slice(asked.bytes()).unwrap_or_default();
    look(&world, &asked, &instance, &token, |account| {
        let found = world.look(|state| {
            let to = number(&wanted.chat);
            let mut all = state.ledger.effects_to(&to);
            let fits = |effect: &&Effect| is_of(effect, account) && effect.external_id == wanted.id;
            all.find(fits).map(shown)
        });
        found.map_or_else(error::not_found, |found| Json(found).into_response())
    })
    .await
}

/// `GET /waInstance{id}/showMessagesQueue/{token}`
pub(super) async fn queue(
    State(world): State<Arc<World>>,
    Path((instance, token)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    look(&world, &asked, &instance, &token, |account| {
        let all: Vec<_> = world.look(|state| {
            let waiting = state
                .ledger
                .effects()
                .filter(|effect| is_of(effect, account) && status(effect) == PENDING);
            waiting.map(queued).collect()
        });
        Json(all).into_response()
    })
    .await
}

/// `GET /waInstance{id}/lastOutgoingMessages/{token}`
pub(super) async fn outgoing(
    State(world): State<Arc<World>>,
    Path((instance, token)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    let query = asked.query();
    let minutes = query.iter().find(|(name, _)| name == "minutes");
    let minutes = minutes.and_then(|(_, value)| value.parse().ok()).unwrap_or(MINUTES);
    let since = TimeDelta::try_minutes(minutes).and_then(|back| Utc::now().checked_sub_signed(back));
    look(&world, &asked, &instance, &token, |account| {
        let all: Vec<_> = world.look(|state| {
            // Newest first.
            let own = state.ledger.effects().rev().filter(|effect| is_of(effect, account));
            let sent = own.filter(|effect| status(effect) != PENDING);
            sent.filter(|effect| since.is_none_or(|since| effect.accepted_at >= since))
                .map(shown)
                .collect()
        });
        Json(all).into_response()
    })
    .await
}

/// `GET /waInstance{id}/getStateInstance/{token}`
pub(super) async fn state(
    State(world): State<Arc<World>>,
    Path((instance, token)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    look(&world, &asked, &instance, &token, |_| {
        Json(json!({ "stateInstance": "authorized" })).into_response()
    })
    .await
}

async fn look(
    world: &Arc<World>,
    asked: &Asked,
    instance: &str,
    token: &str,
    find: impl FnOnce(&GreenApiAccount) -> Response + Send,
) -> Response {
    let account = match authenticate(world, instance, token) {
        Ok(account) => account,
        Err(refusal) => return *refusal,
    };
    let called = Called {
        provider: Provider::GreenApi,
        recipient: "",
        fingerprint: asked.bytes(),
        is_lookup: true,
    };
    let execute = || find(&account);
    call::answer(world, &asked.cut, &account.id_instance, called, &GreenApi, execute).await
}

fn is_of(effect: &Effect, account: &GreenApiAccount) -> bool {
    effect.provider == Provider::GreenApi && effect.account == account.id_instance
}

fn status(effect: &Effect) -> &'static str {
    let mut history = effect.history.iter().rev();
    history
        .find_map(|passed| word(passed.status, passed.code.as_deref()))
        .unwrap_or(PENDING)
}

fn shown(effect: &Effect) -> Value {
    let last = effect.history.last().map_or(effect.accepted_at, |passed| passed.at);
    json!({
        "type": "outgoing",
        "idMessage": effect.external_id,
        "timestamp": last.timestamp(),
        "typeMessage": "textMessage",
        "chatId": chat(effect.to.expose()),
        "textMessage": effect.text,
        "statusMessage": status(effect),
        "sendByApi": true,
    })
}

fn queued(effect: &Effect) -> Value {
    json!({
        "messageID": effect.external_id,
        "messagesIDs": [effect.external_id],
        "type": "sendMessage",
        "body": { "chatId": chat(effect.to.expose()), "message": effect.text, "linkPreview": false },
    })
}
