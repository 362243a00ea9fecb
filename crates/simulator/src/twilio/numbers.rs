//! Numbers: searched, bought, shown, changed and released.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use serde_json::{Value, json};

use super::account::{TwilioAccount, authenticate};
use super::error::{self, Twilio};
use super::memory::Owned;
use super::messages::lookup;
use super::stock::{self, OnSale};
use super::{create, magic};
use crate::call;
use crate::fault::Called;
use crate::ledger::{Draft, sha256};
use crate::provider::{Channel, Provider};
use crate::web::Asked;
use crate::world::{State as Remembered, World};

const PAGE_SIZE: usize = 50;
const PAGE_SIZE_MAX: usize = 1_000;
/// What may be said about a number that is bought or owned.
const SETTINGS: [&str; 9] = [
    "FriendlyName",
    "SmsUrl",
    "SmsMethod",
    "SmsFallbackUrl",
    "VoiceUrl",
    "VoiceMethod",
    "VoiceFallbackUrl",
    "StatusCallback",
    "StatusCallbackMethod",
];

type Pairs = Vec<(String, String)>;

fn value<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(other, value)| other == name && !value.is_empty());
    found.map(|(_, value)| value.as_str())
}

fn without_suffix(file: &str) -> &str {
    file.strip_suffix(".json").unwrap_or(file)
}

/// `GET /AvailablePhoneNumbers/{country}/{type}.json`
pub(super) async fn search(
    State(world): State<Arc<World>>,
    Path((account, country, file)): Path<(String, String, String)>,
    asked: Asked,
) -> Response {
    if let Err(refusal) = authenticate(&world, &asked, &account) {
        return *refusal;
    }
    let kind = without_suffix(&file);
    let query = asked.query();
    let size = value(&query, "PageSize")
        .and_then(|text| text.parse().ok())
        .unwrap_or(PAGE_SIZE);
    let execute = || {
        if !stock::sells(&country, kind) {
            return error::not_found();
        }
        let found = world.look(|state| {
            let fits =
                |on_sale: &OnSale| on_sale.country == country && on_sale.kind == kind && is_wanted(on_sale, &query);
            let free = stock::all().filter(|on_sale| fits(on_sale) && !is_sold(state, &on_sale.phone_number));
            free.take(size.min(PAGE_SIZE_MAX))
                .map(|on_sale| offered(&on_sale))
                .collect::<Vec<_>>()
        });
        let uri = asked.uri.path_and_query().map_or("", |uri| uri.as_str());
        Json(json!({ "available_phone_numbers": found, "uri": format!("/2010-04-01{uri}") })).into_response()
    };
    call::answer(&world, &asked.cut, &account, lookup(""), &Twilio, execute).await
}

fn is_wanted(on_sale: &OnSale, query: &Pairs) -> bool {
    let number = &on_sale.phone_number;
    value(query, "AreaCode").is_none_or(|code| stock::has_area_code(number, code))
        && value(query, "Contains").is_none_or(|text| number.contains(text.trim_matches('*')))
}

fn is_sold(state: &Remembered, phone_number: &str) -> bool {
    state
        .twilio
        .owned
        .iter()
        .any(|owned| owned.phone_number == phone_number)
}

fn offered(on_sale: &OnSale) -> Value {
    json!({
        "friendly_name": on_sale.phone_number,
        "phone_number": on_sale.phone_number,
        "lata": null,
        "locality": null,
        "rate_center": null,
        "latitude": null,
        "longitude": null,
        "region": null,
        "postal_code": null,
        "iso_country": on_sale.country,
        "address_requirements": "none",
        "beta": false,
        "capabilities": { "voice": true, "sms": true, "mms": on_sale.country == "US" },
    })
}

