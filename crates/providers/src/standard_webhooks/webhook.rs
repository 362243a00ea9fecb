//! Is this request genuine, and is it fresh?

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use super::error::StandardWebhookError;
use super::key::Keys;
use crate::event::{Event, News, Origin, Provider};
use crate::identity::identity;
use crate::json::{self, Fields as _};
use crate::key::{UnusableKey, base64, to_base64};
use crate::refusal::Unreadable;
use crate::{Request, Verified, time};

/// How far the time of sending may lie from now, in either direction.
pub const TIMESTAMP_AGE_SECONDS_MAX: i64 = 300;
/// How many ed25519 signatures of one request are checked. Senders make two while a key is replaced; each more would cost
/// a tenth of a millisecond, and anybody can write hundreds into a header.
pub const PUBLIC_SIGNATURES_MAX: usize = 8;

const SHARED_SIGNATURE_BYTES: usize = 32;
const PUBLIC_SIGNATURE_BYTES: usize = 64;

/// The names of the three headers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    id: &'static str,
    timestamp: &'static str,
    signature: &'static str,
}

/// The names in the specification.
pub(crate) const STANDARD: Family = Family {
    id: "webhook-id",
    timestamp: "webhook-timestamp",
    signature: "webhook-signature",
};
/// The names that Svix gives them.
pub(crate) const SVIX: Family = Family {
    id: "svix-id",
    timestamp: "svix-timestamp",
    signature: "svix-signature",
};

/// Checks the requests of one endpoint.
#[derive(Clone, Debug)]
pub struct StandardVerifier {
    keys: Keys,
}

/// What is known of a genuine request before its body is read.
pub(crate) struct Genuine<'a> {
    pub(crate) id: &'a [u8],
    pub(crate) sent_at: DateTime<Utc>,
}

impl StandardVerifier {
    /// A verifier that takes a signature by any of `keys`: two while one replaces the other, else one.
    ///
    /// A key is a shared secret, base64 with `whsec_` in front or without, or a public one with `whpk_` in front.
    /// Without any key, every request is refused.
    ///
    /// # Errors
    /// [`UnusableKey`] when one of them is something else.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a SecretString>) -> Result<Self, UnusableKey> {
        let mut usable = Keys::default();
        for key in keys {
            usable.add(key.expose_secret())?;
        }
        Ok(Self { keys: usable })
    }

    /// Checks and reads one request. The `webhook-…` headers are looked for, then the `svix-…` ones.
    ///
    /// # Errors
    /// [`StandardWebhookError`] names the first thing that is wrong. Nothing of the body is looked at before the
    /// signature and the time have been found right.
    pub fn verify(&self, request: &Request<'_>) -> Result<Verified<Event>, StandardWebhookError> {
        let genuine = self.check(request, [STANDARD, SVIX])?;
        Ok(Verified::vouch(read(request.body, &genuine)?))
    }

    /// Checks everything but the body's meaning, by the headers of the first family that is there as a whole.
    pub(crate) fn check<'a>(
        &self,
        request: &Request<'a>,
        families: [Family; 2],
    ) -> Result<Genuine<'a>, StandardWebhookError> {
        let [first, second] = families;
        let (id, timestamp, signatures) =
            headers(request, first).or_else(|missing| headers(request, second).map_err(|_| missing))?;
        // A dot in the id could be the one before the timestamp: the signature would fit, the parts would not.
        if id.contains(&b'.') {
            return Err(StandardWebhookError::IdMalformed);
        }
        let signatures = Signatures::read(signatures).ok_or(StandardWebhookError::SignatureMalformed)?;
        if !signatures.vouch(&self.keys, [id, b".", timestamp, b".", request.body]) {
            return Err(StandardWebhookError::SignatureWrong);
        }
        let sent_at = time::from_digits(timestamp).ok_or(StandardWebhookError::TimestampMalformed)?;
        time::check_fresh(sent_at, request.received_at, TIMESTAMP_AGE_SECONDS_MAX)?;
        Ok(Genuine { id, sent_at })
    }
}

/// What a sender puts into `webhook-signature`, for the id and the unix seconds that it sends with `body`.
///
/// # Errors
/// [`UnusableKey`] when `secret` is no shared secret.
pub fn sign(secret: &SecretString, id: &str, timestamp: &str, body: &[u8]) -> Result<String, UnusableKey> {
    let mut keys = Keys::default();
    keys.add(secret.expose_secret())?;
    let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    let tag = keys.shared.sign(&parts).ok_or(UnusableKey {
        reason: "is a public one, which signs nothing",
    })?;
    Ok(format!("v1,{}", to_base64(tag)))
}

type Headers<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn headers<'a>(request: &Request<'a>, family: Family) -> Result<Headers<'a>, StandardWebhookError> {
    let header = |name| {
        let missing = StandardWebhookError::SignatureMissing { header: name };
        request.header(name).ok_or(missing)
    };
    Ok((header(family.id)?, header(family.timestamp)?, header(family.signature)?))
}

/// The signatures of kinds that we know. Others are left out, as the specification asks.
struct Signatures {
    shared: Vec<Vec<u8>>,
    public: Vec<Vec<u8>>,
}

impl Signatures {
    /// `None` when there is not one.
    fn read(list: &[u8]) -> Option<Self> {
        let mut signatures = Self {
            shared: Vec::new(),
            public: Vec::new(),
        };
        for entry in list.split(|byte| *byte == b' ') {
            let (list, text, length) = if let Some(text) = entry.strip_prefix(b"v1,") {
                (&mut signatures.shared, text, SHARED_SIGNATURE_BYTES)
            } else if let Some(text) = entry.strip_prefix(b"v1a,") {
                (&mut signatures.public, text, PUBLIC_SIGNATURE_BYTES)
            } else {
                continue;
            };
            list.extend(base64(text).filter(|signature| signature.len() == length));
        }
        (!signatures.shared.is_empty() || !signatures.public.is_empty()).then_some(signatures)
    }

    fn vouch(&self, keys: &Keys, parts: [&[u8]; 5]) -> bool {
        if !self.shared.is_empty() && keys.shared.vouch(&parts, &self.shared) {
            return true;
        }
        if self.public.is_empty() || keys.public.is_empty() {
            return false;
        }
        let signed = parts.concat();
        let fits = |signature: &Vec<u8>| keys.public.iter().any(|key| key.verify(&signed, signature).is_ok());
        self.public.iter().take(PUBLIC_SIGNATURES_MAX).any(fits)
    }
}

fn read(body: &[u8], genuine: &Genuine<'_>) -> Result<Event, Unreadable> {
    let fields = json::object(body)?;
    let origin = Origin {
        provider: Provider::StandardWebhooks,
        kind: fields.text("type"),
        occurred_at: fields.instant("timestamp").unwrap_or(genuine.sent_at),
        account: None,
        raw: String::from_utf8_lossy(body).into_owned(),
    };
    let identity = identity([b"standard_webhooks", b"id".as_slice(), genuine.id]);
    Ok(origin.event(identity, News::Other))
}
