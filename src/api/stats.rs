//! `GET /v1/stats/delivery`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use chrono::{Datelike as _, NaiveDate, TimeDelta, Utc};
use domain::Figure;
use serde::{Deserialize, Serialize};
use store::DAYS_MAX;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::auth::Caller;
use super::cursor::Parameters;
use crate::problem::{Code, Problem};

/// How many days are shown when nothing is said.
const DAYS_USUAL: i64 = 30;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Span {
    /// The first day, `2026-01-31`, in UTC; 30 days before `to` when not given.
    from: Option<String>,
    /// The last day; today when not given.
    to: Option<String>,
}

/// What became of the messages begun on one day, by channel and provider.
#[derive(Serialize, ToSchema)]
pub(super) struct Day {
    #[schema(value_type = String)]
    day: NaiveDate,
    channel: String,
    /// Who carried them; `none` for those that nobody took.
    provider: String,
    /// How many messages came so far: each counts at most once for each, on the day it was begun.
    counts: BTreeMap<&'static str, u64>,
}

/// Ordered by day, channel, provider.
#[derive(Serialize, ToSchema)]
pub(super) struct Days {
    items: Vec<Day>,
    next_cursor: Option<String>,
}

/// Delivery rates per day, channel and provider.
#[utoipa::path(get, path = "/v1/stats/delivery", tag = "messages", security(("api_key" = [])), params(Span),
    responses((status = 200, body = Days), (status = 422)))]
pub(super) async fn delivery(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<Span>,
) -> Result<Json<Days>, Problem> {
    let to = day("to", asked.to.as_deref())?.unwrap_or_else(|| Utc::now().date_naive());
    let from = day("from", asked.from.as_deref())?.unwrap_or_else(|| to - TimeDelta::days(DAYS_USUAL));
    if from > to || (to - from).num_days() >= DAYS_MAX {
        let detail = format!("`from` must not be after `to`, and together they may span {DAYS_MAX} days.");
        return Err(Problem::new(Code::ParameterInvalid, detail));
    }
    let rates = api.store.delivery_rates(caller.tenant, from, to).await?;
    let items = rates.into_iter().map(|rate| Day {
        day: rate.day,
        channel: rate.channel.as_str().to_owned(),
        counts: Figure::ALL
            .iter()
            .map(|figure| (figure.as_str(), rate.count(*figure)))
            .collect(),
        provider: rate.provider,
    });
    Ok(Json(Days {
        items: items.collect(),
        next_cursor: None,
    }))
}

fn day(name: &str, text: Option<&str>) -> Result<Option<NaiveDate>, Problem> {
    let wrong = || {
        Problem::new(
            Code::ParameterInvalid,
            format!("`{name}` must be a day of the years 1970 to 9999, written 2026-01-31."),
        )
    };
    let read = |text: &str| {
        let day = text.parse::<NaiveDate>().ok()?;
        (1970..=9999).contains(&day.year()).then_some(day)
    };
    text.map(|text| read(text).ok_or_else(wrong)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_one_of_the_calendar() {
        let check = |text: &str, ok: bool| assert_eq!(day("to", Some(text)).is_ok(), ok, "{text}");
        check("2026-01-31", true);
        check("1970-01-01", true);
        check("9999-12-31", true);
        for refused in [
            "",
            "2026-02-30",
            "1969-12-31",
            "+10000-01-01",
            "+262142-12-31",
            "-262143-01-01",
        ] {
            check(refused, false);
        }
    }
}
