//! A number is bought, by one buyer only.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;

use super::{Pairs, is_sold, settings, shown, value};
use crate::call;
use crate::fault::Called;
use crate::ledger::{Draft, sha256};
use crate::provider::{Channel, Provider};
use crate::twilio::account::{TwilioAccount, authenticate};
use crate::twilio::error::{self, Twilio};
use crate::twilio::memory::Owned;
use crate::twilio::stock::{self, OnSale};
use crate::twilio::{create, magic};
use crate::web::Asked;
use crate::world::{State as Remembered, World};

/// `POST /IncomingPhoneNumbers.json`
pub(in crate::twilio) async fn buy(State(world): State<Arc<World>>, Path(sid): Path<String>, asked: Asked) -> Response {
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
            reply_to: None,
            subject: None,
            text: owned.setting("FriendlyName").unwrap_or_default(),
            body_sha256: sha256([number]),
        },
        now,
    );
    state.twilio.owned.push(owned.clone());
    owned
}
