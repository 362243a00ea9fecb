//! Files that go with a mail.

use std::fmt;

use lettre::message::header::ContentType;

use super::Line;

/// The most that the files of one mail may hold together, before they are encoded. A third is added by base64, and the
/// smallest limit that is common among mail servers is 20 MB.
pub const ATTACHMENTS_BYTES_MAX: usize = 10 * 1024 * 1024;

/// A media type that a file cannot have. Never repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the media type of an attachment is type/subtype, and not multipart/… or message/…")]
pub struct UnusableMediaType;

/// A file that goes with a mail.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    name: Line,
    media_type: String,
    bytes: Vec<u8>,
}

impl Attachment {
    /// # Errors
    /// [`UnusableMediaType`] when `media_type` is none, or one that would make the file a part of the mail's structure.
    pub fn new(name: &Line, media_type: &str, bytes: Vec<u8>) -> Result<Self, UnusableMediaType> {
        let essence = media_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let is_structure = essence.starts_with("multipart/") || essence.starts_with("message/");
        if is_structure || ContentType::parse(&essence).is_err() {
            return Err(UnusableMediaType);
        }
        Ok(Self {
            name: if name.is_empty() {
                Line::new("attachment")
            } else {
                name.clone()
            },
            media_type: essence,
            bytes,
        })
    }

    /// What the file is called.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.expose()
    }

    /// `application/pdf`, without parameters.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Shows type and size.
impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.media_type, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_a_type_and_no_structure() {
        let check = |text: &str, expected: Option<&str>| {
            let attachment = Attachment::new(&Line::new("a"), text, Vec::new()).ok();
            assert_eq!(attachment.as_ref().map(Attachment::media_type), expected, "{text}");
        };
        check("application/pdf", Some("application/pdf"));
        check("Text/CSV; charset=utf-8", Some("text/csv"));
        for refused in [
            "",
            "pdf",
            "multipart/mixed; boundary=a",
            "message/rfc822",
            "a/b\r\nBcc: c",
            "a/ b",
        ] {
            check(refused, None);
        }
    }
}
