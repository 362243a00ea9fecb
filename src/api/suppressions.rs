//! `/v1/suppressions`: who is not written to, and why.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::{Channel, Lift, Recipient, Suppression};
use serde::{Deserialize, Serialize};
use store::SuppressionFilter;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::auth::Caller;
use super::body::Body;
use super::cursor::{Parameters, cursor, limit, next};
use super::send::refused;
use crate::problem::{Code, Problem};

/// The list's name in its cursors.
const LIST: &str = "suppressions";

/// Who adds them by this address.
const SOURCE: &str = "api";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct List {
    /// Only of this channel.
    channel: Option<String>,
    /// Only for this reason: hard_bounce, complaint, unsubscribed, stop or manual.
    reason: Option<String>,
    /// Go on where an earlier answer ended: its `next_cursor`.
    cursor: Option<String>,
    /// At most this many, 1 to 500; 50 when not given.
    limit: Option<u32>,
}

/// One reason for which nothing goes to somebody.
#[derive(Serialize, ToSchema)]
pub(super) struct Item {
    channel: String,
    /// The address or number; none if nobody ever said it in the clear.
    to: Option<String>,
    reason: String,
    since: DateTime<Utc>,
    source: String,
}

/// Suppressions, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Items {
    items: Vec<Item>,
    next_cursor: Option<String>,
}

/// Somebody, by one channel.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Whom {
    /// `email`, `sms` or `whatsapp`.
    #[schema(value_type = String)]
    channel: Channel,
    /// The address or number.
    to: String,
}

/// Whether somebody was not stopped for this reason already.
#[derive(Serialize, ToSchema)]
pub(super) struct Added {
    added: bool,
}

/// What was lifted, and what stays.
#[derive(Serialize, ToSchema)]
pub(super) struct Lifted {
    lifted: Vec<String>,
    /// A STOP is only taken back by who said it.
    remaining: Vec<String>,
}

/// Who is not written to.
#[utoipa::path(get, path = "/v1/suppressions", tag = "suppressions", security(("api_key" = [])), params(List),
    responses((status = 200, body = Items)))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<List>,
) -> Result<Json<Items>, Problem> {
    let filter = SuppressionFilter {
        channel: word("channel", asked.channel.as_deref())?,
        reason: word("reason", asked.reason.as_deref())?,
    };
    let after = cursor(LIST, asked.cursor.as_deref())?;
    let page = api
        .store
        .suppressions(caller.tenant, &filter, after, limit(asked.limit)?)
        .await?;
    let items = page.items.into_iter().map(|item| Item {
        channel: item.channel.as_str().to_owned(),
        to: item.recipient.map(|recipient| recipient.expose().to_owned()),
        reason: item.reason.as_str().to_owned(),
        since: item.since,
        source: item.source,
    });
    Ok(Json(Items {
        items: items.collect(),
        next_cursor: next(LIST, page.next),
    }))
}

fn word<T: std::str::FromStr<Err = domain::UnknownWord>>(
    name: &str,
    given: Option<&str>,
) -> Result<Option<T>, Problem> {
    given.map(str::parse).transpose().map_err(|domain::UnknownWord(words)| {
        let words = words.join(", ");
        Problem::new(Code::ParameterInvalid, format!("`{name}` must be one of {words}."))
    })
}

/// Stops everything that would go to somebody, as the tenant's own decision.
#[utoipa::path(post, path = "/v1/suppressions", tag = "suppressions", security(("api_key" = [])), request_body = Whom,
    responses((status = 201, body = Added), (status = 422)))]
pub(super) async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(whom): Body<Whom>,
) -> Result<(StatusCode, Json<Added>), Problem> {
    let recipient = recipient(&whom)?;
    let added = api
        .store
        .suppress(
            caller.tenant,
            whom.channel,
            &recipient,
            Suppression::Manual,
            SOURCE,
            Utc::now(),
        )
        .await?;
    Ok((StatusCode::CREATED, Json(Added { added })))
}

/// Lifts what the tenant may lift and answers for.
#[utoipa::path(post, path = "/v1/suppressions/lift", tag = "suppressions", security(("api_key" = [])),
    request_body = Whom, responses((status = 200, body = Lifted), (status = 422)))]
pub(super) async fn lift(
    State(api): State<Api>,
    caller: Caller,
    Body(whom): Body<Whom>,
) -> Result<Json<Lifted>, Problem> {
    let recipient = recipient(&whom)?;
    let lifted = api
        .store
        .lift(caller.tenant, whom.channel, &recipient, Lift::Operator, Utc::now())
        .await?;
    let remaining = api
        .store
        .suppressions_of(caller.tenant, whom.channel, &recipient)
        .await?;
    Ok(Json(Lifted {
        lifted: lifted.iter().map(|reason| reason.as_str().to_owned()).collect(),
        remaining: remaining.iter().map(|item| item.reason.as_str().to_owned()).collect(),
    }))
}

fn recipient(whom: &Whom) -> Result<Recipient, Problem> {
    Recipient::parse(whom.channel, &whom.to).map_err(|error| refused(format!("`to` cannot be used: {error}.")))
}
