//! Who is asking, and whether they may.
//!
//! Every route names the act that it needs ([`needs`]); what passes has a [`Caller`], and a handler that takes one cannot be
//! reached without.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::MethodRouter;
use chrono::{TimeDelta, Utc};
use domain::{Act, Actor, ApiKeyId, Author, Origin, Role, TenantId};
use secrecy::SecretString;
use store::StoreError;
use uuid::Uuid;

use super::Api;
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
}

impl Caller {
    /// Who it is.
    pub(super) fn actor(&self) -> Actor {
        match self.holder {
            Holder::Key(id) => Actor::Key(id),
        }
    }

    /// The id of the key or the user.
    pub(super) fn id(&self) -> Uuid {
        match self.holder {
            Holder::Key(id) => id.0,
        }
    }

    /// Who it is, and from where they ask.
    pub(super) fn author(&self) -> Author {
        Author {
            actor: self.actor(),
            origin: self.peer.map_or_else(Origin::unknown, Origin::network),
        }
    }

    /// Whether they may do more than the route needs.
    ///
    /// # Errors
    /// 403, which names the act.
    pub(super) fn may(&self, act: Act) -> Result<(), Problem> {
        if self.role.may(act) {
            Ok(())
        } else {
            Err(refused(self.role, act))
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
pub(super) fn needs(api: &Api, act: Act, routes: MethodRouter<Api>) -> MethodRouter<Api> {
    routes.route_layer(middleware::from_fn_with_state((api.clone(), act), admit))
}

async fn admit(State((api, act)): State<(Api, Act)>, mut request: Request, next: Next) -> Result<Response, Problem> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(address)| address.ip());
    let caller = identify(&api, request.headers(), peer).await?;
    caller.may(act)?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn refused(role: Role, act: Act) -> Problem {
    let (act, least) = (act.as_str().replace('_', " "), act.least_role());
    Problem::new(
        Code::Forbidden,
        format!("Your role is {role}; to {act} needs {least} at least."),
    )
}

async fn identify(api: &Api, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Caller, Problem> {
    let missing = "Send `Authorization: Bearer <key>`; `relais key create --tenant ID` makes a key.";
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, clear) = header
        .and_then(|text| text.split_once(' '))
        .ok_or_else(|| Problem::new(Code::Unauthenticated, missing))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::new(Code::Unauthenticated, missing));
    }
    by_key(api, clear.trim(), peer).await
}

async fn by_key(api: &Api, clear: &str, peer: Option<IpAddr>) -> Result<Caller, Problem> {
    // What cannot be a key is not worth a question to the database.
    if !store::ApiKey::looks_like_one(clear) {
        return Err(Problem::new(
            Code::Unauthenticated,
            "This is not an API key: they begin with `rk_`.",
        ));
    }
    let clear = SecretString::from(clear);
    let found = tokio::time::timeout(LOOK_UP_WITHIN, api.store.find_api_key(&clear)).await;
    let found = found.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".into())))?;
    let unknown = "This API key is not known, or was revoked.";
    let key = found.ok_or_else(|| Problem::new(Code::Unauthenticated, unknown))?;
    if key.last_used_at.is_none_or(|at| Utc::now() - at > NOTED_EVERY) {
        touch(api, key.clone());
    }
    Ok(Caller {
        tenant: key.tenant,
        role: key.role,
        holder: Holder::Key(key.id),
        peer,
    })
}

/// Notes that the key was used, beside the request: an answer does not wait for it, and does not depend on it.
fn touch(api: &Api, key: store::ApiKey) {
    let store = api.store.clone();
    tokio::spawn(async move {
        if let Err(error) = store.touch_api_key(&key, Utc::now()).await {
            tracing::debug!(%error, "The last use of an API key could not be noted.");
        }
    });
}
