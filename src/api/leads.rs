//! `GET /v1/leads/hot`.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::auth::Caller;
use super::cursor::{Parameters, limit};
use crate::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Hot {
    /// Only leads with at least this score; 1 when not given.
    min_score: Option<i64>,
    /// At most this many, 1 to 500; 50 when not given.
    limit: Option<u32>,
}

/// A contact worth calling.
#[derive(Serialize, ToSchema)]
pub(super) struct Lead {
    contact_id: Uuid,
    /// The caller's own id of the person.
    person_id: Option<String>,
    /// The caller's own id of the organisation.
    organisation_id: Option<String>,
    score: i64,
    last_event_at: DateTime<Utc>,
}

/// Leads, highest score first. One answer, no further pages.
#[derive(Serialize, ToSchema)]
pub(super) struct Leads {
    items: Vec<Lead>,
    next_cursor: Option<String>,
}

/// The contacts with the highest scores.
#[utoipa::path(get, path = "/v1/leads/hot", tag = "leads", params(Hot), security(("api_key" = [])),
    responses((status = 200, body = Leads)))]
pub(super) async fn hot(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<Hot>,
) -> Result<Json<Leads>, Problem> {
    let leads = api
        .store
        .leads_hot(caller.tenant, asked.min_score.unwrap_or(1), limit(asked.limit)?)
        .await?;
    let items = leads.into_iter().map(|lead| Lead {
        contact_id: lead.contact_id.0,
        person_id: lead.person_id,
        organisation_id: lead.organisation_id,
        score: lead.score,
        last_event_at: lead.last_event_at,
    });
    Ok(Json(Leads {
        items: items.collect(),
        next_cursor: None,
    }))
}
