//! The keys of Standard Webhooks: `whsec_…` shared, `whpk_…` public.

use ring::hmac::HMAC_SHA256;
use ring::signature::{ED25519, UnparsedPublicKey};

use crate::key::{HmacKeys, UnusableKey, base64};

const SHARED: &str = "whsec_";
const PUBLIC: &str = "whpk_";
const PRIVATE: &str = "whsk_";
const PUBLIC_BYTES: usize = 32;

/// The keys of one endpoint.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    pub(super) shared: HmacKeys,
    pub(super) public: Vec<UnparsedPublicKey<Vec<u8>>>,
}

impl Keys {
    pub(super) fn add(&mut self, text: &str) -> Result<(), UnusableKey> {
        let text = text.trim();
        if let Some(public) = text.strip_prefix(PUBLIC) {
            let public = decode(public)?;
            if public.len() != PUBLIC_BYTES {
                return Err(UnusableKey {
                    reason: "is not 32 bytes long, as a `whpk_` key is",
                });
            }
            self.public.push(UnparsedPublicKey::new(&ED25519, public));
            Ok(())
        } else if text.starts_with(PRIVATE) {
            Err(UnusableKey {
                reason: "is the sender's own `whsk_` key; a receiver needs the `whpk_` one",
            })
        } else {
            // The prefix is no part of the key, and senders show their secrets with it or without.
            let shared = decode(text.strip_prefix(SHARED).unwrap_or(text))?;
            self.shared.add(HMAC_SHA256, &shared)
        }
    }
}

fn decode(text: &str) -> Result<Vec<u8>, UnusableKey> {
    if text.is_empty() {
        return Err(UnusableKey::EMPTY);
    }
    base64(text).ok_or(UnusableKey::NOT_BASE64)
}
