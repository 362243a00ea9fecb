//! Files that go with a mail, fetched from where they lie when the mail is sent.
//!
//! Whoever may send mail names the addresses, so they are guarded ([`guard`](crate::guard)), also behind a redirect.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use providers::BaseUrl;
use providers::outgoing::{ATTACHMENTS_BYTES_MAX, Attachment, Line};
use reqwest::redirect;

use super::content::AttachmentUrl;
use crate::guard::{Guard, may_be_reached, usable};

/// The most files of one mail.
pub const FILES_MAX: usize = 10;
/// How long all files of a mail together may take. With a mail server's own limit it stays within a run's.
const FETCH_TIMEOUT: Duration = Duration::from_secs(4);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const REDIRECTS_MAX: usize = 3;
const MEDIA_TYPE_UNKNOWN: &str = "application/octet-stream";

/// Fetches files. A clone is the same.
#[derive(Clone, Debug)]
pub struct Files {
    http: reqwest::Client,
    stand_in: Option<BaseUrl>,
}

/// Why a file did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FileError {
    /// It may come later.
    #[error("a file of the mail could not be fetched")]
    Away,
    /// Its address is not one that files are fetched from, or nothing is there.
    #[error("a file of the mail is not where it was said to be")]
    Gone,
    /// Together they are more than a mail takes, or this one more than was said.
    #[error("the files of the mail are too large")]
    Large,
}

impl FileError {
    /// How it shows as the message's error code.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Away => "attachment_away",
            Self::Gone => "attachment_gone",
            Self::Large => "attachment_large",
        }
    }
}

impl Files {
    /// With a stand-in, whatever may be fetched is fetched from there.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn new(stand_in: Option<BaseUrl>) -> anyhow::Result<Self> {
        let guarded = redirect::Policy::custom(|attempt| {
            if attempt.previous().len() > REDIRECTS_MAX || !may_be_reached(attempt.url()) {
                attempt.stop()
            } else {
                attempt.follow()
            }
        });
        let client = reqwest::Client::builder()
            .user_agent(concat!("relais/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(FETCH_TIMEOUT)
            .redirect(guarded)
            .dns_resolver(Arc::new(Guard))
            .https_only(stand_in.is_none())
            .referer(false)
            .no_proxy()
            .build();
        let http = client.context("the HTTP client for files could not be set up")?;
        Ok(Self { http, stand_in })
    }

    /// Fetches all of them.
    pub(super) async fn fetch(&self, files: &[AttachmentUrl]) -> Result<Vec<Attachment>, FileError> {
        let fetched = async {
            let mut room = ATTACHMENTS_BYTES_MAX;
            let mut attachments = Vec::with_capacity(files.len());
            for file in files {
                let attachment = self.fetch_one(file, room).await?;
                room = room.saturating_sub(attachment.bytes().len());
                attachments.push(attachment);
            }
            Ok(attachments)
        };
        tokio::time::timeout(FETCH_TIMEOUT, fetched)
            .await
            .unwrap_or(Err(FileError::Away))
    }

    async fn fetch_one(&self, file: &AttachmentUrl, room: usize) -> Result<Attachment, FileError> {
        let url = usable(file.url.expose()).ok_or(FileError::Gone)?;
        let url = match &self.stand_in {
            Some(base) => base.join(
                url.host_str()
                    .into_iter()
                    .chain(url.path_segments().into_iter().flatten()),
            ),
            None => url,
        };
        let room = file
            .size_bytes
            .and_then(|size| usize::try_from(size).ok())
            .map_or(room, |size| room.min(size));
        let mut response = self.http.get(url).send().await.map_err(|_| FileError::Away)?;
        let status = response.status();
        if !status.is_success() {
            return Err(if status.is_server_error() || status.as_u16() == 429 {
                FileError::Away
            } else {
                FileError::Gone
            });
        }
        if response.content_length().is_some_and(|length| length > room as u64) {
            return Err(FileError::Large);
        }
        let told = response.headers().get(reqwest::header::CONTENT_TYPE);
        let told = told.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| FileError::Away)? {
            if bytes.len() + chunk.len() > room {
                return Err(FileError::Large);
            }
            bytes.extend_from_slice(&chunk);
        }
        let name = Line::new(file.name.expose());
        let media_type = file.media_type.as_deref().or(told.as_deref());
        let as_told = Attachment::new(&name, media_type.unwrap_or(MEDIA_TYPE_UNKNOWN), bytes.clone());
        as_told
            .or_else(|_| Attachment::new(&name, MEDIA_TYPE_UNKNOWN, bytes))
            .map_err(|_| FileError::Gone)
    }
}
