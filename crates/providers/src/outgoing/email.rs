//! A mail.

use domain::{MessageId, PersonalText};
use url::Url;

use super::{ATTACHMENTS_BYTES_MAX, Attachment, ExtraHeader, Line, Mailbox};
use crate::send_error::{Class, SendError};

/// The longest link to unsubscribe: it has to fit into one line of a header.
const LINK_BYTES_MAX: usize = 900;

/// A mail to one person. Several recipients are several mails, so that each has its own fate.
#[derive(Clone, Debug)]
pub struct OutgoingEmail {
    /// Our own id of the message. Whatever place a provider has for it is filled with it.
    pub id: MessageId,
    /// Who it comes from.
    pub from: Mailbox,
    /// Where answers go, if not there.
    pub reply_to: Option<Mailbox>,
    /// Who it goes to.
    pub to: Mailbox,
    /// The subject.
    pub subject: Line,
    /// The text.
    pub content: EmailContent,
    /// Files, together at most [`ATTACHMENTS_BYTES_MAX`].
    pub attachments: Vec<Attachment>,
    /// How to unsubscribe from it.
    pub unsubscribe: Option<Unsubscribe>,
    /// Further headers.
    pub headers: Vec<ExtraHeader>,
}

/// What a mail says: a text, a page, or the same in both forms.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the form of its name")]
pub enum EmailContent {
    Text(PersonalText),
    Html(PersonalText),
    Both { text: PersonalText, html: PersonalText },
}

/// A link that a mail program cannot be given to unsubscribe by. Never repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a link to unsubscribe is http or https and at most {LINK_BYTES_MAX} bytes")]
pub struct UnusableLink;

/// A link that unsubscribes, for the headers that mail programs show a button for (RFC 2369, RFC 8058).
#[derive(Clone, PartialEq, Eq)]
pub struct Unsubscribe(Url);

impl OutgoingEmail {
    /// The `Message-ID` that the mail gets wherever we write its headers, without the angle brackets. It follows from
    /// [`id`](Self::id) and so is known before the mail is sent, and the same however often that is tried.
    #[must_use]
    pub fn message_id(&self) -> String {
        format!("{}@{}", self.id, self.from.domain())
    }

    /// Whether its files are more than one mail takes.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        let bytes: usize = self.attachments.iter().map(|file| file.bytes().len()).sum();
        bytes > ATTACHMENTS_BYTES_MAX
    }

    /// All that it tells whoever takes it, for whoever masks what they repeat of it.
    pub(crate) fn told(&self) -> Vec<&str> {
        let mut told = vec![self.subject.expose()];
        for mailbox in [Some(&self.from), self.reply_to.as_ref(), Some(&self.to)]
            .into_iter()
            .flatten()
        {
            told.push(mailbox.address());
            told.extend(mailbox.name());
        }
        told.extend(self.content.text());
        told.extend(self.content.html());
        told.extend(self.headers.iter().map(|header| header.value().expose()));
        told
    }

    pub(crate) fn check_size(&self) -> Result<(), SendError> {
        if self.is_too_large() {
            return Err(SendError::rejected(
                Class::Content,
                "size",
                "the attachments are too large",
            ));
        }
        Ok(())
    }

    /// Headers beside those that every mail has.
    pub(crate) fn further_headers(&self) -> Vec<(&str, String)> {
        let mut headers: Vec<(&str, String)> = Vec::new();
        headers.extend(self.unsubscribe.iter().flat_map(Unsubscribe::headers));
        let extra = self.headers.iter();
        headers.extend(extra.map(|header| (header.name(), header.value().expose().to_owned())));
        headers
    }
}

impl EmailContent {
    /// The text without markup.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Both { text, .. } => Some(text.expose()),
            Self::Html(_) => None,
        }
    }

    /// The page.
    #[must_use]
    pub fn html(&self) -> Option<&str> {
        match self {
            Self::Html(html) | Self::Both { html, .. } => Some(html.expose()),
            Self::Text(_) => None,
        }
    }
}

impl Unsubscribe {
    /// A link that unsubscribes whoever posts to it.
    ///
    /// # Errors
    /// [`UnusableLink`] when it is not for the web, or too long for a header.
    pub fn new(link: Url) -> Result<Self, UnusableLink> {
        let is_web = matches!(link.scheme(), "http" | "https");
        (is_web && link.as_str().len() <= LINK_BYTES_MAX)
            .then_some(Self(link))
            .ok_or(UnusableLink)
    }

    /// The two headers. The second one makes it one click, which is for https alone.
    fn headers(&self) -> Vec<(&str, String)> {
        let mut headers = vec![("List-Unsubscribe", format!("<{}>", self.0))];
        if self.0.scheme() == "https" {
            headers.push(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
        }
        headers
    }
}

/// Hides the link: it names a person.
impl std::fmt::Debug for Unsubscribe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a link")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_link_to_unsubscribe_cannot_leave_its_brackets() {
        let check = |link: &str, expected: Option<&str>| {
            let unsubscribe = Unsubscribe::new(Url::parse(link).unwrap()).ok();
            let header = unsubscribe.map(|link| link.headers().swap_remove(0).1);
            assert_eq!(header.as_deref(), expected, "{link}");
        };
        check("https://example.com/u?t=1", Some("<https://example.com/u?t=1>"));
        check(
            "https://example.com/u>,<mailto:a@b?x> y",
            Some("<https://example.com/u%3E,%3Cmailto:a@b?x%3E%20y>"),
        );
        check("https://example.com/\r\nBcc:a", Some("<https://example.com/Bcc:a>"));
        check("mailto:a@example.com", None);
        check(&format!("https://example.com/{}", "a".repeat(LINK_BYTES_MAX)), None);
    }
}
