//! Which mails?

use std::io;

use chrono::NaiveDate;
use mail_parser::MessageParser;

use super::session::{Next, Session, bad, done};
use super::set::Set;
use super::token::Token;
use crate::mailboxes::Mail;

/// A condition.
#[derive(Debug)]
enum Key {
    All,
    None,
    Flag(&'static str, bool),
    Uids(Set),
    Numbers(Set),
    Since(NaiveDate),
    Before(NaiveDate),
    On(NaiveDate),
    /// A header that contains a text, whatever its capitals.
    Header(String, String),
    Not(Box<Key>),
}

impl Session {
    pub(super) async fn search(&mut self, address: &str, arguments: &[Token], by_uid: bool) -> io::Result<Next> {
        let arguments = match arguments {
            [
                Token::Word(word),
                Token::Word(charset) | Token::Text(charset),
                rest @ ..,
            ] if word.eq_ignore_ascii_case("CHARSET") => {
                if !charset.eq_ignore_ascii_case("UTF-8") && !charset.eq_ignore_ascii_case("US-ASCII") {
                    return Ok(done("NO [BADCHARSET (UTF-8)] Not known"));
                }
                rest
            }
            all => all,
        };
        let Some(keys) = read(arguments) else {
            return Ok(bad());
        };
        let known = self
            .selected
            .as_ref()
            .map(|selected| selected.uids.clone())
            .unwrap_or_default();
        let found: Vec<_> = self.world.look(|state| {
            let numbered = known.iter().zip(1_u32..);
            let last = (
                known.last().copied().unwrap_or(0),
                known.len().try_into().unwrap_or(u32::MAX),
            );
            let fits = |(uid, number): &(&u32, u32)| {
                let mail = state.mailboxes.mail(address, **uid);
                mail.is_some_and(|mail| keys.iter().all(|key| key.fits(mail, *number, last)))
            };
            numbered
                .filter(fits)
                .map(|(uid, number)| if by_uid { *uid } else { number })
                .collect()
        });
        let found: String = found.iter().map(|number| format!(" {number}")).collect();
        self.say(&format!("* SEARCH{found}")).await?;
        Ok(done("OK Done"))
    }
}

fn read(arguments: &[Token]) -> Option<Vec<Key>> {
    let mut rest = arguments.iter().filter_map(Token::text);
    let mut keys = Vec::new();
    while let Some(word) = rest.next() {
        keys.push(key(word, &mut rest)?);
    }
    (!keys.is_empty()).then_some(keys)
}

fn key<'a>(word: &str, rest: &mut impl Iterator<Item = &'a str>) -> Option<Key> {
    let word = word.to_ascii_uppercase();
    Some(match word.as_str() {
        "ALL" => Key::All,
        // No mail is recent here.
        "NEW" | "RECENT" => Key::None,
        "OLD" => Key::All,
        "SEEN" => Key::Flag("\\Seen", true),
        "UNSEEN" => Key::Flag("\\Seen", false),
        "ANSWERED" => Key::Flag("\\Answered", true),
        "UNANSWERED" => Key::Flag("\\Answered", false),
        "FLAGGED" => Key::Flag("\\Flagged", true),
        "UNFLAGGED" => Key::Flag("\\Flagged", false),
        "DELETED" => Key::Flag("\\Deleted", true),
        "UNDELETED" => Key::Flag("\\Deleted", false),
        "UID" => Key::Uids(Set::read(rest.next()?)?),
        "SINCE" => Key::Since(date(rest.next()?)?),
        "BEFORE" => Key::Before(date(rest.next()?)?),
        "ON" => Key::On(date(rest.next()?)?),
        "SUBJECT" | "FROM" | "TO" => Key::Header(word, rest.next()?.to_lowercase()),
        "HEADER" => Key::Header(rest.next()?.to_owned(), rest.next()?.to_lowercase()),
        "NOT" => {
            let word = rest.next()?;
            Key::Not(Box::new(key(word, rest)?))
        }
        _ => Key::Numbers(Set::read(&word)?),
    })
}

fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%d-%b-%Y").ok()
}

impl Key {
    /// `last` is the last UID and the last number there are.
    fn fits(&self, mail: &Mail, number: u32, last: (u32, u32)) -> bool {
        let day = mail.received_at.date_naive();
        match self {
            Self::All => true,
            Self::None => false,
            Self::Flag(flag, expected) => mail.has_flag(flag) == *expected,
            Self::Uids(set) => set.has(mail.uid, last.0),
            Self::Numbers(set) => set.has(number, last.1),
            Self::Since(date) => day >= *date,
            Self::Before(date) => day < *date,
            Self::On(date) => day == *date,
            Self::Header(name, text) => has_header(mail, name, text),
            Self::Not(key) => !key.fits(mail, number, last),
        }
    }
}

fn has_header(mail: &Mail, name: &str, text: &str) -> bool {
    let Some(read) = MessageParser::default().parse_headers(&mail.raw[..]) else {
        return false;
    };
    let mut values = read.headers_raw().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    let subject = read.subject().filter(|_| name.eq_ignore_ascii_case("subject"));
    // A subject is compared as it is read, not as it is written.
    subject.is_some_and(|subject| subject.to_lowercase().contains(text))
        || values.any(|(_, value)| value.to_lowercase().contains(text))
}
