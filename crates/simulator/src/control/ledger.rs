//! `GET /_sim/ledger`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::ledger::{Effect, Replied, Told};
use crate::web::Asked;
use crate::world::World;

/// Which lines are asked for.
#[derive(Default)]
struct Wanted {
    provider: Option<String>,
    recipient: Option<String>,
    reference: Option<String>,
    external_id: Option<String>,
    after: u64,
}

pub(super) async fn show(State(world): State<Arc<World>>, asked: Asked) -> Response {
    let mut wanted = Wanted::default();
    for (name, value) in asked.query() {
        match name.as_str() {
            "provider" => wanted.provider = Some(value),
            "recipient" => wanted.recipient = Some(value),
            "reference" => wanted.reference = Some(value),
            "external_id" => wanted.external_id = Some(value),
            "after" => wanted.after = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    Json(wanted.choose(&world)).into_response()
}

impl Wanted {
    fn choose(&self, world: &World) -> Value {
        world.look(|state| {
            let ledger = &state.ledger;
            let mut all = json!(ledger);
            all["effects"] = json!(
                ledger
                    .effects()
                    .filter(|effect| self.effect(effect))
                    .collect::<Vec<_>>()
            );
            all["told"] = json!(ledger.told().filter(|told| self.told(told)).collect::<Vec<_>>());
            all["replies"] = json!(
                ledger
                    .replies()
                    .filter(|replied| self.replied(replied))
                    .collect::<Vec<_>>()
            );
            all
        })
    }

    fn common(&self, provider: &str, number: u64, external_id: Option<&str>) -> bool {
        number > self.after
            && self.provider.as_deref().is_none_or(|wanted| wanted == provider)
            && self
                .external_id
                .as_deref()
                .is_none_or(|wanted| Some(wanted) == external_id)
    }

    fn effect(&self, effect: &Effect) -> bool {
        let recipient = self.recipient.as_deref();
        self.common(effect.provider.as_str(), effect.number, Some(&effect.external_id))
            && recipient.is_none_or(|wanted| wanted == effect.to.expose())
            && (self.reference.is_none() || self.reference == effect.reference)
    }

    fn told(&self, told: &Told) -> bool {
        self.common(told.provider.as_str(), told.number, told.external_id.as_deref())
    }

    fn replied(&self, replied: &Replied) -> bool {
        let recipient = self.recipient.as_deref();
        self.common(replied.provider.as_str(), replied.number, Some(&replied.external_id))
            && recipient.is_none_or(|wanted| wanted == replied.from.expose())
    }
}
