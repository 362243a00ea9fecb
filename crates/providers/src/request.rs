//! What a verifier is given.

use std::fmt;

use chrono::{DateTime, Utc};
use http::HeaderMap;

/// One request as it came in.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `POST`, `GET`.
    pub method: &'a str,
    /// The whole URL as the provider knows it: scheme, host, port if it has one, path, query, nothing decoded. Behind a
    /// proxy this is the public one, and the caller puts it together.
    pub url: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, every byte as it came in.
    pub body: &'a [u8],
    /// Now.
    pub received_at: DateTime<Utc>,
}

impl<'a> Request<'a> {
    /// A header that is there and not empty.
    pub(crate) fn header(&self, name: &str) -> Option<&'a [u8]> {
        let value = self.headers.get(name)?.as_bytes();
        (!value.is_empty()).then_some(value)
    }
}

/// Shows the sizes only: the URL may hold a token, the rest is somebody's message.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .field("received_at", &self.received_at)
            .finish_non_exhaustive()
    }
}
