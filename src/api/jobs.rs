//! `GET /v1/jobs/{id}`: what became of what a 202 promised.

use axum::Json;
use axum::extract::State;
use queue::JobId;
use queue::backend::Kept;
use queue::envelope::Envelope;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::auth::Caller;
use crate::ops::why::{Facts, explain};
use crate::path::Path;
use crate::problem::{Code, Problem};
use crate::time::rfc3339;

/// A job that has not ended well.
#[derive(Serialize, ToSchema)]
pub(super) struct Job {
    id: Uuid,
    /// What it does, for example `record_email_event`.
    kind: Option<String>,
    /// `urgent`, `default` or `bulk`.
    queue: String,
    /// `ready`, `scheduled`, `running`, `parked`, `behind` or `dead`.
    state: String,
    /// Attempts used up.
    attempts: u16,
    /// When it was added.
    created_at: Option<String>,
    /// The one true reason why it is not done: `reason`, `explanation` in words, and the numbers. `reason` is
    /// `running`, `scheduled`, `waiting`, `behind`, `rate_limit`, `concurrency_limit`, `cooled`, `circuit_open`,
    /// `quiet_hours`, `paused`, `no_worker`, `parked`, `suspect`, `lease_ended` or `dead`.
    why: serde_json::Value,
}

/// A job of the caller's that waits, runs or died, and why. One that has ended is not kept.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = Uuid, Path, description = "As a 202 named it")),
    security(("api_key" = [])),
    responses((status = 200, body = Job), (status = 404, description = "No such job, or it has ended")))]
pub(super) async fn show(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<Json<Job>, Problem> {
    let nothing = || {
        Problem::new(
            Code::NotFound,
            "No job of yours has this id; one that ended is not kept.",
        )
    };
    let id: JobId = id.parse().map_err(|_| nothing())?;
    let mut facts = Facts::gather(&**api.queue.backend(), id, api.queue.clock().now()).await?;
    let is_own = |kept: &&Kept| kept.tenant == caller.tenant.0;
    facts.kept().filter(is_own).ok_or_else(nothing)?;
    facts.ask(&api.store, api.queue.keyring()).await;
    let kept = facts.kept().ok_or_else(nothing)?;
    let envelope = Envelope::decode(&kept.body);
    Ok(Json(Job {
        id: id.0,
        kind: envelope.map(|envelope| envelope.kind.to_owned()),
        queue: kept.queue.to_string(),
        state: kept.state.name().to_owned(),
        attempts: kept.attempts,
        created_at: envelope.map(|envelope| rfc3339(envelope.created_at)),
        why: explain(&facts).to_json(&id.to_string()),
    }))
}
