//! A mail server: takes mail for anybody, shows it, and puts it into mailboxes.
//!
//! EHLO, HELO, AUTH PLAIN and LOGIN, MAIL, RCPT, DATA, RSET, NOOP, VRFY, QUIT; SIZE, 8BITMIME, SMTPUTF8, PIPELINING,
//! ENHANCEDSTATUSCODES. No STARTTLS: it listens on this machine only. Source: RFC 5321, RFC 4954 (AUTH), RFC 1870 (SIZE),
//! RFC 3463 (status codes).

mod accept;
mod account;
mod command;
mod conclude;
mod events;
mod inbound;
mod lines;
mod login;
mod session;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::world::World;

pub use account::SmtpAccount;
pub(crate) use inbound::reply;

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
