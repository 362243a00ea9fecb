//! `GET /v1/audit` and `GET /v1/credentials`: what a tenant can look up about its own safety.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::{AuditAction, UnknownWord};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{AuditEntry, AuditFilter};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::auth::Caller;
use super::cursor::{Parameters, cursor, limit, next};
use crate::problem::{Code, Problem};

/// The list's name in its cursors.
const LIST: &str = "audit";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct List {
    /// Only this action: `member_changed`, `permission_refused` …
    action: Option<String>,
    /// Go on where an earlier answer ended: its `next_cursor`.
    cursor: Option<String>,
    /// At most this many, 1 to 500; 50 when not given.
    limit: Option<u32>,
}

/// Something that somebody did.
#[derive(Serialize, ToSchema)]
pub(super) struct Entry {
    id: Uuid,
    at: DateTime<Utc>,
    /// `system`, or `key:`, `user:` or `operator:`, and who.
    actor: String,
    /// What they did.
    #[schema(value_type = String)]
    action: AuditAction,
    /// To what: an id.
    target: Option<String>,
    /// From where: `cli`, `system`, or the network of the address.
    origin: String,
    /// As much as may be shown of what was there before.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// And after.
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
}

/// Entries, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Entries {
    items: Vec<Entry>,
    next_cursor: Option<String>,
}

/// An account at a provider, as much of it as may be shown.
#[derive(Serialize, ToSchema)]
pub(super) struct Credential {
    id: Uuid,
    provider: String,
    label: String,
    preview: String,
    created_at: DateTime<Utc>,
    rotated_at: Option<DateTime<Utc>>,
}

/// The tenant's accounts, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Credentials {
    items: Vec<Credential>,
    next_cursor: Option<String>,
}

/// Who did what, newest first.
#[utoipa::path(get, path = "/v1/audit", tag = "accounts", security(("api_key" = [])), params(List),
    responses((status = 200, body = Entries)))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<List>,
) -> Result<Json<Entries>, Problem> {
    let action = asked.action.as_deref().map(str::parse).transpose();
    let action = action.map_err(|UnknownWord(words)| {
        let words = words.join(", ");
        Problem::new(Code::ParameterInvalid, format!("`action` must be one of {words}."))
    })?;
    let filter = AuditFilter {
        action,
        ..AuditFilter::default()
    };
    let after = cursor(LIST, asked.cursor.as_deref())?;
    let page = api
        .store
        .audit_log(Some(caller.tenant), &filter, after, limit(asked.limit)?)
        .await?;
    Ok(Json(Entries {
        items: page.items.into_iter().map(shown).collect(),
        next_cursor: next(LIST, page.next),
    }))
}

/// The tenant's accounts at providers. What they are used with is never shown.
#[utoipa::path(get, path = "/v1/credentials", tag = "accounts", security(("api_key" = [])),
    responses((status = 200, body = Credentials)))]
pub(super) async fn credentials(State(api): State<Api>, caller: Caller) -> Result<Json<Credentials>, Problem> {
    let items = api.store.credentials(caller.tenant).await?;
    let items = items.into_iter().map(|credential| Credential {
        id: credential.id.0,
        provider: credential.provider,
        label: credential.label,
        preview: credential.preview,
        created_at: credential.created_at,
        rotated_at: credential.rotated_at,
    });
    Ok(Json(Credentials {
        items: items.collect(),
        next_cursor: None,
    }))
}

fn shown(entry: AuditEntry) -> Entry {
    Entry {
        id: entry.id.0,
        at: entry.at,
        actor: entry.author.actor.to_string(),
        action: entry.action,
        target: entry.target,
        origin: entry.author.origin.as_str().to_owned(),
        before: entry.before,
        after: entry.after,
    }
}
