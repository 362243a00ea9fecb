//! A mail as Resend's API takes it (documentation, "Send email"). The same mail is always written in the same bytes, as
//! its idempotency key demands.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::key;
use crate::outgoing::{Attachment, MESSAGE_ID_TAG, Mailbox, OutgoingEmail};

#[derive(Serialize)]
pub(super) struct Body<'a> {
    from: String,
    to: [String; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<String>,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<File<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'a str, String>,
    tags: [Tag; 1],
}

#[derive(Serialize)]
struct File<'a> {
    content: String,
    content_type: &'a str,
    filename: &'a str,
}

/// Letters, digits, `_` and `-` only: so is an id.
#[derive(Serialize)]
struct Tag {
    name: &'static str,
    value: String,
}

impl<'a> Body<'a> {
    pub(super) fn of(email: &'a OutgoingEmail) -> Self {
        Self {
            from: email.from.to_text(),
            to: [email.to.to_text()],
            reply_to: email.reply_to.as_ref().map(Mailbox::to_text),
            subject: email.subject.expose(),
            text: email.content.text(),
            html: email.content.html(),
            attachments: email.attachments.iter().map(File::of).collect(),
            headers: email.further_headers().into_iter().collect(),
            tags: [Tag {
                name: MESSAGE_ID_TAG,
                value: email.id.to_string(),
            }],
        }
    }
}

impl<'a> File<'a> {
    fn of(file: &'a Attachment) -> Self {
        Self {
            content: key::to_base64(file.bytes()),
            content_type: file.media_type(),
            filename: file.name(),
        }
    }
}
