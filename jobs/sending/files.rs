//! Files that go with a mail, fetched from where they lie when the mail is sent.
//!
//! Whoever may send mail names the addresses, so they are guarded: https alone, no address of this machine, of a private
//! network or of a link, neither written out nor as what a name resolves to, nor behind a redirect. The name is resolved
//! once, by the guard, and the connection goes to what it found: a name that changes in between gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use providers::BaseUrl;
use providers::outgoing::{ATTACHMENTS_BYTES_MAX, Attachment, Line};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;
use url::{Host, Url};

use super::content::AttachmentUrl;

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
            if attempt.previous().len() > REDIRECTS_MAX || !may_be_fetched(attempt.url()) {
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

/// The URL of a text, if files may be fetched from there as far as can be told without resolving its name.
#[must_use]
pub fn usable(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(may_be_fetched)
}

fn may_be_fetched(url: &Url) -> bool {
    let is_public = match url.host() {
        Some(Host::Domain(name)) => !name.eq_ignore_ascii_case("localhost") && name.contains('.'),
        Some(Host::Ipv4(address)) => is_public(address.into()),
        Some(Host::Ipv6(address)) => is_public(address.into()),
        None => false,
    };
    url.scheme() == "https" && is_public && url.username().is_empty() && url.password().is_none()
}

/// Resolves names to public addresses alone.
struct Guard;

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("no public address".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet (IANA's registries of special-purpose addresses).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(inner) => is_public_v4(inner),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = a == 0
        || a == 10
        || a == 127
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113);
    !is_special
}

/// Only global unicast, less what is set aside within it.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_global_unicast = (0x2000..0x4000).contains(&first);
    let is_documentation = first == 0x2001 && second == 0x0db8 || first == 0x3fff;
    let is_protocol = first == 0x2001 && second < 0x0200;
    is_global_unicast && !is_documentation && !is_protocol
}

/// The IPv4 address that an IPv6 address leads to: mapped, translated (64:ff9b::/96), 6to4 (2002::/16).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => address.to_ipv4_mapped(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_public_addresses_are_connected_to() {
        let check = |text: &str, expected| assert_eq!(is_public(text.parse().unwrap()), expected, "{text}");
        for public in [
            "93.184.216.34",
            "8.8.8.8",
            "100.63.255.255",
            "172.32.0.1",
            "2606:4700::1111",
            "64:ff9b::808:808",
        ] {
            check(public, true);
        }
        for inner in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            check(inner, false);
        }
    }

    #[test]
    fn only_https_to_a_public_looking_host_is_taken() {
        let check = |text: &str, expected| assert_eq!(usable(text).is_some(), expected, "{text}");
        check("https://files.example.com/a.pdf", true);
        for refused in [
            "http://files.example.com/a.pdf",
            "https://localhost/a",
            "https://intranet/a",
            "https://127.0.0.1/a",
            "https://2130706433/a",
            "https://0x7f.1/a",
            "https://[::1]/a",
            "https://user:secret@files.example.com/a",
            "file:///etc/passwd",
            "ftp://files.example.com/a",
            "",
        ] {
            check(refused, false);
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_resolved() {
        let name: Name = "localhost".parse().unwrap();
        assert!(Guard.resolve(name).await.is_err());
    }
}
