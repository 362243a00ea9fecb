//! Giving the work of many interactions to somebody at once.

use axum::Json;
use axum::extract::State;
use chrono::Utc;
use domain::InteractionId;
use serde::{Deserialize, Serialize};
use store::{ASSIGNED_AT_ONCE_MAX, Assigned, Which};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Narrowed;
use super::change::{assignee, no_member, present};
use crate::api::Api;
use crate::api::auth::Caller;
use crate::api::body::{Body, optional_object};
use crate::api::send::refused;
use crate::problem::Problem;

/// Which interactions are to be whose work.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Assign {
    /// These, at most 500; or `filter`. Ids that there are not are passed over.
    #[serde(default)]
    ids: Option<Vec<Uuid>>,
    /// Those that the list would show.
    #[serde(default, deserialize_with = "optional_object")]
    filter: Option<Filter>,
    /// A member's id, `me`, or `null` for nobody.
    #[serde(deserialize_with = "present")]
    assignee: Option<String>,
}

/// As the parameters of the list.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Filter {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    assignee: Option<String>,
    #[serde(default)]
    due: Option<String>,
    #[serde(default)]
    q: Option<String>,
}

/// What came of it.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Given {
    /// How many had another assignee before.
    assigned: usize,
    /// More match than are given at once: ask the same again.
    more: bool,
}

/// Gives up to 500 interactions to somebody. The same again goes on where this ended.
#[utoipa::path(post, path = "/v1/interactions/assign", tag = "interactions", security(("api_key" = [])),
    request_body = Assign, responses((status = 200, body = Given), (status = 403), (status = 422)))]
pub(in crate::api) async fn assign(
    State(api): State<Api>,
    caller: Caller,
    Body(asked): Body<Assign>,
) -> Result<Json<Given>, Problem> {
    let assignee = assignee(asked.assignee.as_deref(), &caller)?;
    let which = match (asked.ids, asked.filter) {
        (Some(ids), None) if ids.len() <= ASSIGNED_AT_ONCE_MAX => {
            Which::These(ids.into_iter().map(InteractionId).collect())
        }
        (Some(_), None) => return Err(refused(format!("`ids` may be at most {ASSIGNED_AT_ONCE_MAX}."))),
        (None, Some(filter)) => {
            let narrowed = Narrowed {
                status: filter.status.as_deref(),
                assignee: filter.assignee.as_deref(),
                due: filter.due.as_deref(),
                q: filter.q.as_deref(),
            };
            Which::Of(narrowed.read(&api, &caller).await?)
        }
        _ => return Err(refused("Exactly one of `ids` and `filter` must be given.")),
    };
    let given = api
        .store
        .assign_interactions(caller.tenant, &which, assignee, &caller.actor(), Utc::now())
        .await?;
    match given {
        Assigned::Done { assigned, more } => Ok(Json(Given { assigned, more })),
        Assigned::AssigneeUnknown => Err(no_member()),
    }
}
