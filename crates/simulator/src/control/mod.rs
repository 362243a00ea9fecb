//! Asks and commands by HTTP, for tests and tools that are not written in Rust.
//!
//! What they are is in the crate's README.

mod ledger;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::account::Account;
use crate::fault::Fault;
use crate::reply::{self, Reply};
use crate::script::Script;
use crate::selector::Selector;
use crate::unusable::Unusable;
use crate::web::Asked;
use crate::world::World;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/ledger", get(ledger::show))
        .route("/accounts", post(put_account))
        .route("/script", post(set_script))
        .route("/fault", post(set_fault).delete(clear_faults))
        .route("/reply", post(send_reply))
        .route("/renumber", post(renumber))
        .route("/reset", post(reset))
        .fallback(async || refuse(StatusCode::NOT_FOUND, "there is no such command"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptFor {
    #[serde(default, rename = "for")]
    selector: Selector,
    script: Script,
}

async fn put_account(State(world): State<Arc<World>>, asked: Asked) -> Response {
    command(&asked, |account: Account| {
        world.change(|state| state.accounts.put(account))
    })
}

async fn set_script(State(world): State<Arc<World>>, asked: Asked) -> Response {
    command(&asked, |rule: ScriptFor| {
        world.change(|state| state.scripts.set(rule.selector, rule.script))
    })
}

async fn set_fault(State(world): State<Arc<World>>, asked: Asked) -> Response {
    command(&asked, |fault: Fault| world.change(|state| state.faults.add(fault)))
}

async fn clear_faults(State(world): State<Arc<World>>) -> Response {
    world.change(|state| state.faults.clear());
    StatusCode::NO_CONTENT.into_response()
}

async fn send_reply(State(world): State<Arc<World>>, asked: Asked) -> Response {
    let reply: Reply = match read(&asked) {
        Ok(reply) => reply,
        Err(refusal) => return *refusal,
    };
    match reply::send(&world, &reply) {
        Ok(external_id) => (StatusCode::ACCEPTED, Json(json!({ "external_id": external_id }))).into_response(),
        Err(reason) => refuse(StatusCode::UNPROCESSABLE_ENTITY, &reason.to_string()),
    }
}

async fn renumber(State(world): State<Arc<World>>, asked: Asked) -> Response {
    if !asked.is_from_here() {
        return from_elsewhere();
    }
    world.change(|state| state.mailboxes.renumber());
    StatusCode::NO_CONTENT.into_response()
}

async fn reset(State(world): State<Arc<World>>, asked: Asked) -> Response {
    if !asked.is_from_here() {
        return from_elsewhere();
    }
    world.reset().await;
    StatusCode::NO_CONTENT.into_response()
}

fn command<T: DeserializeOwned>(asked: &Asked, act: impl FnOnce(T) -> Result<(), Unusable>) -> Response {
    let done = read(asked).map(act);
    match done {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(reason)) => refuse(StatusCode::UNPROCESSABLE_ENTITY, &reason.to_string()),
        Err(refusal) => *refusal,
    }
}

/// What the body says. The reason of a refusal names fields and columns; what serde repeats is the caller's own.
fn read<T: DeserializeOwned>(asked: &Asked) -> Result<T, Box<Response>> {
    if !asked.is_from_here() {
        return Err(Box::new(from_elsewhere()));
    }
    serde_json::from_slice(asked.bytes()).map_err(|error| Box::new(refuse(StatusCode::BAD_REQUEST, &error.to_string())))
}

fn from_elsewhere() -> Response {
    refuse(StatusCode::FORBIDDEN, "pages from elsewhere give no commands")
}

fn refuse(status: StatusCode, reason: &str) -> Response {
    (status, Json(json!({ "error": reason }))).into_response()
}
