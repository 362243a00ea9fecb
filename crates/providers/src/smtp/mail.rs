//! Writes a mail as a server takes it (RFC 5322, MIME).

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use lettre::Message;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment as LettreAttachment, Body, MultiPart, SinglePart};

use super::Dkim;
use crate::outgoing::{Attachment, EmailContent, OutgoingEmail};
use crate::send_error::{Class, SendError};

/// The most that the headers of a signed mail take. lettre canonicalises them by one call inside another for each
/// character, so that a few times as many would overflow the stack, which ends the process.
const SIGNED_HEADERS_BYTES_MAX: usize = 8 * 1024;

/// The bytes of `email`, dated `now`. All of them are ASCII, whatever the mail says.
pub(super) fn write(email: &OutgoingEmail, now: DateTime<Utc>, dkim: Option<&Dkim>) -> Result<Vec<u8>, SendError> {
    let unusable = |detail| SendError::rejected(Class::Content, "message", detail);
    let mut message = build(email, now).ok_or_else(|| unusable("no mail can be written of this message"))?;
    if let Some(dkim) = dkim {
        if message.headers().to_string().len() > SIGNED_HEADERS_BYTES_MAX {
            return Err(unusable("the headers are too long to be signed"));
        }
        dkim.sign(&mut message);
    }
    Ok(message.formatted())
}

fn build(email: &OutgoingEmail, now: DateTime<Utc>) -> Option<Message> {
    let mut builder = Message::builder()
        .date(SystemTime::from(now))
        .message_id(Some(format!("<{}>", email.message_id())))
        .from(email.from.to_lettre())
        .to(email.to.to_lettre())
        .subject(email.subject.expose());
    if let Some(reply_to) = &email.reply_to {
        builder = builder.reply_to(reply_to.to_lettre());
    }
    for (name, value) in email.further_headers() {
        let name = HeaderName::new_from_ascii(name.to_owned()).ok()?;
        builder = builder.raw_header(HeaderValue::new(name, value));
    }
    let message = if email.attachments.is_empty() {
        match content(email)? {
            Content::Single(part) => builder.singlepart(part),
            Content::Alternative(part) => builder.multipart(part),
        }
    } else {
        builder.multipart(with_attachments(email)?)
    };
    message.ok()
}

enum Content {
    Single(SinglePart),
    Alternative(MultiPart),
}

fn content(email: &OutgoingEmail) -> Option<Content> {
    Some(match &email.content {
        EmailContent::Text(text) => Content::Single(text_part(text.expose(), ContentType::TEXT_PLAIN)?),
        EmailContent::Html(html) => Content::Single(text_part(html.expose(), ContentType::TEXT_HTML)?),
        // The last one is what is shown by programs that can (RFC 2046, 5.1.4).
        EmailContent::Both { text, html } => Content::Alternative(
            MultiPart::alternative()
                .boundary(boundary(email, "alternative"))
                .singlepart(text_part(text.expose(), ContentType::TEXT_PLAIN)?)
                .singlepart(text_part(html.expose(), ContentType::TEXT_HTML)?),
        ),
    })
}

fn with_attachments(email: &OutgoingEmail) -> Option<MultiPart> {
    let mixed = MultiPart::mixed().boundary(boundary(email, "mixed"));
    let mixed = match content(email)? {
        Content::Single(part) => mixed.singlepart(part),
        Content::Alternative(part) => mixed.multipart(part),
    };
    let mut files = email.attachments.iter().map(file_part);
    files.try_fold(mixed, |mixed, file| Some(mixed.singlepart(file?)))
}

/// No part can contain it: `=` is followed by a hex digit or a line break in quoted-printable, and by nothing but `=` in
/// base64 (RFC 2045, 6.7). It follows from the message's id, so that a mail that is written twice is the same twice.
fn boundary(email: &OutgoingEmail, kind: &str) -> String {
    format!("=_{}_{kind}", email.id.0.simple())
}

/// Always in quoted-printable, also where plain text would do: see [`boundary`].
fn text_part(text: &str, content_type: ContentType) -> Option<SinglePart> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{fffd}");
    let body = Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable).ok()?;
    Some(SinglePart::builder().header(content_type).body(body))
}

fn file_part(file: &Attachment) -> Option<SinglePart> {
    let content_type = ContentType::parse(file.media_type()).ok()?;
    let body = Body::new_with_encoding(file.bytes().to_vec(), ContentTransferEncoding::Base64).ok()?;
    Some(LettreAttachment::new(file.name().to_owned()).body(body, content_type))
}