/// `POST /IncomingPhoneNumbers.json`
pub(super) async fn buy(State(world): State<Arc<World>>, Path(sid): Path<String>, asked: Asked) -> Response {
    let account = match authenticate(&world, &asked, &sid) {
        Ok(account) => account,
        Err(refusal) => return *refusal,
    };
    let form = asked.form();
    let wanted = value(&form, "PhoneNumber").unwrap_or_default();
    let called = Called {
        provider: Provider::Twilio,
        recipient: wanted,
        fingerprint: asked.bytes(),
        is_lookup: false,
    };
    let execute = || {
        let bought = world.change(|state| {
            let on_sale = choose(state, &form)?;
            Ok(sell(state, &account, on_sale, &form))
        });
        match bought {
            Ok(owned) => (StatusCode::CREATED, Json(shown(&owned))).into_response(),
            Err(code) => error::refuse(code),
        }
    };
    call::answer(&world, &asked.cut, &sid, called, &Twilio, execute).await
}

/// The number that is wanted, or the code that the wish is refused with.
fn choose(state: &Remembered, form: &Pairs) -> Result<OnSale, u32> {
    let Some(number) = value(form, "PhoneNumber") else {
        let code = value(form, "AreaCode").unwrap_or_default();
        let mut all = stock::all().filter(|on_sale| stock::has_area_code(&on_sale.phone_number, code));
        return all.find(|on_sale| !is_sold(state, &on_sale.phone_number)).ok_or(21452);
    };
    if let Some(code) = magic::purchase(number) {
        return Err(code);
    }
    if !create::is_number(number) {
        return Err(21421);
    }
    let found = stock::all().find(|on_sale| on_sale.phone_number == number);
    found.filter(|_| !is_sold(state, number)).ok_or(21422)
}

fn sell(state: &mut Remembered, account: &TwilioAccount, on_sale: OnSale, form: &Pairs) -> Owned {
    let now = Utc::now();
    let number = &on_sale.phone_number;
    let owned = Owned {
        sid: format!("PN{}", state.dice.hex(32)),
        account: account.sid.clone(),
        phone_number: number.clone(),
        kind: stock::lower(on_sale.kind),
        bought_at: now,
        settings: settings(form),
    };
    state.ledger.accept(
        Draft {
            provider: Provider::Twilio,
            channel: Channel::Number,
            account: &account.sid,
            external_id: &owned.sid,
            reference: None,
            idempotency_key: None,
            from: "",
            to: number,
            subject: None,
            text: owned.setting("FriendlyName").unwrap_or_default(),
            body_sha256: sha256([number]),
        },
        now,
    );
    state.twilio.owned.push(owned.clone());
    owned
}

fn settings(form: &Pairs) -> Pairs {
    form.iter()
        .filter(|(name, _)| SETTINGS.contains(&name.as_str()))
        .cloned()
        .collect()
}

/// `GET /IncomingPhoneNumbers.json`
pub(super) async fn list(State(world): State<Arc<World>>, Path(account): Path<String>, asked: Asked) -> Response {
    if let Err(refusal) = authenticate(&world, &asked, &account) {
        return *refusal;
    }
    let query = asked.query();
    let wanted = value(&query, "PhoneNumber");
    let execute = || {
        let all: Vec<_> = world.look(|state| {
            let own = state.twilio.owned.iter().filter(|owned| owned.account == account);
            let fitting = own.filter(|owned| wanted.is_none_or(|wanted| owned.phone_number == wanted));
            fitting.take(PAGE_SIZE_MAX).map(shown).collect()
        });
        let uri = format!("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json");
        let page = json!({
            "end": all.len().saturating_sub(1),
            "first_page_uri": uri,
            "incoming_phone_numbers": all,
            "next_page_uri": null,
            "page": 0,
            "page_size": PAGE_SIZE_MAX,
            "previous_page_uri": null,
            "start": 0,
            "uri": uri,
        });
        Json(page).into_response()
    };
    call::answer(
        &world,
        &asked.cut,
        &account,
        lookup(wanted.unwrap_or_default()),
        &Twilio,
        execute,
    )
    .await
}

