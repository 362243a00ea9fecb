//! Signs mails with a domain's key (RFC 6376).

use std::fmt;
use std::sync::Arc;

use lettre::Message;
use lettre::message::dkim::{
    DkimCanonicalization, DkimCanonicalizationType, DkimConfig, DkimSigningAlgorithm, DkimSigningKey,
};
use lettre::message::header::HeaderName;
use secrecy::{ExposeSecret as _, SecretString};

use crate::key;

/// The headers that are signed. One that a mail lacks is signed as absent, so that nobody can add it. `Content-Type` is
/// not among them: lettre keeps it apart.
const SIGNED: [&str; 9] = [
    "From",
    "Reply-To",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// An RSA key of 1024 bits takes as many bytes at least (RFC 8017, A.1.2); shorter ones are not to be used (RFC 8301).
const RSA_BYTES_MIN: usize = 600;
const RSA_BEGIN: &str = "-----BEGIN RSA PRIVATE KEY-----";

/// Something about a key for signing that cannot be used. Never repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {field} {reason}")]
pub struct UnusableDkim {
    /// What it is about: `domain`, `selector`, `key`.
    pub field: &'static str,
    /// What is wrong with it, to be read after the field's name.
    pub reason: &'static str,
}

/// A domain's key to sign mails with.
#[derive(Clone)]
pub struct Dkim {
    domain: String,
    config: Arc<DkimConfig>,
}

impl Dkim {
    /// `key` is an RSA key in PEM (PKCS#1, `BEGIN RSA PRIVATE KEY`) of at least 1024 bits, or base64 of the 32 bytes of an
    /// Ed25519 key. Its public half stands in the DNS at `{selector}._domainkey.{domain}`.
    ///
    /// # Errors
    /// [`UnusableDkim`] names what is wrong.
    pub fn new(domain: &str, selector: &str, key: &SecretString) -> Result<Self, UnusableDkim> {
        for (field, text) in [("domain", domain), ("selector", selector)] {
            if !is_name(text) {
                let reason = "is not a name of the DNS in ASCII";
                return Err(UnusableDkim { field, reason });
            }
        }
        let headers = SIGNED.map(HeaderName::new_from_ascii_str).to_vec();
        let canonicalization = DkimCanonicalization {
            header: DkimCanonicalizationType::Relaxed,
            body: DkimCanonicalizationType::Relaxed,
        };
        let key = signing_key(key.expose_secret().trim())?;
        let config = DkimConfig::new(selector.to_owned(), domain.to_owned(), key, headers, canonicalization);
        Ok(Self {
            domain: domain.to_owned(),
            config: Arc::new(config),
        })
    }

    pub(super) fn sign(&self, message: &mut Message) {
        message.sign(&self.config);
    }
}

fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(is_plain)
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn signing_key(text: &str) -> Result<DkimSigningKey, UnusableDkim> {
    let unusable = |reason| UnusableDkim { field: "key", reason };
    let algorithm = if text.starts_with(RSA_BEGIN) {
        let base64: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
        let is_long = key::base64(base64).is_some_and(|der| der.len() >= RSA_BYTES_MIN);
        if !is_long {
            return Err(unusable("is not an RSA key of at least 1024 bits"));
        }
        DkimSigningAlgorithm::Rsa
    } else if text.starts_with("-----") {
        return Err(unusable(
            "must begin with BEGIN RSA PRIVATE KEY; openssl rsa -traditional makes it so",
        ));
    } else {
        DkimSigningAlgorithm::Ed25519
    };
    DkimSigningKey::new(text, algorithm)
        .map_err(|_| unusable("is neither an RSA key in PKCS#1 nor base64 of the 32 bytes of an Ed25519 key"))
}

/// Shows the domain.
impl fmt::Debug for Dkim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dkim").field(&self.domain).finish()
    }
}
