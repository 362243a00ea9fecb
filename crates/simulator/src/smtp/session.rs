//! One conversation.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::SmtpAccount;
use super::accept::{Mail, name};
use super::command::Command;
use super::lines::{self, Data, Line};
use crate::fault::{Called, Misbehaviour};
use crate::ledger::sha256;
use crate::mail::is_address;
use crate::provider::Provider;
use crate::world::{Busy, World};

/// The largest mail, as EHLO says.
const SIZE_MAX: usize = 30 * 1024 * 1024;
/// The most recipients of one mail.
const RECIPIENTS_MAX: usize = 100;
/// How long a client may say nothing (RFC 5321, 4.5.3.2.7).
const IDLE_MAX: Duration = Duration::from_secs(300);
/// After so many commands that make no sense, a client is sent away.
const MISTAKES_MAX: u32 = 20;

/// One conversation.
pub(super) struct Session {
    pub(super) world: Arc<World>,
    pub(super) reader: BufReader<OwnedReadHalf>,
    pub(super) writer: OwnedWriteHalf,
    pub(super) account: Option<Arc<SmtpAccount>>,
    is_greeted: bool,
    mistakes: u32,
    /// From whom the mail is that is being told.
    pub(super) from: Option<String>,
    to: Vec<String>,
    /// Counts the mail that is being told as a call.
    busy: Option<Busy>,
}

/// How a conversation goes on.
pub(super) enum Next {
    Reply(String),
    /// Reply, then close.
    Close(String),
    /// Close without a word.
    Hang,
}

pub(super) fn reply(text: &str) -> Next {
    Next::Reply(text.to_owned())
}

/// Talks until one of both has enough.
pub(super) async fn converse(world: Arc<World>, stream: TcpStream) {
    // If the system refuses, small answers only go out later.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let session = Session {
        world,
        reader: BufReader::new(reader),
        writer,
        account: None,
        is_greeted: false,
        mistakes: 0,
        from: None,
        to: Vec::new(),
        busy: None,
    };
    // A connection that breaks is the client's affair.
    let _ = session.run().await;
}

impl Session {
    async fn run(mut self) -> io::Result<()> {
        self.say("220 simulator ESMTP ready").await?;
        loop {
            let next = match timeout(IDLE_MAX, lines::command(&mut self.reader)).await {
                Err(_) => Next::Close("421 4.4.2 Idle for too long".into()),
                Ok(line) => match line? {
                    Line::Closed => return Ok(()),
                    Line::TooLong => reply("500 5.5.2 Line too long"),
                    Line::BareEnd => reply("500 5.5.2 Lines end with CR LF"),
                    Line::Text(line) => self.obey(Command::read(&line)).await?,
                },
            };
            match next {
                Next::Hang => return Ok(()),
                Next::Close(text) => return self.say(&text).await,
                Next::Reply(text) => {
                    let is_mistake = text.starts_with("50");
                    self.mistakes += u32::from(is_mistake);
                    self.say(&text).await?;
                }
            }
            if self.mistakes > MISTAKES_MAX {
                return self.say("421 4.7.0 Too many mistakes").await;
            }
        }
    }

    pub(super) async fn say(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_all(format!("{text}\r\n").as_bytes()).await
    }

    async fn obey(&mut self, command: Command) -> io::Result<Next> {
        Ok(match command {
            Command::Ehlo => Next::Reply(self.greet()),
            Command::Helo => {
                self.greet();
                reply("250 simulator")
            }
            Command::Quit => Next::Close("221 2.0.0 Bye".into()),
            Command::Noop => reply("250 2.0.0 Ok"),
            Command::Vrfy => reply("252 2.1.5 Send some mail, and see"),
            Command::Rset => {
                self.forget();
                reply("250 2.0.0 Ok")
            }
            Command::Malformed => reply("501 5.5.4 Syntax error in parameters"),
            Command::Unknown => reply("500 5.5.2 Command not recognised"),
            _ if !self.is_greeted => reply("503 5.5.1 Say EHLO first"),
            Command::Auth(mechanism, first) => self.log_in(&mechanism, first).await?,
            Command::Mail(from, size) => self.begin(from, size),
            Command::Rcpt(to) => self.add(to),
            Command::Data => self.take().await?,
        })
    }

