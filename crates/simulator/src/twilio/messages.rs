//! What became of messages.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde_json::{Value, json};

use super::account::authenticate;
use super::create::with_prefix;
use super::error::{self, Twilio};
use super::memory::Message;
use super::{PATH, segments, status};
use crate::call;
use crate::fault::Called;
use crate::ledger::Passed;
use crate::provider::{Channel, Provider};
use crate::script::Status;
use crate::web::Asked;
use crate::world::{State as Remembered, World};

const PAGE_SIZE: usize = 50;
const PAGE_SIZE_MAX: usize = 1_000;

/// A question, as far as faults may depend on it.
pub(super) fn lookup(recipient: &str) -> Called<'_> {
    Called {
        provider: Provider::Twilio,
        recipient,
        fingerprint: recipient.as_bytes(),
        is_lookup: true,
    }
}

/// `GET /Messages/{sid}.json`
pub(super) async fn fetch(
    State(world): State<Arc<World>>,
    Path((account, file)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    if let Err(refusal) = authenticate(&world, &asked, &account) {
        return *refusal;
    }
    let sid = file.strip_suffix(".json").unwrap_or(&file);
    let execute = || {
        let shown = world.look(|state| {
            let mut all = state.twilio.messages.iter();
            let message = all.find(|message| message.sid == sid && message.account == account);
            message.map(|message| shown(state, message))
        });
        shown.map_or_else(error::not_found, |shown| Json(shown).into_response())
    };
    call::answer(&world, &asked.cut, &account, lookup(sid), &Twilio, execute).await
}

/// `GET /Messages.json`
pub(super) async fn list(State(world): State<Arc<World>>, Path(account): Path<String>, asked: Asked) -> Response {
    if let Err(refusal) = authenticate(&world, &asked, &account) {
        return *refusal;
    }
    let query = asked.query();
    let value = |name: &str| {
        let found = query.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    };
    let number = |name| value(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("PageSize").unwrap_or(PAGE_SIZE).clamp(1, PAGE_SIZE_MAX);
    let page = number("Page").unwrap_or(0);
    let filter = Filter {
        to: value("To"),
        from: value("From"),
        on: value("DateSent"),
        since: value("DateSent>"),
        until: value("DateSent<"),
    };
    let execute = || {
        let (all, more) = world.look(|state| {
            // Newest first.
            let fitting = state.twilio.messages.iter().rev();
            let mut fitting = fitting.filter(|message| message.account == account && filter.fits(message));
            let found = fitting.by_ref().skip(page.saturating_mul(size)).take(size);
            let all: Vec<_> = found.map(|message| shown(state, message)).collect();
            let more = fitting.next().is_some();
            (all, more)
        });
        Json(listed(&account, &query, page, size, all, more)).into_response()
    };
    call::answer(
        &world,
        &asked.cut,
        &account,
        lookup(filter.to.unwrap_or_default()),
        &Twilio,
        execute,
    )
    .await
}

/// One page, as Twilio lays out every list of this version of its API.
fn listed(account: &str, query: &[(String, String)], page: usize, size: usize, all: Vec<Value>, more: bool) -> Value {
    let uri = |page: usize| {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        let others = query.iter().filter(|(name, _)| name != "Page" && name != "PageSize");
        pairs.extend_pairs(others);
        pairs
            .append_pair("PageSize", &size.to_string())
            .append_pair("Page", &page.to_string());
        format!("{PATH}/Accounts/{account}/Messages.json?{}", pairs.finish())
    };
    let start = page.saturating_mul(size);
    json!({
        "end": (start + all.len()).saturating_sub(1),
        "first_page_uri": uri(0),
        "messages": all,
        "next_page_uri": more.then(|| uri(page + 1)),
        "page": page,
        "page_size": size,
        "previous_page_uri": page.checked_sub(1).map(uri),
        "start": start,
        "uri": uri(page),
    })
}

/// Which messages are asked for.
struct Filter<'a> {
    to: Option<&'a str>,
    from: Option<&'a str>,
    on: Option<&'a str>,
    since: Option<&'a str>,
    until: Option<&'a str>,
}

impl Filter<'_> {
    fn fits(&self, message: &Message) -> bool {
        let address = |number: &str| with_prefix(message.channel, number);
        let from = message.from.as_deref().map(address);
        let at = message.created_at;
        self.to.is_none_or(|to| to == address(&message.to))
            && self.from.is_none_or(|wanted| Some(wanted) == from.as_deref())
            && self.on.and_then(day).is_none_or(|day| at.date_naive() == day)
            && self.since.and_then(instant).is_none_or(|since| at >= since)
            && self.until.and_then(instant).is_none_or(|until| at <= until)
    }
}

fn day(text: &str) -> Option<NaiveDate> {
    instant(text).map(|instant| instant.date_naive())
}

/// A day or an instant.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let instant = DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.to_utc());
    instant.or_else(|| Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN).and_utc()))
}

/// A message as Twilio shows it.
pub(super) fn shown(state: &Remembered, message: &Message) -> Value {
    let effect = state.ledger.effect(message.number);
    let history = effect.map_or(&[][..], |effect| effect.history.as_slice());
    let told = history
        .iter()
        .rev()
        .find_map(|passed| status::word(message.channel, passed.status).zip(Some(passed)));
    let (word, last) = told.map_or((message.first, None), |(word, passed)| (word, Some(passed)));
    let sent = history.iter().find(|passed| passed.status != Status::Queued);
    let is_final = matches!(word, "delivered" | "read");
    let date = |at: DateTime<Utc>| at.to_rfc2822();
    let Message { sid, account, .. } = message;
    let uri = format!("{PATH}/Accounts/{account}/Messages/{sid}");
    json!({
        "account_sid": account,
        "api_version": "2010-04-01",
        "body": message.body,
        "date_created": date(message.created_at),
        "date_sent": sent.map(|passed| date(passed.at)),
        "date_updated": date(last.map_or(message.created_at, |passed| passed.at)),
        "direction": message.direction,
        "error_code": last.and_then(|passed| code(message.channel, passed)),
        "error_message": null,
        "from": message.from.as_deref().map(|from| with_prefix(message.channel, from)),
        "messaging_service_sid": message.service,
        "num_media": message.media.to_string(),
        "num_segments": if message.service.is_some() { 0 } else { segments::count(&message.body) }.to_string(),
        "price": is_final.then_some("-0.00790"),
        "price_unit": "USD",
        "sid": sid,
        "status": word,
        "subresource_uris": { "media": format!("{uri}/Media.json") },
        "to": with_prefix(message.channel, &message.to),
        "uri": format!("{uri}.json"),
    })
}

/// A number, unlike most numbers in Twilio's answers.
fn code(channel: Channel, passed: &Passed) -> Option<u32> {
    let code = passed
        .code
        .as_deref()
        .or_else(|| status::usual_code(channel, passed.status));
    code.and_then(|code| code.parse().ok())
}
