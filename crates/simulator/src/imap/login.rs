//! Who is it?

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::ImapAccount;
use super::session::{CAPABILITIES, Next, Session, bad, done};
use super::token::Token;
use crate::fault::Misbehaviour;
use crate::provider::Provider;

const LINE_BYTES_MAX: usize = 12_288;

impl Session {
    pub(super) fn log_in(&mut self, arguments: &[Token]) -> Next {
        match arguments {
            [user, password] => match user.text().zip(password.text()) {
                Some((user, password)) => self.open(user, password),
                None => bad(),
            },
            _ => bad(),
        }
    }

    /// AUTHENTICATE PLAIN (RFC 4616).
    pub(super) async fn authenticate(&mut self, arguments: &[Token]) -> io::Result<Next> {
        let is_plain = |token: &Token| token.text().is_some_and(|text| text.eq_ignore_ascii_case("PLAIN"));
        if arguments.len() != 1 || !arguments.iter().all(is_plain) {
            return Ok(done("NO [CANNOT] Only PLAIN"));
        }
        self.say("+ ").await?;
        let Some(line) = self.hear_line(LINE_BYTES_MAX).await? else {
            return Ok(Next::Hang);
        };
        let decoded = STANDARD.decode(line).ok().and_then(|text| String::from_utf8(text).ok());
        let text = decoded.unwrap_or_default();
        let mut parts = text.split('\0').skip(1);
        Ok(match (parts.next(), parts.next()) {
            (Some(user), Some(password)) => self.open(user, password),
            _ => bad(),
        })
    }

    fn open(&mut self, user: &str, password: &str) -> Next {
        if self.address.is_some() {
            return done("BAD Already logged in");
        }
        let opened = |account: &ImapAccount| account.is_opened_by(user, password);
        let account = self.world.look(|state| state.accounts.imap.find(opened));
        let Some(account) = account else {
            return done("NO [AUTHENTICATIONFAILED] Invalid credentials");
        };
        if let Some(fault) = self.fault(&account.address, "login", Misbehaviour::refuses) {
            return Next::Done(refusal(&fault));
        }
        self.busy = Some(self.world.begin_call(Provider::Imap, &account.address));
        self.address = Some(account.address.clone());
        Next::Done(format!("OK [{CAPABILITIES}] Logged in"))
    }
}

/// The refusals that HTTP has other words for (RFC 5530).
fn refusal(fault: &Misbehaviour) -> String {
    match fault {
        Misbehaviour::TooManyRequests { .. } => "NO [LIMIT] Too many connections".to_owned(),
        Misbehaviour::Refuse { code, .. } => format!("NO [{code}] Refused"),
        _ => "NO [UNAVAILABLE] Backend down".to_owned(),
    }
}
