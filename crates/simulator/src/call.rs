//! How a call is answered when all goes well, and when it should not.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use tokio::time::sleep;

use crate::fault::{Called, Misbehaviour, ms};
use crate::wire::Cut;
use crate::world::World;

/// How a provider says that it will not.
pub(crate) trait Refuse {
    /// 429, with how long to wait.
    fn too_many(&self, retry_after_seconds: u64) -> Response;
    /// Its own fault.
    fn server_error(&self, status: StatusCode) -> Response;
    /// For a reason that has this code.
    fn refused(&self, status: StatusCode, code: &str) -> Response;
}

/// Answers a call by an account that was recognised: `execute` does it and says so, unless a fault is set.
pub(crate) async fn answer(
    world: &Arc<World>,
    cut: &Cut,
    account: &str,
    called: Called<'_>,
    refuse: &(dyn Refuse + Sync),
    execute: impl FnOnce() -> Response + Send,
) -> Response {
    // Who only looks does no work that anybody limits in number.
    let _busy = (!called.is_lookup).then(|| world.begin_call(called.provider, account));
    match world.fault(&called, |_| true) {
        None => execute(),
        Some(fault) => misbehave(fault, cut, refuse, execute).await,
    }
}

async fn misbehave(
    fault: Misbehaviour,
    cut: &Cut,
    refuse: &(dyn Refuse + Sync),
    execute: impl FnOnce() -> Response + Send,
) -> Response {
    use Misbehaviour as M;
    match fault {
        M::TooManyRequests { retry_after_seconds } => refuse.too_many(retry_after_seconds),
        M::ServerError { status, executed } => {
            if executed {
                execute();
            }
            refuse.server_error(status_code(status))
        }
        M::Refuse { status, code } => refuse.refused(status_code(status), &code),
        M::Hang { ms: held } => {
            sleep(ms(held)).await;
            execute()
        }
        M::Slow { ms: held } => {
            let answer = execute();
            sleep(ms(held)).await;
            answer
        }
        M::Silent => std::future::pending().await,
        M::LostAnswer => {
            let answer = execute();
            cut.before_the_answer();
            answer
        }
        M::HalfAnswer => {
            let answer = execute();
            cut.amid_the_answer();
            answer
        }
        M::Garbage => garbage(execute().status()),
    }
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// What a proxy on the way might put there instead.
fn garbage(status: StatusCode) -> Response {
    let page = "<!doctype html><title>Welcome to the hotel network</title><p>{\"id\":";
    (status, [(CONTENT_TYPE, "text/html")], page).into_response()
}
