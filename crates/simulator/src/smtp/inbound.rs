//! A mailbox answers: the mail lies in the mailbox it is for, until somebody fetches it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::Utc;

use crate::provider::Provider;
use crate::reply::{Reply, Route};
use crate::world::World;

/// The longest line of base64 (RFC 2045, 6.8).
const BASE64_LINE: usize = 76;
/// So many bytes of text fit into one encoded word (RFC 2047, 2).
const WORD_BYTES: usize = 42;

/// Puts the reply into our mailbox. Returns its `Message-ID`.
pub(crate) fn reply(world: &Arc<World>, reply: &Reply, route: &Route) -> String {
    world.change(|state| {
        let id = format!("{}@example.com", state.dice.hex(32));
        let mail = write(reply, route, &id);
        state.mailboxes.deliver(&route.ours, Bytes::from(mail), Utc::now());
        id
    })
}

fn write(reply: &Reply, route: &Route, id: &str) -> String {
    let mut headers = Vec::new();
    let mut header = |name: &str, value: &str| headers.push(format!("{name}: {value}"));
    let from = line(&reply.from);
    match &reply.name {
        Some(name) => header("From", &format!("{} <{from}>", words(name))),
        None => header("From", &from),
    }
    header("To", &line(&route.ours));
    header("Subject", &words(reply.subject.as_deref().unwrap_or("Re:")));
    header("Date", &Utc::now().to_rfc2822());
    header("Message-ID", &format!("<{id}>"));
    if let Some(answered) = reply.answers.as_ref().or(route.answered.as_ref()) {
        let answered = match reply.provider {
            // It is called by its `Message-ID` there, and by another id here.
            Provider::SendGrid => format!("<{}@simulator>", line(answered)),
            _ => format!("<{}>", line(answered)),
        };
        header("In-Reply-To", &answered);
        header("References", &answered);
    }
    header("MIME-Version", "1.0");
    header("Content-Type", "text/plain; charset=utf-8");
    header("Content-Transfer-Encoding", "base64");
    format!("{}\r\n\r\n{}\r\n", headers.join("\r\n"), lines(reply.text()))
}

/// No header may hold the end of a line.
fn line(text: &str) -> String {
    text.chars().filter(|sign| !sign.is_control()).collect()
}

/// A text in a header: as it is if that is possible, else in encoded words.
fn words(text: &str) -> String {
    let text = line(text);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" !#$%&'*+-/^_`{|}~.?:".contains(&byte);
    if text.bytes().all(is_plain) && !text.contains("=?") && text.len() <= BASE64_LINE {
        return text;
    }
    let mut words = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(WORD_BYTES));
        words.push(format!("=?utf-8?B?{}?=", STANDARD.encode(word)));
        rest = after;
    }
    words.join("\r\n ")
}

fn lines(text: &str) -> String {
    let encoded = STANDARD.encode(text);
    let mut lines = Vec::new();
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(BASE64_LINE));
        lines.push(line);
        rest = after;
    }
    lines.join("\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Seen;
    use crate::provider::Channel;

    #[test]
    fn what_was_written_is_read_again_whatever_it_was() {
        let subject = "Re: Café ✓ ".repeat(12);
        let text = "Ça va.\r\n.\r\nBcc: evil@example.com\r\n".repeat(9);
        let mut reply = Reply::new(Provider::Smtp, Channel::Email, "ana@example.com", &text);
        reply.subject = Some(subject.clone());
        reply.name = Some("Ana\r\nBcc: evil@example.com".into());
        let route = Route {
            account: String::new(),
            ours: "reply@mail.example.com".into(),
            answered: Some("m1@mail.example.com".into()),
        };
        let mail = write(&reply, &route, "id@example.com");
        let head = mail.split("\r\n\r\n").next().unwrap_or_default();
        assert!(
            !head.contains("\r\nBcc") && head.contains("In-Reply-To: <m1@mail.example.com>"),
            "{head}"
        );
        let seen = Seen::of_mail(mail.as_bytes());
        assert_eq!(seen.text, text);
        assert_eq!(seen.subject.trim_end(), subject.trim_end());
        assert_eq!(seen.from.as_deref(), Some("ana@example.com"));
    }
}
