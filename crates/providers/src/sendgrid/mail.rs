//! A mail as SendGrid's API takes it (documentation, "Mail Send").

use std::collections::BTreeMap;

use serde::Serialize;

use crate::key;
use crate::outgoing::{Attachment, EmailContent, MESSAGE_ID_TAG, Mailbox, OutgoingEmail};

#[derive(Serialize)]
pub(super) struct Body<'a> {
    personalizations: [Personalization<'a>; 1],
    from: Address<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Address<'a>>,
    subject: &'a str,
    content: Vec<Part<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<File<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'a str, String>,
}

#[derive(Serialize)]
struct Personalization<'a> {
    to: [Address<'a>; 1],
    /// Comes back with every event of the mail. Here and not beside it, so that it is this recipient's.
    custom_args: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Address<'a> {
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct Part<'a> {
    r#type: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
struct File<'a> {
    content: String,
    r#type: &'a str,
    filename: &'a str,
    disposition: &'static str,
}

impl<'a> Body<'a> {
    pub(super) fn of(email: &'a OutgoingEmail) -> Self {
        Self {
            personalizations: [Personalization {
                to: [Address::of(&email.to)],
                custom_args: BTreeMap::from([(MESSAGE_ID_TAG, email.id.to_string())]),
            }],
            from: Address::of(&email.from),
            reply_to: email.reply_to.as_ref().map(Address::of),
            subject: email.subject.expose(),
            content: parts(&email.content),
            attachments: email.attachments.iter().map(File::of).collect(),
            headers: email.further_headers().into_iter().collect(),
        }
    }
}

impl<'a> Address<'a> {
    fn of(mailbox: &'a Mailbox) -> Self {
        Self {
            email: mailbox.address(),
            name: mailbox.name(),
        }
    }
}

impl<'a> File<'a> {
    fn of(file: &'a Attachment) -> Self {
        Self {
            content: key::to_base64(file.bytes()),
            r#type: file.media_type(),
            filename: file.name(),
            disposition: "attachment",
        }
    }
}

/// The plain text has to come first.
fn parts(content: &EmailContent) -> Vec<Part<'_>> {
    let text = content.text().map(|value| Part {
        r#type: "text/plain",
        value,
    });
    let html = content.html().map(|value| Part {
        r#type: "text/html",
        value,
    });
    text.into_iter().chain(html).collect()
}
