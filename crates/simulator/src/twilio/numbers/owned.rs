//! The numbers that an account has bought.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::{PAGE_SIZE_MAX, settings, shown, value, without_suffix};
use crate::call;
use crate::twilio::PATH;
use crate::twilio::account::authenticate;
use crate::twilio::error::{self, Twilio};
use crate::twilio::memory::Owned;
use crate::twilio::messages::lookup;
use crate::web::Asked;
use crate::world::World;

/// `GET /IncomingPhoneNumbers.json`
pub(in crate::twilio) async fn list(
    State(world): State<Arc<World>>,
    Path(account): Path<String>,
    asked: Asked,
) -> Response {
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
        let uri = format!("{PATH}/Accounts/{account}/IncomingPhoneNumbers.json");
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
pub(in crate::twilio) async fn fetch(
    State(world): State<Arc<World>>,
    Path((account, file)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    on_owned(&world, &asked, &account, &file, |_| {}).await
}

/// `POST /IncomingPhoneNumbers/{sid}.json`
pub(in crate::twilio) async fn change(
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
pub(in crate::twilio) async fn release(
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
