//! One conversation.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::token::{Token, literal, tokens};
use crate::fault::{Called, Misbehaviour};
use crate::provider::Provider;
use crate::world::{Busy, World};

pub(super) const CAPABILITIES: &str = "CAPABILITY IMAP4rev1 AUTH=PLAIN LITERAL+";
/// How long a client may say nothing (RFC 3501, 5.4).
const IDLE_MAX: Duration = Duration::from_secs(30 * 60);
/// The longest command, literals included.
const COMMAND_BYTES_MAX: usize = 64 * 1024;

/// One conversation.
pub(super) struct Session {
    pub(super) world: Arc<World>,
    pub(super) reader: BufReader<OwnedReadHalf>,
    pub(super) writer: OwnedWriteHalf,
    /// Whose mailbox it is, when somebody has logged in.
    pub(super) address: Option<String>,
    pub(super) selected: Option<Selected>,
    /// Counts a session of this mailbox as a call, as long as it lasts.
    pub(super) busy: Option<Busy>,
}

/// A folder that was selected.
#[derive(Default)]
pub(super) struct Selected {
    pub(super) is_read_only: bool,
    /// The mails that the client knows of: its sequence numbers are places in this list.
    pub(super) uids: Vec<u32>,
}

/// What a client asks.
struct Command {
    /// What the answer begins with, so that the client knows what is answered.
    tag: String,
    /// The tag among them. None when it cannot be taken apart.
    tokens: Option<Vec<Token>>,
}

/// How a conversation goes on.
pub(super) enum Next {
    /// The rest of the line that begins with the command's tag.
    Done(String),
    /// The same, then close.
    Close(String),
    /// Close without a word.
    Hang,
}

pub(super) fn done(text: &str) -> Next {
    Next::Done(text.to_owned())
}

pub(super) fn bad() -> Next {
    done("BAD Not understood")
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
        address: None,
        selected: None,
        busy: None,
    };
    // A connection that breaks is the client's affair.
    let _ = session.run().await;
}

impl Session {
    async fn run(mut self) -> io::Result<()> {
        self.say(&format!("* OK [{CAPABILITIES}] simulator ready")).await?;
        loop {
            let command = match timeout(IDLE_MAX, self.hear()).await {
                Err(_) => return self.say("* BYE Autologout; idle for too long").await,
                Ok(heard) => match heard? {
                    None => return Ok(()),
                    Some(command) => command,
                },
            };
            let Command { tag, tokens } = command;
            let next = match tokens.as_deref() {
                Some([_, Token::Word(name), arguments @ ..]) => {
                    self.obey(&name.to_ascii_uppercase(), arguments).await?
                }
                _ => bad(),
            };
            match next {
                Next::Hang => return Ok(()),
                Next::Close(text) => return self.say(&format!("{tag} {text}")).await,
                Next::Done(text) => {
                    self.tell_news().await?;
                    self.say(&format!("{tag} {text}")).await?;
                }
            }
        }
    }

    /// One command, with its literals. None when the client has closed.
    async fn hear(&mut self) -> io::Result<Option<Command>> {
        let (mut lines, mut literals) = (Vec::new(), Vec::new());
        let mut left = COMMAND_BYTES_MAX;
        loop {
            let Some(line) = self.hear_line(left).await? else {
                return Ok(None);
            };
            left = left.saturating_sub(line.len());
            let announced = literal(&line);
            lines.push(line);
            let Some((length, waits)) = announced else {
                let tag = lines
                    .first()
                    .and_then(|line| line.split(' ').next())
                    .unwrap_or_default();
                return Ok(Some(Command {
                    tag: tag.to_owned(),
                    tokens: tokens(&lines, &literals),
                }));
            };
            if length > left {
                // What follows cannot be told from commands any more.
                self.say("* BYE Command too long").await?;
                return Ok(None);
            }
            if waits {
                self.say("+ go ahead").await?;
            }
            let mut bytes = vec![0; length];
            self.reader.read_exact(&mut bytes).await?;
            left -= length;
            literals.push(String::from_utf8_lossy(&bytes).into_owned());
        }
    }

    /// A line without its end. None when the client has closed, or said too much.
    pub(super) async fn hear_line(&mut self, bytes_max: usize) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        (&mut self.reader).take(limit).read_until(b'\n', &mut line).await?;
        Ok(line.ends_with(b"\n").then(|| {
            let text = String::from_utf8_lossy(&line);
            text.trim_end_matches(['\r', '\n']).to_owned()
        }))
    }

    pub(super) async fn say(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_all(format!("{text}\r\n").as_bytes()).await
    }

    /// Tells what came and went since the client was last told.
    async fn tell_news(&mut self) -> io::Result<()> {
        let (Some(address), Some(selected)) = (&self.address, &mut self.selected) else {
            return Ok(());
        };
        let uids = self.world.look(|state| state.mailboxes.uids(address));
        let mut news = String::new();
        for place in (0..selected.uids.len()).rev() {
            if !uids.contains(&selected.uids[place]) {
                selected.uids.remove(place);
                news += &format!("* {} EXPUNGE\r\n", place + 1);
            }
        }
        if uids.len() > selected.uids.len() {
            news += &format!("* {} EXISTS\r\n", uids.len());
        }
        selected.uids = uids;
        self.writer.write_all(news.as_bytes()).await
    }

    pub(super) fn fault(&self, address: &str, about: &str, wanted: fn(&Misbehaviour) -> bool) -> Option<Misbehaviour> {
        let called = Called {
            provider: Provider::Imap,
            recipient: address,
            fingerprint: about.as_bytes(),
            is_lookup: false,
        };
        self.world.fault(&called, wanted)
    }
}
