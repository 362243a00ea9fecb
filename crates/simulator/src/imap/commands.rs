//! What a client may ask.

use std::io;

use super::session::{CAPABILITIES, Next, Selected, Session, bad, done};
use super::token::Token;

const FLAGS: &str = "\\Answered \\Flagged \\Deleted \\Seen \\Draft";

impl Session {
    pub(super) async fn obey(&mut self, name: &str, arguments: &[Token]) -> io::Result<Next> {
        match name {
            "CAPABILITY" => {
                self.say(&format!("* {CAPABILITIES}")).await?;
                return Ok(done("OK Done"));
            }
            "NOOP" | "CHECK" => return Ok(done("OK Done")),
            "LOGOUT" => {
                self.say("* BYE See you").await?;
                return Ok(Next::Close("OK Done".into()));
            }
            "LOGIN" => return Ok(self.log_in(arguments)),
            "AUTHENTICATE" => return self.authenticate(arguments).await,
            "IDLE" => return Ok(done("BAD IDLE is not offered here")),
            _ => {}
        }
        let Some(address) = self.address.clone() else {
            return Ok(done("BAD Log in first"));
        };
        match name {
            "LIST" | "LSUB" => {
                self.say(&format!("* {name} (\\HasNoChildren) \"/\" INBOX")).await?;
                Ok(done("OK Done"))
            }
            "STATUS" => self.status(&address, arguments).await,
            "SELECT" | "EXAMINE" => self.select(&address, arguments, name == "EXAMINE").await,
            _ => self.obey_selected(name, &address, arguments).await,
        }
    }

    async fn obey_selected(&mut self, name: &str, address: &str, arguments: &[Token]) -> io::Result<Next> {
        if self.selected.is_none() {
            return Ok(done("BAD Select a folder first"));
        }
        let (name, by_uid, arguments) = match (name, arguments) {
            ("UID", [Token::Word(name), arguments @ ..]) => (name.to_ascii_uppercase(), true, arguments),
            _ => (name.to_owned(), false, arguments),
        };
        match name.as_str() {
            "SEARCH" => self.search(address, arguments, by_uid).await,
            "FETCH" => self.fetch(address, arguments, by_uid).await,
            "STORE" => self.store(address, arguments, by_uid).await,
            "CLOSE" | "UNSELECT" if !by_uid => {
                self.selected = None;
                Ok(done("OK Done"))
            }
            _ => Ok(bad()),
        }
    }

    async fn select(&mut self, address: &str, arguments: &[Token], is_read_only: bool) -> io::Result<Next> {
        self.selected = None;
        if !is_inbox(arguments) {
            return Ok(done("NO [NONEXISTENT] There is only INBOX"));
        }
        let (uids, unseen, next, validity) = self.world.look(|state| {
            let mailboxes = &state.mailboxes;
            let unseen = mailboxes.mails(address).position(|mail| !mail.is_seen());
            (
                mailboxes.uids(address),
                unseen,
                mailboxes.uid_next(address),
                mailboxes.uid_validity(),
            )
        });
        self.say(&format!("* FLAGS ({FLAGS})")).await?;
        let permanent = if is_read_only { "" } else { FLAGS };
        self.say(&format!("* OK [PERMANENTFLAGS ({permanent})] Flags that last"))
            .await?;
        self.say(&format!("* {} EXISTS", uids.len())).await?;
        self.say("* 0 RECENT").await?;
        if let Some(place) = unseen {
            self.say(&format!("* OK [UNSEEN {}] First unseen", place + 1)).await?;
        }
        self.say(&format!("* OK [UIDVALIDITY {validity}] UIDs valid")).await?;
        self.say(&format!("* OK [UIDNEXT {next}] Predicted next UID")).await?;
        self.selected = Some(Selected { is_read_only, uids });
        Ok(done(if is_read_only {
            "OK [READ-ONLY] Done"
        } else {
            "OK [READ-WRITE] Done"
        }))
    }

    async fn status(&mut self, address: &str, arguments: &[Token]) -> io::Result<Next> {
        let [folder, Token::Open, wanted @ .., Token::Close] = arguments else {
            return Ok(bad());
        };
        if !is_inbox(std::slice::from_ref(folder)) {
            return Ok(done("NO [NONEXISTENT] There is only INBOX"));
        }
        let values = self.world.look(|state| {
            let mailboxes = &state.mailboxes;
            let value = |item: &Token| {
                let item = item.text()?.to_ascii_uppercase();
                let value = match item.as_str() {
                    "MESSAGES" => mailboxes.mails(address).len().to_string(),
                    "RECENT" => "0".to_owned(),
                    "UNSEEN" => mailboxes
                        .mails(address)
                        .filter(|mail| !mail.is_seen())
                        .count()
                        .to_string(),
                    "UIDNEXT" => mailboxes.uid_next(address).to_string(),
                    "UIDVALIDITY" => mailboxes.uid_validity().to_string(),
                    _ => return None,
                };
                Some(format!("{item} {value}"))
            };
            wanted.iter().map(value).collect::<Option<Vec<_>>>()
        });
        let Some(values) = values else {
            return Ok(bad());
        };
        self.say(&format!("* STATUS INBOX ({})", values.join(" "))).await?;
        Ok(done("OK Done"))
    }
}

fn is_inbox(arguments: &[Token]) -> bool {
    let name = arguments.first().and_then(Token::text);
    arguments.len() == 1 && name.is_some_and(|name| name.eq_ignore_ascii_case("INBOX"))
}
