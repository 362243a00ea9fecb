//! The page: what every telephone and mailbox received, and a box to answer from.
//!
//! Plain HTML without scripts. It loads itself again every few seconds, but not while somebody writes an answer.

mod answer;
mod html;
mod lines;
mod view;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use self::lines::Choice;
use crate::web::Asked;
use crate::world::World;

const CSS: &str = include_str!("page.css");
/// No script, nothing from elsewhere, no frame around it.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/", get(show))
        .route(
            "/page.css",
            get(async || ([(CONTENT_TYPE, "text/css; charset=utf-8")], CSS)),
        )
        .route("/answer", post(answer::answer))
}

async fn show(State(world): State<Arc<World>>, asked: Asked) -> Response {
    let choice = Choice::read(&asked.query(), asked.header("accept-language").unwrap_or_default());
    let page = world.look(|state| view::page(&state.ledger, &choice));
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, page).into_response()
}
