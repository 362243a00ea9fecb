//! How providers are called over HTTP.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};
use reqwest::{Method, RequestBuilder, Response, redirect, retry};
use url::Url;

use crate::excerpt::Asked;
use crate::send_error::{Class, Failure, SendError};
use crate::wait;

/// How long connecting may take, name, TCP and TLS together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call may take in all, until the last byte of its answer.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// How long an idle connection is kept. Shorter than servers keep theirs, so that a request seldom meets one that the
/// server is just closing: it could not be told whether that request arrived.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// How much of an answer is read. A page of a hundred messages is a tenth of it.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The HTTP client that all providers share. A clone is the same client.
///
/// One call is one attempt: it follows no redirect, repeats nothing and uses no proxy.
#[derive(Clone, Debug)]
pub struct HttpClient(reqwest::Client);

/// The machine has no certificates to check servers by, or its TLS does not work.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be set up; are root certificates installed?")]
pub struct HttpUnavailable(#[source] reqwest::Error);

/// What a provider answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Empty when it did not come whole, or was longer than is read: then the status alone has to tell.
    pub(crate) body: Vec<u8>,
    asked: Asked,
}

impl HttpClient {
    /// # Errors
    /// [`HttpUnavailable`] when TLS cannot be set up on this machine.
    pub fn new() -> Result<Self, HttpUnavailable> {
        Self::with_timeouts(CONNECT_TIMEOUT, CALL_TIMEOUT)
    }

    /// A client with other limits than [`CONNECT_TIMEOUT`] and [`CALL_TIMEOUT`].
    ///
    /// # Errors
    /// [`HttpUnavailable`] when TLS cannot be set up on this machine.
    pub fn with_timeouts(connect: Duration, call: Duration) -> Result<Self, HttpUnavailable> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("relais/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(connect)
            .timeout(call)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .build();
        client.map(Self).map_err(HttpUnavailable)
    }

    pub(crate) fn post(&self, url: Url) -> RequestBuilder {
        self.0.request(Method::POST, url)
    }

    pub(crate) fn get(&self, url: Url) -> RequestBuilder {
        self.0.request(Method::GET, url)
    }
}

/// Makes one call. `route` is its path, with names in place of whatever is of one account.
///
/// # Errors
/// Without an answer: [`Failure::Unreachable`] when no connection came about, so that no byte of the request went out,
/// else [`Failure::Unclear`].
pub(crate) async fn call(request: RequestBuilder, route: &str) -> Result<Answer, SendError> {
    let (client, request) = request.build_split();
    let request = request.map_err(|error| lost(&error))?;
    let asked = Asked::of(&request, route);
    let sent = client.execute(request).await;
    let mut response = sent.map_err(|error| lost(&error).about(asked.unanswered()))?;
    Ok(Answer {
        asked,
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body: whole_body(&mut response, ANSWER_BYTES_MAX).await,
    })
}

/// What was answered; nothing if it did not come whole, or is longer than so many bytes.
pub async fn whole_body(response: &mut Response, bytes_max: usize) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= bytes_max => body.extend_from_slice(&chunk),
            Ok(None) => return body,
            Ok(Some(_)) | Err(_) => return Vec::new(),
        }
    }
}

/// Tells whether the request can have arrived. What the error says is left out: it names the URL, which may hold a token.
fn lost(error: &reqwest::Error) -> SendError {
    let (failure, code, detail) = if error.is_builder() {
        let failure = Failure::Rejected(Class::Configuration);
        (failure, "request", "no request can be made of these settings")
    } else if error.is_connect() {
        (
            Failure::Unreachable,
            "connect",
            "no connection to the provider came about",
        )
    } else if error.is_timeout() {
        (Failure::Unclear, "timeout", "the provider did not answer in time")
    } else {
        (
            Failure::Unclear,
            "connection",
            "the connection was lost before the provider's answer",
        )
    };
    SendError::new(failure, code, detail)
}

impl Answer {
    /// What its status alone tells, for whatever a provider's own table does not have.
    pub(crate) fn error(&self, now: DateTime<Utc>) -> SendError {
        let (failure, detail) = match self.status.as_u16() {
            401 => (Failure::Unauthorized, "the provider does not take the credentials"),
            408 => (Failure::Deferred, "the provider did not wait for the whole request"),
            429 => (Failure::RateLimited, "too many requests"),
            // Whatever failed there may have failed after the message was on its way.
            500..=599 => (Failure::Unclear, "the provider has a fault"),
            400..=499 => (
                Failure::Rejected(Class::Unknown),
                "the provider refused for a reason that is not documented",
            ),
            // A redirect, or an answer that is none: the base URL is somebody else's.
            _ => (
                Failure::Rejected(Class::Configuration),
                "the provider's API does not answer like this",
            ),
        };
        SendError::new(failure, format!("http_{}", self.status.as_u16()), detail).not_before(self.asked(now))
    }

    /// The error that this answer means, with what may be kept of the call.
    pub(crate) fn blamed(&self, error: SendError) -> SendError {
        error.about(self.asked.answered(self.status, &self.headers, &self.body))
    }

    /// The moment from which on the provider takes requests again, if it named one.
    pub(crate) fn asked(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        wait::asked(&self.headers, now)
    }
}
