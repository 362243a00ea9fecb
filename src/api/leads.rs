//! `GET /v1/leads/hot`, `GET /v1/leads/scoring`.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use domain::scoring::{Reason, Weights};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use store::{HotLead, LeadHistory, ScoreSettings};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::auth::Caller;
use super::cursor::{Parameters, limit};
use crate::problem::Problem;

/// How long ago the score was that a trend begins at.
const TREND: TimeDelta = TimeDelta::weeks(1);

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
    /// By how much the score is more than a week ago.
    trend: i64,
    /// What the score is made of, most first.
    reasons: Vec<Why>,
}

/// One of the reasons of a score.
#[derive(Serialize, ToSchema)]
struct Why {
    /// `first_open`, `repeated_open`, `first_click`, `repeated_click`, `bounce`, `decay`.
    #[schema(value_type = String)]
    reason: Reason,
    /// By how much it moved the score; all of them together are the score.
    points: i64,
    /// How often.
    count: i64,
}

impl Lead {
    fn of(lead: HotLead, history: LeadHistory) -> Self {
        let reasons = history.reasons.into_iter().map(|sum| Why {
            reason: sum.reason,
            points: sum.moved,
            count: sum.lines,
        });
        Self {
            contact_id: lead.contact_id.0,
            person_id: lead.person_id,
            organisation_id: lead.organisation_id,
            score: lead.score,
            last_event_at: lead.last_event_at,
            trend: history.trend,
            reasons: reasons.collect(),
        }
    }
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
    let contacts: Vec<_> = leads.iter().map(|lead| lead.contact_id).collect();
    let since = Utc::now() - TREND;
    let mut histories = api.store.lead_histories(caller.tenant, &contacts, since).await?;
    let items = leads.into_iter().map(|lead| {
        let history = histories.remove(&lead.contact_id).unwrap_or_default();
        Lead::of(lead, history)
    });
    Ok(Json(Leads {
        items: items.collect(),
        next_cursor: None,
    }))
}

/// By which rules scores change, and where hot leads are told.
#[derive(Serialize, ToSchema)]
pub(super) struct Scoring {
    /// What each event is worth, in points.
    #[schema(value_type = std::collections::BTreeMap<String, i64>)]
    weights: Weights,
    /// The share of a score that goes with every week, in percent.
    decay_percent: i64,
    /// From which score on a lead is hot; `null`: nobody is told.
    hot_from: Option<i64>,
    /// The host of the address at which hot leads are told.
    webhook_host: Option<String>,
}

impl From<ScoreSettings> for Scoring {
    fn from(settings: ScoreSettings) -> Self {
        // The rest of the address may hold what is secret.
        let host = |url: &str| url::Url::parse(url).ok()?.host_str().map(str::to_owned);
        Self {
            weights: settings.rules.weights,
            decay_percent: settings.rules.decay.percent,
            hot_from: settings.rules.hot_from,
            webhook_host: settings.hook.and_then(|hook| host(hook.url.expose_secret())),
        }
    }
}

/// By which rules scores change.
#[utoipa::path(get, path = "/v1/leads/scoring", tag = "leads", security(("api_key" = [])),
    responses((status = 200, body = Scoring)))]
pub(super) async fn scoring(State(api): State<Api>, caller: Caller) -> Result<Json<Scoring>, Problem> {
    Ok(Json(api.store.score_settings(caller.tenant).await?.into()))
}
