//! What is written in a mail.

use mail_parser::decoders::html::html_to_text;
use mail_parser::{Address, MessageParser};

/// The longest link that is taken for one.
const LINK_BYTES_MAX: usize = 2_048;

/// A mail as the recipient sees it.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) subject: String,
    pub(crate) text: String,
    /// The address behind `From`.
    pub(crate) from: Option<String>,
    /// The address behind `Reply-To`.
    pub(crate) reply_to: Option<String>,
    /// `Message-ID` without its angle brackets.
    pub(crate) message_id: Option<String>,
    /// The first one in it.
    pub(crate) link: Option<String>,
}

impl Seen {
    /// Of parts that are known already. The text without markup is preferred.
    pub(crate) fn of_parts(subject: &str, text: &str, html: &str) -> Self {
        let text = if text.is_empty() {
            html_to_text(html)
        } else {
            text.to_owned()
        };
        Self {
            subject: subject.to_owned(),
            link: link(html).or_else(|| link(&text)),
            text,
            ..Self::default()
        }
    }

    /// Of a whole mail (RFC 5322, MIME).
    pub(crate) fn of_mail(raw: &[u8]) -> Self {
        let Some(mail) = MessageParser::default().parse(raw) else {
            return Self::default();
        };
        // Only what is written as HTML: of a plain text the parser would make some itself.
        let html = mail
            .html_part(0)
            .and_then(|part| part.is_text_html().then(|| part.text_contents()))
            .flatten();
        let text = mail.body_text(0).unwrap_or_default();
        let seen = Self::of_parts(mail.subject().unwrap_or_default(), &text, html.unwrap_or_default());
        Self {
            from: first_address(mail.from()),
            reply_to: first_address(mail.reply_to()),
            message_id: mail.message_id().map(str::to_owned),
            ..seen
        }
    }
}

fn first_address(list: Option<&Address<'_>>) -> Option<String> {
    let address = list?.first()?.address()?;
    is_address(address).then(|| address.to_owned())
}

/// The first thing in a text that looks like a link.
fn link(text: &str) -> Option<String> {
    let begin = text.find("https://").into_iter().chain(text.find("http://")).min()?;
    let rest = &text[begin..];
    let end = rest.find(|sign: char| sign.is_whitespace() || "\"'<>".contains(sign));
    let link = &rest[..end.unwrap_or(rest.len())];
    // In HTML an ampersand is written so.
    (link.len() <= LINK_BYTES_MAX).then(|| link.replace("&amp;", "&"))
}

/// The address in `Name <address>`; else all of it is the address.
pub(crate) fn address(mailbox: &str) -> &str {
    let parts = mailbox.trim().strip_suffix('>').and_then(|text| text.rsplit_once('<'));
    parts.map_or(mailbox, |(_, address)| address).trim()
}

/// Whether it looks like one.
pub(crate) fn is_address(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    let has_parts = parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    has_parts && !text.contains(|sign: char| sign.is_whitespace() || sign.is_control() || "<>,".contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_read_as_its_recipient_would() {
        let raw = "From: a@example.com\r\nSubject: =?utf-8?Q?Caf=C3=A9?=\r\nMessage-ID: <1@example.com>\r\n\
            Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
            <p>=C3=80 14:30 <a href=3D\"https://x.test/?a=3D1&amp;b=3D2\">here</a></p>\r\n";
        let seen = Seen::of_mail(raw.as_bytes());
        assert_eq!(
            (seen.subject.as_str(), seen.message_id.as_deref()),
            ("Café", Some("1@example.com"))
        );
        assert!(
            seen.text.contains("À 14:30") && !seen.text.contains('<'),
            "{}",
            seen.text
        );
        assert_eq!(seen.link.as_deref(), Some("https://x.test/?a=1&b=2"));
    }

    #[test]
    fn a_plain_text_is_taken_as_it_is() {
        let seen = Seen::of_mail(b"Subject: x\r\n\r\n1 < 2\r\nsee http://x.test/a.\r\n");
        assert_eq!(seen.text.trim_end(), "1 < 2\r\nsee http://x.test/a.");
        assert_eq!(
            (seen.link.as_deref(), seen.message_id),
            (Some("http://x.test/a."), None)
        );
    }

    #[test]
    fn an_address_is_found_in_its_mailbox() {
        assert_eq!(address("Ana \"<x>\" Example <ana@example.com>"), "ana@example.com");
        assert_eq!(address(" ana@example.com"), "ana@example.com");
        assert!(is_address("ana@example.com"));
        for odd in [
            "",
            "ana",
            "@example.com",
            "ana@",
            "a b@example.com",
            "<ana@example.com>",
        ] {
            assert!(!is_address(odd), "{odd}");
        }
    }
}
