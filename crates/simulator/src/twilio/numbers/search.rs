//! What is on sale?

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::{PAGE_SIZE, PAGE_SIZE_MAX, Pairs, is_sold, value, without_suffix};
use crate::call;
use crate::twilio::PATH;
use crate::twilio::account::authenticate;
use crate::twilio::error::{self, Twilio};
use crate::twilio::messages::lookup;
use crate::twilio::stock::{self, OnSale};
use crate::web::Asked;
use crate::world::World;

/// `GET /AvailablePhoneNumbers/{country}/{type}.json`
pub(in crate::twilio) async fn search(
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
        Json(json!({ "available_phone_numbers": found, "uri": format!("{PATH}{uri}") })).into_response()
    };
    call::answer(&world, &asked.cut, &account, lookup(""), &Twilio, execute).await
}

fn is_wanted(on_sale: &OnSale, query: &Pairs) -> bool {
    let number = &on_sale.phone_number;
    value(query, "AreaCode").is_none_or(|code| stock::has_area_code(number, code))
        && value(query, "Contains").is_none_or(|text| number.contains(text.trim_matches('*')))
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
