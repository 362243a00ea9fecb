//! The box was filled in and sent.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse as _, Response};
use url::form_urlencoded::Serializer;

use crate::ledger::Effect;
use crate::provider::{Channel, Provider};
use crate::reply::{self, Reply};
use crate::web::Asked;
use crate::world::World;

/// The longest answer.
const CHARACTERS_MAX: usize = 1_600;

/// Answers the message whose number the form says, and leads back to the page.
pub(super) async fn answer(State(world): State<Arc<World>>, asked: Asked) -> Response {
    if !asked.is_from_here() {
        return StatusCode::FORBIDDEN.into_response();
    }
    let form = asked.form();
    let value = |name: &str| {
        let found = form.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let text: String = value("text").chars().take(CHARACTERS_MAX).collect();
    let reply = world.look(|state| {
        let number = value("number").parse().ok()?;
        state.ledger.effect(number).map(|effect| reply_to(effect, &text))
    });
    let is_sent = reply.is_some_and(|reply| reply::send(&world, &reply).is_ok());
    let mut back = Serializer::for_suffix("/?".to_owned(), 2);
    back.append_pair("lang", value("lang")).append_pair("box", value("box"));
    if !value("still").is_empty() {
        back.append_pair("still", "1");
    }
    if !is_sent {
        back.append_pair("failed", "1");
    }
    (StatusCode::SEE_OTHER, [(LOCATION, back.finish())]).into_response()
}

fn reply_to(effect: &Effect, text: &str) -> Reply {
    let ours = effect.reply_to.as_ref().unwrap_or(&effect.from);
    let reply = Reply::new(effect.provider, effect.channel, effect.to.expose(), text);
    let mut reply = reply.to(&effect.account, ours.expose());
    if effect.channel == Channel::Email {
        let subject = effect.subject.as_ref().map_or("", |subject| subject.expose());
        reply.subject = Some(format!("Re: {}", subject.trim_start_matches("Re: ")));
    }
    if effect.provider == Provider::Smtp {
        reply.answers = Some(effect.external_id.clone());
    }
    reply
}
