//! Is this request genuine, and is it fresh?

use std::fmt;

use chrono::{DateTime, Utc};
use domain::EmailEventRecord;
use http::{HeaderMap, HeaderValue};
use ring::hmac::{HMAC_SHA256, Key};
use secrecy::{ExposeSecret as _, SecretString};

use super::error::EmailWebhookError;
use super::{body, time};
use crate::Verified;
use crate::key::{HmacKeys, tag};

/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "X-Signature";
/// The header with the time of sending.
pub const TIMESTAMP_HEADER: &str = "X-Timestamp";
/// How far the time of sending may lie from now, in either direction.
pub const TIMESTAMP_AGE_SECONDS_MAX: i64 = 300;

const SIGNATURE_PREFIX: &[u8] = b"sha256=";
const SIGNATURE_BYTES: usize = 32;

/// Checks the requests of one endpoint.
///
/// Holds the endpoint's secrets as HMAC states, so that a request does not pay for preparing them again. It is made
/// with ring rather than the `hmac` crate because this runs for every request, and where the processor has no SHA
/// instructions ring takes half the time or less.
#[derive(Clone)]
pub struct EmailVerifier {
    secrets: HmacKeys,
}

impl EmailVerifier {
    /// A verifier that takes a signature by any of `secrets`: two while a secret is being replaced, else one.
    ///
    /// An empty secret is left out, because everybody knows it. Without any secret, every request is refused.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let mut keys = HmacKeys::default();
        for secret in secrets {
            // The only one that is refused is the empty one.
            let _ = keys.add(HMAC_SHA256, secret.expose_secret().as_bytes());
        }
        Self { secrets: keys }
    }

    /// Checks and reads one request: its headers, and its body exactly as it came in.
    ///
    /// # Errors
    /// [`EmailWebhookError`] names the first thing that is wrong. Nothing of the body is looked at before the
    /// signature and the time have been found right.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: DateTime<Utc>,
    ) -> Result<Verified<EmailEventRecord>, EmailWebhookError> {
        let signature = header(headers, SIGNATURE_HEADER)?.as_bytes();
        let signature = decode(signature).ok_or(EmailWebhookError::SignatureMalformed)?;
        let timestamp = header(headers, TIMESTAMP_HEADER)?;
        if !self.secrets.vouch(&[timestamp.as_bytes(), b".", body], &[signature]) {
            return Err(EmailWebhookError::SignatureWrong);
        }
        let sent_at = timestamp
            .to_str()
            .ok()
            .and_then(time::parse)
            .ok_or(EmailWebhookError::TimestampMalformed)?;
        time::check_fresh(sent_at, now, TIMESTAMP_AGE_SECONDS_MAX)?;
        body::read(body, sent_at).map(Verified::vouch)
    }
}

/// Shows how many secrets there are.
impl fmt::Debug for EmailVerifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EmailVerifier")
            .field("secrets", &self.secrets.len())
            .finish()
    }
}

/// What a sender puts into `X-Signature` for a body that it sends with `timestamp` in `X-Timestamp`.
pub fn sign(secret: &SecretString, timestamp: &str, body: &[u8]) -> String {
    let key = Key::new(HMAC_SHA256, secret.expose_secret().as_bytes());
    hex::encode(tag(&key, &[timestamp.as_bytes(), b".", body]))
}

fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a HeaderValue, EmailWebhookError> {
    headers
        .get(name)
        .ok_or(EmailWebhookError::SignatureMissing { header: name })
}

fn decode(header: &[u8]) -> Option<[u8; SIGNATURE_BYTES]> {
    let digits = header.strip_prefix(SIGNATURE_PREFIX).unwrap_or(header);
    let mut signature = [0; SIGNATURE_BYTES];
    hex::decode_to_slice(digits, &mut signature).ok()?;
    Some(signature)
}
