//! Webhooks to tenants: what they want to be told is posted to an address of theirs, signed by Standard Webhooks.
//!
//! | header | holds |
//! |---|---|
//! | `webhook-id` | what is told, the same on every attempt |
//! | `webhook-timestamp` | when this attempt is made, unix seconds |
//! | `webhook-signature` | `v1,` and the HMAC-SHA256 of `{id}.{timestamp}.{body}` in base64 |
//!
//! The address is the tenant's choice, so it is guarded anew at every attempt ([`guard`](crate::guard)), and no redirect is
//! followed. Only the installation's own ([`OwnHook`]) may lie anywhere. Source: the Standard Webhooks specification.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use providers::{Asked, BaseUrl, Excerpt, standard_webhooks, whole_body};
use queue::JobError;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{StatusCode, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use store::HotLeadHook;
use url::Url;

use crate::guard::{Guard, usable};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The specification asks senders to wait for 15 to 30 seconds; a run has no more than the former.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// How much of an answer is read. Who is posted to may be anybody.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How many bytes the secret of a sender has (the Standard Webhooks specification, "Signature scheme").
pub const SECRET_BYTES: RangeInclusive<usize> = 24..=64;

/// Posts webhooks. A clone is the same.
#[derive(Clone, Debug)]
pub struct Hooks {
    http: reqwest::Client,
    stand_in: Option<BaseUrl>,
}

/// Why a webhook was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// Its address or secret is not one that webhooks go by.
    #[error("the webhook's address or secret cannot be used")]
    Unusable,
    /// Nobody answered, or not in time.
    #[error("the webhook's address did not answer")]
    Away,
    /// It was answered with this status.
    #[error("the webhook was answered {0}")]
    Refused(u16),
    /// It was answered with this status, and is to be posted again so much later.
    #[error("the webhook was answered {0}")]
    Later(u16, Duration),
}

/// A webhook that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untaken {
    /// Why.
    pub error: HookError,
    /// What may be kept of the call, if one was made: neither where it went nor what it is signed with.
    pub call: Option<Box<Excerpt>>,
}

impl From<HookError> for Untaken {
    fn from(error: HookError) -> Self {
        Self { error, call: None }
    }
}

impl HookError {
    /// What it means for the job that posts. Whoever asks for a later time is heeded, but not believed: the post has failed
    /// once more, so that it comes to an end.
    #[must_use]
    pub fn meaning(self) -> JobError {
        match self {
            // "The endpoint is gone": the specification has senders stop.
            Self::Unusable | Self::Refused(410) => JobError::Dead(self.to_string()),
            Self::Later(_, wait) => JobError::RetryNotBefore(wait, self.into()),
            Self::Away | Self::Refused(_) => self.into(),
        }
    }
}

impl Hooks {
    /// With a stand-in, whatever may be posted to is posted to there.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn new(stand_in: Option<BaseUrl>) -> anyhow::Result<Self> {
        let guarded = client().dns_resolver(Arc::new(Guard)).https_only(stand_in.is_none());
        let http = guarded
            .build()
            .context("the HTTP client for webhooks could not be set up")?;
        Ok(Self { http, stand_in })
    }

    /// Posts what `id` names to a tenant, once. Whatever is answered with a 2xx was taken.
    ///
    /// # Errors
    /// [`Untaken`] says why it was not taken, without the address and whatever the answer repeats.
    pub async fn post(&self, hook: &HotLeadHook, id: &str, told: &Value, now: DateTime<Utc>) -> Result<(), Untaken> {
        let url = usable(hook.url.expose_secret()).ok_or(HookError::Unusable)?;
        let url = match &self.stand_in {
            Some(base) => base.join(
                url.host_str()
                    .into_iter()
                    .chain(url.path_segments().into_iter().flatten()),
            ),
            None => url,
        };
        send(&self.http, url, &hook.secret, id, told, now).await
    }
}

/// Posts webhooks to whoever runs the installation. Where that is stands in its settings, so it may be http and on a private
/// network: nobody else chooses it. No redirect is followed either.
#[derive(Clone, Debug)]
pub struct OwnHook {
    http: reqwest::Client,
    url: Url,
    secret: SecretString,
}

impl OwnHook {
    /// What goes to `url` is signed with `secret`.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn new(url: Url, secret: SecretString) -> anyhow::Result<Self> {
        let http = client()
            .build()
            .context("the HTTP client for webhooks could not be set up")?;
        Ok(Self { http, url, secret })
    }

    /// Posts what `id` names, once. Whatever is answered with a 2xx was taken.
    ///
    /// # Errors
    /// [`HookError`] says why it was not taken, without the address and the answer's text.
    pub async fn post(&self, id: &str, told: &Value, now: DateTime<Utc>) -> Result<(), HookError> {
        let sent = send(&self.http, self.url.clone(), &self.secret, id, told, now).await;
        sent.map_err(|untaken| untaken.error)
    }
}

fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("relais/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
}

async fn send(
    http: &reqwest::Client,
    url: Url,
    secret: &SecretString,
    id: &str,
    told: &Value,
    now: DateTime<Utc>,
) -> Result<(), Untaken> {
    let (timestamp, body) = (now.timestamp().to_string(), told.to_string());
    let signature = standard_webhooks::sign(secret, id, &timestamp, body.as_bytes());
    let request = http
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signature.map_err(|_| HookError::Unusable)?)
        .body(body);
    let request = request.build().map_err(|_| HookError::Unusable)?;
    let asked = asked(&request, secret);
    let untaken = |error, call| Untaken {
        error,
        call: Some(Box::new(call)),
    };
    let answer = http.execute(request).await;
    let mut answer = answer.map_err(|_| untaken(HookError::Away, asked.unanswered()))?;
    let error = match (answer.status(), wait(answer.headers())) {
        (status, _) if status.is_success() => return Ok(()),
        (status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE), Some(wait)) => {
            HookError::Later(status.as_u16(), wait)
        }
        (status, _) => HookError::Refused(status.as_u16()),
    };
    let body = whole_body(&mut answer, ANSWER_BYTES_MAX).await;
    Err(untaken(error, asked.answered(answer.status(), answer.headers(), &body)))
}

/// What may be told of a call: the address is its owner's own, every part of it, and so is the secret.
fn asked(request: &reqwest::Request, secret: &SecretString) -> Asked {
    let url = request.url();
    let parts = url
        .host_str()
        .into_iter()
        .chain(url.path_segments().into_iter().flatten());
    let secret = secret.expose_secret();
    let signed = request.headers().get("webhook-signature");
    let signed = signed.and_then(|signature| signature.to_str().ok());
    let signed = signed.into_iter().chain([secret, secret.trim_start_matches("whsec_")]);
    parts.chain(signed).fold(Asked::of(request, "{webhook}"), Asked::hiding)
}

/// Whether webhooks may be posted to this address, as far as can be told without resolving its name.
#[must_use]
pub fn may_be_told(url: &str) -> bool {
    usable(url).is_some()
}

/// Whether what is posted can be signed with this: a shared secret of Standard Webhooks, `whsec_` and the base64 of
/// [`SECRET_BYTES`].
#[must_use]
pub fn may_sign(secret: &SecretString) -> bool {
    let key = secret.expose_secret().strip_prefix("whsec_");
    let key = key.and_then(|key| STANDARD.decode(key).ok());
    key.is_some_and(|key| SECRET_BYTES.contains(&key.len()))
}

/// The seconds of `Retry-After`, if it has seconds.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_that_is_gone_is_left_alone_and_every_other_answer_is_tried_again() {
        let meaning = HookError::meaning;
        assert!(matches!(meaning(HookError::Refused(410)), JobError::Dead(_)));
        assert!(matches!(meaning(HookError::Unusable), JobError::Dead(_)));
        for status in [302, 400, 401, 404, 500, 503] {
            assert!(
                matches!(meaning(HookError::Refused(status)), JobError::Retry(_)),
                "{status}"
            );
        }
        assert!(matches!(meaning(HookError::Away), JobError::Retry(_)));
        let later = HookError::Later(503, Duration::from_secs(7));
        assert!(matches!(meaning(later), JobError::RetryNotBefore(wait, _) if wait.as_secs() == 7));
    }

    #[test]
    fn a_secret_has_as_many_bytes_as_the_specification_asks_for() {
        let check = |bytes: usize, expected| {
            let secret = format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
            assert_eq!(may_sign(&secret.into()), expected, "{bytes}");
        };
        for (bytes, expected) in [(0, false), (1, false), (23, false), (24, true), (64, true), (65, false)] {
            check(bytes, expected);
        }
        for other in [
            STANDARD.encode([7; 32]),
            "whsec_?".into(),
            "whpk_AAAA".into(),
            String::new(),
        ] {
            assert!(!may_sign(&other.clone().into()), "{other}");
        }
    }

    #[tokio::test]
    async fn nothing_is_posted_inwards() {
        let hooks = Hooks::new(None).unwrap();
        for url in [
            "https://127.0.0.1/",
            "http://hooks.example.com/",
            "https://169.254.169.254/latest",
        ] {
            let hook = HotLeadHook {
                url: url.into(),
                secret: "whsec_YW4taW52ZW50ZWQtc2VjcmV0".into(),
            };
            let posted = hooks.post(&hook, "1", &Value::Null, DateTime::UNIX_EPOCH).await;
            assert_eq!(posted, Err(HookError::Unusable.into()), "{url}");
        }
    }
}