/// `GET /IncomingPhoneNumbers/{sid}.json`
pub(super) async fn fetch(
    State(world): State<Arc<World>>,
    Path((account, file)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    on_owned(&world, &asked, &account, &file, |_| {}).await
}

/// `POST /IncomingPhoneNumbers/{sid}.json`
pub(super) async fn change(
    State(world): State<Arc<World>>,
    Path((account, file)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    let changed = settings(&asked.form());
    on_owned(&world, &asked, &account, &file, |owned| {
        owned
            .settings
            .retain(|(name, _)| !changed.iter().any(|(other, _)| other == name));
        owned.settings.extend(changed);
    })
    .await
}

async fn on_owned(
    world: &Arc<World>,
    asked: &Asked,
    account: &str,
    file: &str,
    change: impl FnOnce(&mut Owned) + Send,
) -> Response {
    if let Err(refusal) = authenticate(world, asked, account) {
        return *refusal;
    }
    let sid = without_suffix(file);
    let execute = || {
        let shown = world.change(|state| {
            let mut all = state.twilio.owned.iter_mut();
            let owned = all.find(|owned| owned.sid == sid && owned.account == account)?;
            change(owned);
            Some(shown(owned))
        });
        shown.map_or_else(error::not_found, |shown| Json(shown).into_response())
    };
    call::answer(world, &asked.cut, account, lookup(sid), &Twilio, execute).await
}

/// `DELETE /IncomingPhoneNumbers/{sid}.json`
pub(super) async fn release(
    State(world): State<Arc<World>>,
    Path((account, file)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    if let Err(refusal) = authenticate(&world, &asked, &account) {
        return *refusal;
    }
    let sid = without_suffix(&file);
    let released = world.change(|state| {
        let before = state.twilio.owned.len();
        state
            .twilio
            .owned
            .retain(|owned| owned.sid != sid || owned.account != account);
        state.twilio.owned.len() < before
    });
    if released {
        StatusCode::NO_CONTENT.into_response()
    } else {
        error::not_found()
    }
}

/// A number that was bought, as Twilio shows it.
fn shown(owned: &Owned) -> Value {
    let Owned { sid, account, .. } = owned;
    let date = owned.bought_at.to_rfc2822();
    let setting = |name| owned.setting(name).unwrap_or_default();
    let method = |name| owned.setting(name).unwrap_or("POST");
    json!({
        "account_sid": account,
        "address_requirements": "none",
        "address_sid": null,
        "api_version": "2010-04-01",
        "beta": false,
        "bundle_sid": null,
        "capabilities": { "voice": true, "sms": true, "mms": true, "fax": false },
        "date_created": date,
        "date_updated": date,
        "emergency_address_sid": null,
        "emergency_address_status": "unregistered",
        "emergency_status": "Inactive",
        "friendly_name": owned.setting("FriendlyName").unwrap_or(&owned.phone_number),
        "identity_sid": null,
        "origin": "twilio",
        "phone_number": owned.phone_number,
        "sid": sid,
        "sms_application_sid": "",
        "sms_fallback_method": "POST",
        "sms_fallback_url": setting("SmsFallbackUrl"),
        "sms_method": method("SmsMethod"),
        "sms_url": setting("SmsUrl"),
        "status": "in-use",
        "status_callback": setting("StatusCallback"),
        "status_callback_method": method("StatusCallbackMethod"),
        "trunk_sid": null,
        "type": owned.kind,
        "uri": format!("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{sid}.json"),
        "voice_application_sid": null,
        "voice_caller_id_lookup": false,
        "voice_fallback_method": "POST",
        "voice_fallback_url": setting("VoiceFallbackUrl"),
        "voice_method": method("VoiceMethod"),
        "voice_receive_mode": "voice",
        "voice_url": setting("VoiceUrl"),
    })
}
