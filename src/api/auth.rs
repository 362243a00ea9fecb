//! Who is asking.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use chrono::{TimeDelta, Utc};
use domain::{ApiKeyId, TenantId};
use secrecy::SecretString;
use store::StoreError;

use super::Api;
use crate::problem::{Code, Problem};

/// How long a key is looked for. A database behind a dead network would never answer.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(2);

/// How exactly the last use of a key is known.
const NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// The tenant whose API key came with the request. A handler that takes this cannot be reached without one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) tenant: TenantId,
    /// Which of its keys.
    pub(super) key: ApiKeyId,
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let missing = "Send `Authorization: Bearer <key>`; `relais key create --tenant ID` makes a key.";
        let header = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let (scheme, key) = header
            .and_then(|text| text.split_once(' '))
            .ok_or_else(|| Problem::new(Code::Unauthenticated, missing))?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Problem::new(Code::Unauthenticated, missing));
        }
        let key = key.trim();
        // What cannot be a key is not worth a question to the database.
        if !store::ApiKey::looks_like_one(key) {
            return Err(Problem::new(
                Code::Unauthenticated,
                "This is not an API key: they begin with `rk_`.",
            ));
        }
        let clear = SecretString::from(key);
        let found = tokio::time::timeout(LOOK_UP_WITHIN, api.store.find_api_key(&clear)).await;
        let found = found.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".into())))?;
        let unknown = "This API key is not known, or was revoked.";
        let key = found.ok_or_else(|| Problem::new(Code::Unauthenticated, unknown))?;
        if key.last_used_at.is_none_or(|at| Utc::now() - at > NOTED_EVERY) {
            touch(api, key.clone());
        }
        Ok(Self {
            tenant: key.tenant,
            key: key.id,
        })
    }
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
