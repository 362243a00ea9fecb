//! Who is asking, and whether they may.
//!
//! Every route names the act that it needs ([`needs`]); what passes has a [`Caller`], and a handler that takes one cannot be
//! reached without.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::MethodRouter;
use chrono::{TimeDelta, Utc};
use domain::{Act, Actor, ApiKeyId, Author, Origin, Role, SessionId, TenantId, Token, TokenKind, UserId};
use jobs::sending::links::token_keys;
use secrecy::SecretString;
use store::StoreError;
use uuid::Uuid;

use super::Api;
use super::refusals::Refusals;
use crate::client_address::ClientAddress;
use crate::problem::{Code, Problem};

/// How long a key is looked for. A database behind a dead network would never answer.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(2);

/// How exactly the last use of a key is known.
const NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// Whose credentials came with the request, and what they may do. They may do what the route needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    /// The tenant that everything is asked of.
    pub(super) tenant: TenantId,
    /// What they may do.
    pub(super) role: Role,
    holder: Holder,
    peer: Option<IpAddr>,
}

/// What the request came with.
#[derive(Clone, Copy, Debug)]
enum Holder {
    Key(ApiKeyId),
    Session(UserId, SessionId),
}

impl Caller {
    /// Who it is.
    pub(super) fn actor(&self) -> Actor {
        match self.holder {
            Holder::Key(id) => Actor::Key(id),
            Holder::Session(user, _) => Actor::User(user),
        }
    }

    /// The id of the key or the user.
    pub(super) fn id(&self) -> Uuid {
        match self.holder {
            Holder::Key(id) => id.0,
            Holder::Session(user, _) => user.0,
        }
    }

    /// Who signed in, and their session; an API key has none.
    pub(super) fn session(&self) -> Option<(UserId, SessionId)> {
        match self.holder {
            Holder::Key(_) => None,
            Holder::Session(user, session) => Some((user, session)),
        }
    }

    /// Who it is, and from where they ask.
    pub(super) fn author(&self) -> Author {
        Author {
            actor: self.actor(),
            origin: self.peer.map_or_else(Origin::unknown, Origin::network),
        }
    }
}

/// A handler that takes it stands behind [`needs`]; if it does not, that is a fault of ours, and nothing is let through.
impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _api: &Api) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().copied();
        caller.ok_or_else(|| {
            tracing::error!("A route does not say what it needs.");
            Problem::new(Code::Internal, "The log of this time says more.")
        })
    }
}

/// Lets through who may do it.
pub(super) fn needs(api: &Api, refusals: &Refusals, act: Act, routes: MethodRouter<Api>) -> MethodRouter<Api> {
    let state = (api.clone(), refusals.clone(), act);
    routes.route_layer(middleware::from_fn_with_state(state, admit))
}

async fn admit(
    State((api, refusals, act)): State<(Api, Refusals, Act)>,
    path: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let peer = request
        .extensions()
        .get::<ClientAddress>()
        .and_then(|address| address.0);
    let caller = identify(&api, request.headers(), peer).await?;
    if !caller.role.may(act) {
        refusals.note(&api.store, &caller, act, None);
        return Err(refused(caller.role, act));
    }
    request.extensions_mut().insert(caller);
    let answer = next.run(request).await;
    // What a handler refuses, because of what the request is about, is a refusal like any other. It has looked that up, so
    // it is the tenant's; of what was not looked up nothing is written down, it may be another's.
    if answer.status() == StatusCode::FORBIDDEN {
        let target = path.ok().as_ref().and_then(target);
        refusals.note(&api.store, &caller, act, target);
    }
    Ok(answer)
}

/// What the path names by an id. Nothing else of a path is written down: it may be anybody's text.
fn target(path: &RawPathParams) -> Option<Uuid> {
    let (_, id) = path.iter().find(|(name, _)| *name == "id")?;
    id.parse().ok()
}

fn refused(role: Role, act: Act) -> Problem {
    let least = act.least_role();
    let detail = match act {
        // Who may not do this may do the same to what is their own.
        Act::WriteInteractions => format!(
            "Your role is {role}; to change many interactions at once needs {least} at least. Your own you may change one \
             at a time."
        ),
        _ => format!(
            "Your role is {role}; to {} needs {least} at least.",
            act.as_str().replace('_', " ")
        ),
    };
    Problem::new(Code::Forbidden, detail)
}

async fn identify(api: &Api, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Caller, Problem> {
    let clear = bearer(headers).ok_or_else(|| {
        let missing = "Send `Authorization: Bearer <key>`; `relais key create --tenant ID` makes a key.";
        Problem::new(Code::Unauthenticated, missing)
    })?;
    if clear.starts_with(TokenKind::Session.prefix()) {
        by_session(api, headers, peer).await
    } else {
        by_key(api, clear, peer).await
    }
}

/// What stands in the header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, clear) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| clear.trim())
}

/// The session's token that came with a request, if it is one of ours.
pub(super) fn session_token(api: &Api, headers: &HeaderMap) -> Option<Token> {
    Token::read(bearer(headers)?, &token_keys(api.queue.keyring())).filter(|token| token.kind == TokenKind::Session)
}

async fn by_session(api: &Api, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Caller, Problem> {
    let ended = || Problem::new(Code::Unauthenticated, "This session has ended. Sign in again.");
    let token = session_token(api, headers).ok_or_else(ended)?;
    let now = Utc::now();
    let session = in_time(api.store.find_session(&token, now)).await?.ok_or_else(ended)?;
    if session.last_used_at.is_none_or(|at| now - at > NOTED_EVERY) {
        let (store, session) = (api.store.clone(), session.clone());
        note_use(async move { store.touch_session(&session, now).await });
    }
    Ok(Caller {
        tenant: session.tenant,
        role: session.role,
        holder: Holder::Session(session.user, session.id),
        peer,
    })
}

async fn in_time<T>(found: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let found = tokio::time::timeout(LOOK_UP_WITHIN, found).await;
    found.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".into())))
}

async fn by_key(api: &Api, clear: &str, peer: Option<IpAddr>) -> Result<Caller, Problem> {
    // What cannot be a key is not worth a question to the database.
    if !store::ApiKey::looks_like_one(clear) {
        return Err(Problem::new(
            Code::Unauthenticated,
            "This is neither an API key nor a session: keys begin with `rk_`, sessions with `rs_`.",
        ));
    }
    let clear = SecretString::from(clear);
    let now = Utc::now();
    let key = in_time(api.store.find_api_key(&clear, now)).await?.ok_or_else(|| {
        let unknown = "This API key is not known, has expired, or was revoked.";
        Problem::new(Code::Unauthenticated, unknown)
    })?;
    if key.last_used_at.is_none_or(|at| now - at > NOTED_EVERY) {
        let (store, key) = (api.store.clone(), key.clone());
        note_use(async move { store.touch_api_key(&key, now).await });
    }
    Ok(Caller {
        tenant: key.tenant,
        role: key.role,
        holder: Holder::Key(key.id),
        peer,
    })
}

/// Notes that something was used, beside the request: an answer does not wait for it, and does not depend on it.
fn note_use(noted: impl Future<Output = Result<(), StoreError>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = noted.await {
            tracing::debug!(%error, "A last use could not be noted.");
        }
    });
}
