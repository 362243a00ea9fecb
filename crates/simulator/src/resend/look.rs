//! What became of a mail, and what stands in one that came in.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::account::authenticate;
use super::error::{self, Resend};
use super::events::instant;
use super::memory::Mail;
use crate::call;
use crate::fault::Called;
use crate::provider::Provider;
use crate::script::Status;
use crate::web::Asked;
use crate::world::{State as Remembered, World};

/// `GET /emails/{id}`
pub(super) async fn sent(State(world): State<Arc<World>>, Path(id): Path<String>, asked: Asked) -> Response {
    look(&world, &asked, &id, |state, account| {
        let mut all = state.resend.sent.iter();
        let mail = all.find(|mail| mail.id == id && mail.account == account)?;
        let mut shown = shown(mail);
        let history = state.ledger.effect(mail.number).map(|effect| effect.history.as_slice());
        let last = history
            .unwrap_or_default()
            .iter()
            .rev()
            .find_map(|passed| last_event(passed.status));
        shown["last_event"] = json!(last.unwrap_or("queued"));
        Some(shown)
    })
    .await
}

/// `GET /emails/receiving/{id}`
pub(super) async fn received(State(world): State<Arc<World>>, Path(id): Path<String>, asked: Asked) -> Response {
    look(&world, &asked, &id, |state, account| {
        let mut all = state.resend.received.iter();
        all.find(|mail| mail.id == id && mail.account == account).map(shown)
    })
    .await
}

async fn look(
    world: &Arc<World>,
    asked: &Asked,
    id: &str,
    find: impl FnOnce(&Remembered, &str) -> Option<Value> + Send,
) -> Response {
    let account = match authenticate(world, asked) {
        Ok(account) => account,
        Err(refusal) => return *refusal,
    };
    let called = Called {
        provider: Provider::Resend,
        recipient: "",
        fingerprint: id.as_bytes(),
        is_lookup: true,
    };
    let execute = || {
        let found = world.look(|state| find(state, &account.name));
        found.map_or_else(|| error::NOT_FOUND.respond(), |found| Json(found).into_response())
    };
    call::answer(world, &asked.cut, &account.name, called, &Resend, execute).await
}

fn shown(mail: &Mail) -> Value {
    let body = &mail.body;
    json!({
        "object": "email",
        "id": mail.id,
        "message_id": mail.message_id,
        "from": body.from,
        "to": body.to.list(),
        "cc": body.cc.list(),
        "bcc": body.bcc.list(),
        "reply_to": body.reply_to.list(),
        "subject": body.subject,
        "html": body.html,
        "text": body.text,
        "created_at": instant(mail.created_at),
        "scheduled_at": body.scheduled_at,
        "tags": body.tags.iter().map(|tag| json!({ "name": tag.name, "value": tag.value })).collect::<Vec<_>>(),
    })
}

fn last_event(status: Status) -> Option<&'static str> {
    Some(match status {
        Status::Queued => "queued",
        Status::Sent => "sent",
        Status::Delayed => "delivery_delayed",
        Status::Delivered => "delivered",
        Status::Opened => "opened",
        Status::Clicked => "clicked",
        Status::Bounced | Status::Undelivered => "bounced",
        Status::Failed => "failed",
        Status::Dropped => "suppressed",
        Status::Complained => "complained",
        Status::Read | Status::Unsubscribed => return None,
    })
}
