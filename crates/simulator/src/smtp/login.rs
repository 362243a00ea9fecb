//! Who is it?

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::SmtpAccount;
use super::lines::{self, Line};
use super::session::{Next, Session, reply};

impl Session {
    /// RFC 4954; PLAIN as in RFC 4616, LOGIN as everybody does it.
    pub(super) async fn log_in(&mut self, mechanism: &str, first: Option<String>) -> io::Result<Next> {
        if self.account.is_some() || self.from.is_some() {
            return Ok(reply("503 5.5.1 Not now"));
        }
        let shown = match mechanism {
            "PLAIN" => {
                let text = match first {
                    Some(first) => Some(first),
                    None => self.ask("334 ").await?,
                };
                let decoded = text.and_then(|text| decode(&text));
                decoded.and_then(|text| {
                    let mut parts = text.split('\0').skip(1).map(str::to_owned);
                    parts.next().zip(parts.next())
                })
            }
            "LOGIN" => {
                let user = match first {
                    Some(first) => Some(first),
                    None => self.ask("334 VXNlcm5hbWU6").await?,
                };
                let password = self.ask("334 UGFzc3dvcmQ6").await?;
                let user = user.and_then(|user| decode(&user));
                user.zip(password.and_then(|password| decode(&password)))
            }
            _ => return Ok(reply("504 5.5.4 Mechanism not known")),
        };
        let account = shown.and_then(|(user, password)| {
            let opened = |account: &SmtpAccount| account.is_opened_by(&user, &password);
            self.world.look(|state| state.accounts.smtp.find(opened))
        });
        self.account = account;
        Ok(match self.account {
            Some(_) => reply("235 2.7.0 Authentication successful"),
            None => reply("535 5.7.8 Authentication credentials invalid"),
        })
    }

    /// None when the client gives up.
    async fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        self.say(question).await?;
        Ok(match lines::command(&mut self.reader).await? {
            Line::Text(text) if text != b"*" => String::from_utf8(text).ok(),
            _ => None,
        })
    }
}

fn decode(text: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}
