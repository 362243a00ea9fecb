//! What events are signed with: ECDSA, P-256, SHA-256.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::unusable::Unusable;

/// What stands before the point in the public key's `SubjectPublicKeyInfo` (RFC 5480).
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A pair of keys. A clone is the same pair.
#[derive(Clone)]
pub struct SendGridKey(Arc<Pair>);

struct Pair {
    pkcs8: Vec<u8>,
    pair: EcdsaKeyPair,
}

impl SendGridKey {
    /// A pair that was kept.
    ///
    /// # Errors
    /// [`Unusable`] when it is no PKCS #8 of a key of P-256.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, Unusable> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8, &SystemRandom::new());
        let pair = pair.map_err(|_| Unusable("a signing key is a PKCS #8 of P-256"))?;
        let pkcs8 = pkcs8.to_vec();
        Ok(Self(Arc::new(Pair { pkcs8, pair })))
    }

    /// The pair, to be kept: secret.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.0.pkcs8
    }

    /// What SendGrid shows as the verification key: base64 of a `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key(&self) -> String {
        STANDARD.encode([&SPKI_P256, self.0.pair.public_key().as_ref()].concat())
    }

    /// Base64 of the ASN.1 form.
    pub(super) fn sign(&self, text: &[u8]) -> String {
        let signature = self.0.pair.sign(&SystemRandom::new(), text);
        STANDARD.encode(signature.expect("the system gives random numbers"))
    }
}

/// A new pair.
impl Default for SendGridKey {
    fn default() -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        let pkcs8 = pkcs8.expect("the system gives random numbers");
        Self::from_pkcs8(pkcs8.as_ref()).expect("what was generated can be read")
    }
}

impl<'de> Deserialize<'de> for SendGridKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let pkcs8 = STANDARD
            .decode(text)
            .map_err(|_| D::Error::custom("a signing key is base64"))?;
        Self::from_pkcs8(&pkcs8).map_err(D::Error::custom)
    }
}

/// Shows that there is one.
impl fmt::Debug for SendGridKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendGridKey")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_pair_that_was_kept_is_the_same() {
        let key = SendGridKey::default();
        let json = serde_json::json!(STANDARD.encode(key.pkcs8()));
        let kept: SendGridKey = serde_json::from_value(json).unwrap();
        assert_eq!(kept.public_key(), key.public_key());
        assert_ne!(SendGridKey::default().public_key(), key.public_key());
        assert!(serde_json::from_value::<SendGridKey>("AAAA".into()).is_err());
    }
}
