//! Is this request genuine, and is it fresh?

use std::fmt;

use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use secrecy::{ExposeSecret as _, SecretString};

use super::body;
use super::error::SendGridWebhookError;
use crate::event::Event;
use crate::key::{self, UnusableKey};
use crate::{Request, Verified, time};

/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "X-Twilio-Email-Event-Webhook-Signature";
/// The header with the time of sending.
pub const TIMESTAMP_HEADER: &str = "X-Twilio-Email-Event-Webhook-Timestamp";
/// How far the time of sending may lie from now, in either direction, unless a verifier is told otherwise.
pub const TIMESTAMP_AGE_SECONDS_MAX: i64 = 300;

/// What stands before the point in every `SubjectPublicKeyInfo` of an uncompressed P-256 key: the lengths and the two
/// object identifiers, ecPublicKey and prime256v1 (RFC 5480).
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// An uncompressed point: a 4, then two coordinates.
const POINT_BYTES: usize = 65;

/// Checks the requests of one endpoint.
#[derive(Clone)]
pub struct SendGridVerifier {
    keys: Vec<UnparsedPublicKey<Vec<u8>>>,
    age_seconds_max: i64,
}

impl SendGridVerifier {
    /// A verifier that takes a signature by any of `keys`: two while one replaces the other, else one.
    ///
    /// A key is what SendGrid shows as the verification key: base64 of a `SubjectPublicKeyInfo`. The lines of a PEM file
    /// around it are taken too. Without any key, every request is refused.
    ///
    /// # Errors
    /// [`UnusableKey`] when one of them is something else.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a SecretString>) -> Result<Self, UnusableKey> {
        let keys = keys.into_iter().map(|key| public_key(key.expose_secret()));
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
            age_seconds_max: TIMESTAMP_AGE_SECONDS_MAX,
        })
    }

    /// Takes requests of another age. SendGrid repeats for up to 24 hours and does not say whether a repeated request is
    /// signed anew, so a tenant who sees refusals may need more than the usual five minutes.
    #[must_use]
    pub fn with_age_seconds_max(self, age_seconds_max: i64) -> Self {
        Self {
            age_seconds_max,
            ..self
        }
    }

    /// Checks and reads one request. The events come in the order in which they were sent; one that was sent twice comes
    /// twice, with one identity.
    ///
    /// # Errors
    /// [`SendGridWebhookError`] names the first thing that is wrong. Nothing of the body is looked at before the
    /// signature and the time have been found right.
    pub fn verify(&self, request: &Request<'_>) -> Result<Verified<Vec<Event>>, SendGridWebhookError> {
        use SendGridWebhookError as E;
        let header = |name| request.header(name).ok_or(E::SignatureMissing { header: name });
        let signature = key::base64(header(SIGNATURE_HEADER)?).ok_or(E::SignatureMalformed)?;
        let timestamp = header(TIMESTAMP_HEADER)?;
        let signed = [timestamp, request.body].concat();
        if !self.keys.iter().any(|key| key.verify(&signed, &signature).is_ok()) {
            return Err(E::SignatureWrong);
        }
        let sent_at = time::from_digits(timestamp).ok_or(E::TimestampMalformed)?;
        time::check_fresh(sent_at, request.received_at, self.age_seconds_max)?;
        Ok(Verified::vouch(body::read(request.body, sent_at)?))
    }
}

/// Shows how many keys there are.
impl fmt::Debug for SendGridVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendGridVerifier")
            .field("keys", &self.keys.len())
            .field("age_seconds_max", &self.age_seconds_max)
            .finish()
    }
}

fn public_key(text: &str) -> Result<UnparsedPublicKey<Vec<u8>>, UnusableKey> {
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    let base64: String = lines.flat_map(str::split_whitespace).collect();
    if base64.is_empty() {
        return Err(UnusableKey::EMPTY);
    }
    let der = key::base64(base64).ok_or(UnusableKey::NOT_BASE64)?;
    let point = der.strip_prefix(&SPKI_P256).filter(|point| point.len() == POINT_BYTES);
    let point = point.ok_or(UnusableKey {
        reason: "is not a public key of the curve P-256 in SubjectPublicKeyInfo form",
    })?;
    Ok(UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point.to_vec()))
}
