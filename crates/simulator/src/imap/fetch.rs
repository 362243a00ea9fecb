//! Mails, as a whole or in part.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use super::session::{Next, Session, bad, done};
use super::set::Set;
use super::token::Token;
use crate::fault::{Misbehaviour, ms};
use crate::mailboxes::Mail;

/// Something of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Uid,
    Flags,
    InternalDate,
    Size,
    Body {
        section: Section,
        /// Whether reading it leaves it unseen.
        peeks: bool,
        /// Where to begin, and how many bytes at most.
        part: Option<(usize, usize)>,
        /// What it is called in the answer.
        label: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Whole,
    Header,
    Text,
}

impl Session {
    pub(super) async fn fetch(&mut self, address: &str, arguments: &[Token], by_uid: bool) -> io::Result<Next> {
        let Some((set, items)) = read(arguments, by_uid) else {
            return Ok(bad());
        };
        use Misbehaviour as M;
        let fault = self.fault(address, "fetch", |fault| !fault.refuses());
        match fault {
            Some(M::Hang { ms: held }) => sleep(ms(held)).await,
            Some(M::Silent) => {
                self.wait_until_gone().await;
                return Ok(Next::Hang);
            }
            Some(M::LostAnswer) => return Ok(Next::Hang),
            Some(M::Garbage) => {
                self.say("* 1 FETCH (BODY[] {9999999").await?;
                return Ok(done("OK Done"));
            }
            Some(M::ServerError { .. }) => {
                self.say("* BYE Internal error").await?;
                return Ok(Next::Hang);
            }
            _ => {}
        }
        let answer = self.answer(address, &set, &items, by_uid);
        if let Some(M::HalfAnswer) = fault {
            self.writer.write_all(&answer[..answer.len() / 2]).await?;
            return Ok(Next::Hang);
        }
        if let Some(M::Slow { ms: held }) = fault {
            sleep(ms(held)).await;
        }
        self.writer.write_all(&answer).await?;
        Ok(done("OK Done"))
    }

    fn answer(&mut self, address: &str, set: &Set, items: &[Item], by_uid: bool) -> Vec<u8> {
        let Some(selected) = &self.selected else {
            return Vec::new();
        };
        let last = if by_uid {
            selected.uids.last().copied().unwrap_or(0)
        } else {
            count(&selected.uids)
        };
        let sees = !selected.is_read_only && items.iter().any(|item| matches!(item, Item::Body { peeks: false, .. }));
        let mut answer = Vec::new();
        self.world.look(|state| {
            for (uid, number) in selected.uids.iter().zip(1_u32..) {
                if !set.has(if by_uid { *uid } else { number }, last) {
                    continue;
                }
                let Some(mail) = state.mailboxes.mail_mut(address, *uid) else {
                    continue;
                };
                let is_news = sees && mail.set_flag("\\Seen", true);
                write(&mut answer, number, mail, items, is_news);
            }
        });
        answer
    }

    /// Until the client has closed. What it says meanwhile is not heard.
    async fn wait_until_gone(&mut self) {
        while let Ok(said) = self.reader.fill_buf().await {
            let length = said.len();
            if length == 0 {
                return;
            }
            self.reader.consume(length);
        }
    }
}

fn count(uids: &[u32]) -> u32 {
    uids.len().try_into().unwrap_or(u32::MAX)
}

fn read(arguments: &[Token], by_uid: bool) -> Option<(Set, Vec<Item>)> {
    let (set, wanted) = arguments.split_first()?;
    let set = Set::read(set.text()?)?;
    let wanted = match wanted {
        [Token::Open, wanted @ .., Token::Close] => wanted,
        [one] => std::slice::from_ref(one),
        _ => return None,
    };
    let mut items = Vec::new();
    for word in wanted {
        match word.text()?.to_ascii_uppercase().as_str() {
            "FAST" => items.extend([Item::Flags, Item::InternalDate, Item::Size]),
            word => items.push(item(word)?),
        }
    }
    if by_uid && !items.contains(&Item::Uid) {
        items.insert(0, Item::Uid);
    }
    (!items.is_empty()).then_some((set, items))
}

/// Of a word in capitals.
fn item(word: &str) -> Option<Item> {
    let old = |section, peeks| {
        let label = word.to_owned();
        let part = None;
        Item::Body {
            section,
            peeks,
            part,
            label,
        }
    };
    Some(match word {
        "UID" => Item::Uid,
        "FLAGS" => Item::Flags,
        "INTERNALDATE" => Item::InternalDate,
        "RFC822.SIZE" => Item::Size,
        "RFC822" => old(Section::Whole, false),
        "RFC822.HEADER" => old(Section::Header, true),
        "RFC822.TEXT" => old(Section::Text, false),
        _ => {
            let peeked = word.strip_prefix("BODY.PEEK[");
            let (section, part) = peeked.or_else(|| word.strip_prefix("BODY["))?.split_once(']')?;
            let kind = match section {
                "" => Section::Whole,
                "HEADER" => Section::Header,
                "TEXT" => Section::Text,
                _ => return None,
            };
            let part = if part.is_empty() { None } else { Some(range(part)?) };
            let begin = part.map(|(begin, _)| format!("<{begin}>")).unwrap_or_default();
            Item::Body {
                section: kind,
                peeks: peeked.is_some(),
                part,
                label: format!("BODY[{section}]{begin}"),
            }
        }
    })
}

/// `<0.1024>`
fn range(text: &str) -> Option<(usize, usize)> {
    let (begin, length) = text.strip_prefix('<')?.strip_suffix('>')?.split_once('.')?;
    Some((begin.parse().ok()?, length.parse().ok()?))
}

fn write(answer: &mut Vec<u8>, number: u32, mail: &Mail, items: &[Item], is_news: bool) {
    answer.extend_from_slice(format!("* {number} FETCH (").as_bytes());
    let mut separator = "";
    let mut items = items.to_vec();
    if is_news && !items.contains(&Item::Flags) {
        items.push(Item::Flags);
    }
    for item in &items {
        answer.extend_from_slice(separator.as_bytes());
        separator = " ";
        let text = match item {
            Item::Uid => format!("UID {}", mail.uid),
            Item::Flags => format!("FLAGS ({})", mail.flags.join(" ")),
            Item::InternalDate => format!(
                "INTERNALDATE \"{}\"",
                mail.received_at.format("%d-%b-%Y %H:%M:%S +0000")
            ),
            Item::Size => format!("RFC822.SIZE {}", mail.raw.len()),
            Item::Body {
                section, part, label, ..
            } => {
                let bytes = cut(section_of(mail, *section), *part);
                answer.extend_from_slice(format!("{label} {{{}}}\r\n", bytes.len()).as_bytes());
                answer.extend_from_slice(bytes);
                continue;
            }
        };
        answer.extend_from_slice(text.as_bytes());
    }
    answer.extend_from_slice(b")\r\n");
}

fn section_of(mail: &Mail, section: Section) -> &[u8] {
    let raw = &mail.raw[..];
    let end = raw
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .map_or(raw.len(), |place| place + 4);
    match section {
        Section::Whole => raw,
        Section::Header => &raw[..end],
        Section::Text => &raw[end..],
    }
}

fn cut(bytes: &[u8], part: Option<(usize, usize)>) -> &[u8] {
    let Some((begin, length)) = part else {
        return bytes;
    };
    let begin = begin.min(bytes.len());
    &bytes[begin..begin.saturating_add(length).min(bytes.len())]
}
