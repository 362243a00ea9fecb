//! Keys that requests are checked with. Two at once while one replaces the other.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{Algorithm, Context, Key, Tag};
use subtle::ConstantTimeEq as _;

/// A key that cannot be used. Never repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key {reason}")]
pub struct UnusableKey {
    /// What is wrong with it, to be read after "the key".
    pub reason: &'static str,
}

impl UnusableKey {
    pub(crate) const EMPTY: Self = Self { reason: "is empty" };
    pub(crate) const NOT_BASE64: Self = Self {
        reason: "is not base64",
    };
}

/// The keys of one endpoint, prepared so that a request does not pay for it again.
#[derive(Clone, Default)]
pub(crate) struct HmacKeys(Vec<Key>);

impl HmacKeys {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn add(&mut self, algorithm: Algorithm, secret: &[u8]) -> Result<(), UnusableKey> {
        if secret.is_empty() {
            return Err(UnusableKey::EMPTY);
        }
        self.0.push(Key::new(algorithm, secret));
        Ok(())
    }

    /// Whether one of the keys made one of `signatures` over `parts`, one after another.
    pub(crate) fn vouch<S: AsRef<[u8]>>(&self, parts: &[&[u8]], signatures: &[S]) -> bool {
        self.0.iter().any(|key| {
            let tag = tag(key, parts);
            signatures
                .iter()
                .any(|signature| tag.as_ref().ct_eq(signature.as_ref()).into())
        })
    }

    /// What the first key signs `parts` with.
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> Option<Tag> {
        self.0.first().map(|key| tag(key, parts))
    }
}

/// Shows how many there are.
impl fmt::Debug for HmacKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

/// What `key` signs `parts` with, one after another.
pub(crate) fn tag(key: &Key, parts: &[&[u8]]) -> Tag {
    let mut context = Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    context.sign()
}

/// Base64 with the padding it must have and no stray bits, so that no two texts stand for the same bytes.
pub(crate) fn base64(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// The reverse.
pub(crate) fn to_base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}
