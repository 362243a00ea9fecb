//! The mailboxes that the mail server fills, for those who poll them.
//!
//! CAPABILITY, NOOP, LOGIN, AUTHENTICATE PLAIN, LIST, STATUS, SELECT, EXAMINE, CHECK, CLOSE, UNSELECT, LOGOUT; SEARCH, FETCH and
//! STORE, by sequence number and by UID. One folder, INBOX. No IDLE, no STARTTLS: it listens on this machine only. Source:
//! RFC 3501, RFC 5530 (response codes).

mod account;
mod commands;
mod fetch;
mod login;
mod search;
mod session;
mod set;
mod store;
mod token;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::world::World;

pub use account::ImapAccount;

/// How long to wait when the system has no connection left to give.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Takes connections until it is dropped.
pub(crate) async fn serve(world: Arc<World>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => world.spawn(session::converse(Arc::clone(&world), stream)),
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN_AFTER).await,
        }
    }
}