    fn greet(&mut self) -> String {
        self.is_greeted = true;
        self.forget();
        let auth = if self.needs_login() {
            "250-AUTH PLAIN LOGIN\r\n"
        } else {
            ""
        };
        format!(
            "250-simulator\r\n250-SIZE {SIZE_MAX}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n{auth}250 ENHANCEDSTATUSCODES"
        )
    }

    fn forget(&mut self) {
        self.from = None;
        self.to.clear();
        self.busy = None;
    }

    fn needs_login(&self) -> bool {
        self.world.look(|state| !state.accounts.smtp.is_empty())
    }

    fn begin(&mut self, from: String, size: Option<usize>) -> Next {
        if self.needs_login() && self.account.is_none() {
            return reply("530 5.7.0 Authentication required");
        }
        if self.from.is_some() {
            return reply("503 5.5.1 One mail after another");
        }
        if !from.is_empty() && !is_address(&from) {
            return reply("553 5.1.7 Bad sender address syntax");
        }
        if size.is_some_and(|size| size > SIZE_MAX) {
            return reply("552 5.3.4 Message too big");
        }
        self.busy = Some(self.world.begin_call(Provider::Smtp, name(self.account.as_ref())));
        self.from = Some(from);
        reply("250 2.1.0 Sender OK")
    }

    fn add(&mut self, to: String) -> Next {
        let Some(from) = &self.from else {
            return reply("503 5.5.1 Say MAIL first");
        };
        if !is_address(&to) {
            return reply("553 5.1.3 Bad recipient address syntax");
        }
        if self.to.len() >= RECIPIENTS_MAX {
            return reply("452 4.5.3 Too many recipients");
        }
        let fingerprint = sha256([from, &to]);
        if let Some(fault) = self.fault(&to, &fingerprint, Misbehaviour::refuses) {
            return refuse(&fault);
        }
        self.to.push(to);
        reply("250 2.1.5 Recipient OK")
    }

    async fn take(&mut self) -> io::Result<Next> {
        if self.to.is_empty() {
            return Ok(match self.from {
                Some(_) => reply("554 5.5.1 No valid recipients"),
                None => reply("503 5.5.1 Say MAIL first"),
            });
        }
        self.say("354 End data with <CR><LF>.<CR><LF>").await?;
        let raw = match timeout(IDLE_MAX, lines::data(&mut self.reader, SIZE_MAX)).await {
            Err(_) => return Ok(Next::Close("421 4.4.2 Idle for too long".into())),
            Ok(data) => match data? {
                Data::Closed => return Ok(Next::Hang),
                Data::Refused(text) => {
                    self.forget();
                    return Ok(reply(text));
                }
                Data::Mail(raw) => Bytes::from(raw),
            },
        };
        let from = self.from.take().unwrap_or_default();
        let mail = Mail::new(from, std::mem::take(&mut self.to), raw);
        // Held until the last word is said.
        let busy = self.busy.take();
        let next = self.conclude(mail).await;
        drop(busy);
        Ok(next)
    }

    pub(super) fn fault(&self, to: &str, fingerprint: &str, wanted: fn(&Misbehaviour) -> bool) -> Option<Misbehaviour> {
        let called = Called {
            provider: Provider::Smtp,
            recipient: to,
            fingerprint: fingerprint.as_bytes(),
            is_lookup: false,
        };
        self.world.fault(&called, wanted)
    }
}

/// The refusals that HTTP has other words for.
fn refuse(fault: &Misbehaviour) -> Next {
    match fault {
        Misbehaviour::TooManyRequests { retry_after_seconds } => Next::Reply(format!(
            "450 4.7.1 Greylisted, please try again in {retry_after_seconds} seconds"
        )),
        Misbehaviour::Refuse { status: 421, code } => Next::Close(format!("421 {code} Closing")),
        Misbehaviour::Refuse { status, code } => Next::Reply(format!("{status} {code} Refused")),
        _ => reply("451 4.3.0 Local error"),
    }
}
