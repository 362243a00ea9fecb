//! Anybody who receives webhooks: `POST /hook/{name}` takes one, checks it as Standard Webhooks demand, and keeps it. A name may
//! have slashes, so that what would go to `https://crm.example.com/leads` can go to `/hook/crm.example.com/leads`.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use providers::Request;
use providers::standard_webhooks::StandardVerifier;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use crate::account::Named;
use crate::call::{self, Refuse};
use crate::fault::Called;
use crate::ledger::{Proof, Received, sha256};
use crate::provider::Provider;
use crate::unusable::Unusable;
use crate::web::Asked;
use crate::world::World;

/// What the ledger calls all receivers that nobody has put.
const OPEN: &str = "open";
/// The largest webhook that is taken.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// So much of it is kept.
pub const BODY_KEPT_BYTES_MAX: usize = 32 * 1024;

/// Somebody who receives webhooks and knows with what they are signed.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookAccount {
    /// The name in the path. Names without an account take everything.
    pub name: String,
    /// `whsec_…`.
    pub secret: SecretString,
}

impl HookAccount {
    /// A receiver at `/hook/{name}`.
    #[must_use]
    pub fn new(name: &str, secret: &str) -> Self {
        Self {
            name: name.to_owned(),
            secret: secret.into(),
        }
    }

    fn verifier(&self) -> Option<StandardVerifier> {
        StandardVerifier::new([&self.secret]).ok()
    }
}

impl Named for HookAccount {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), Unusable> {
        match self.verifier() {
            Some(_) => Ok(()),
            None => Err(Unusable("a hook has a secret, whsec_ and base64")),
        }
    }
}

/// Shows the name.
impl fmt::Debug for HookAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookAccount")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new().route("/{*name}", post(receive))
}

async fn receive(State(world): State<Arc<World>>, Path(name): Path<String>, asked: Asked) -> Response {
    let fingerprint = sha256([asked.bytes()]);
    let called = Called {
        provider: Provider::Hook,
        recipient: &name,
        fingerprint: fingerprint.as_bytes(),
        is_lookup: false,
    };
    let execute = || take(&world, &name, &asked, Utc::now());
    // Anybody may invent names; only those with an account are counted apart.
    let is_known = world.look(|state| state.accounts.hook.named(&name).is_some());
    let account = if is_known { &name } else { OPEN };
    call::answer(&world, &asked.cut, account, called, &Hook, execute).await
}

fn take(world: &World, name: &str, asked: &Asked, now: DateTime<Utc>) -> Response {
    let Some(body) = asked.body.as_ref().filter(|body| body.len() <= BODY_BYTES_MAX) else {
        return respond(StatusCode::PAYLOAD_TOO_LARGE, "too large");
    };
    let proof = prove(world, name, asked, body, now);
    let status = match proof {
        Proof::Refused => StatusCode::UNAUTHORIZED,
        Proof::Genuine | Proof::Unchecked => StatusCode::OK,
    };
    world.change(|state| {
        let received = Received {
            number: state.ledger.next_number(),
            hook: name.to_owned(),
            at: now,
            id: asked.header("webhook-id").map(str::to_owned),
            proof,
            status: status.as_u16(),
            // A copy: a slice would keep the whole of it.
            body: Bytes::copy_from_slice(&body[..body.len().min(BODY_KEPT_BYTES_MAX)]),
        };
        state.ledger.receive(received);
    });
    respond(status, if status.is_success() { "taken" } else { "not genuine" })
}

fn prove(world: &World, name: &str, asked: &Asked, body: &Bytes, now: DateTime<Utc>) -> Proof {
    let account = world.look(|state| state.accounts.hook.named(name));
    let Some(verifier) = account.and_then(|account| account.verifier()) else {
        return Proof::Unchecked;
    };
    let request = Request {
        method: "POST",
        // No part of what is signed.
        url: "",
        headers: &asked.headers,
        body,
        received_at: now,
    };
    match verifier.verify(&request) {
        Ok(_) => Proof::Genuine,
        Err(_) => Proof::Refused,
    }
}

fn respond(status: StatusCode, said: &str) -> Response {
    (status, Json(json!({ "said": said }))).into_response()
}

/// A receiver's ways to say no.
#[derive(Debug)]
struct Hook;

impl Refuse for Hook {
    fn too_many(&self, retry_after_seconds: u64) -> Response {
        let answer = respond(StatusCode::TOO_MANY_REQUESTS, "too many requests");
        ([(RETRY_AFTER, retry_after_seconds.to_string())], answer).into_response()
    }

    fn server_error(&self, status: StatusCode) -> Response {
        respond(status, "server error")
    }

    fn refused(&self, status: StatusCode, code: &str) -> Response {
        respond(status, code)
    }
}
