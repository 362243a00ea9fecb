//! `GET /v1/me`: who is asking.

use axum::Json;
use domain::Role;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::auth::Caller;

/// Who is asking, and what they may do.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    /// The tenant that is asked.
    tenant: Uuid,
    /// `key:` or `user:`, and the id.
    actor: String,
    /// `owner`, `admin`, `sales` or `member`.
    #[schema(value_type = String)]
    role: Role,
}

/// Who is asking.
#[utoipa::path(get, path = "/v1/me", tag = "accounts", security(("api_key" = [])), responses((status = 200, body = Me)))]
pub(super) async fn show(caller: Caller) -> Json<Me> {
    Json(Me {
        tenant: caller.tenant.0,
        actor: caller.actor().to_string(),
        role: caller.role,
    })
}
