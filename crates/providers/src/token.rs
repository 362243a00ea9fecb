//! Tokens that a request simply shows.

use std::fmt;

use ring::digest::{Digest, SHA256, digest};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::{Choice, ConstantTimeEq as _};

use crate::key::UnusableKey;

/// The tokens of one endpoint: two while one replaces the other.
///
/// Only their hashes are kept. Hashes of equal length are compared, so that the time tells neither where two tokens begin
/// to differ nor how long the right one is.
#[derive(Clone)]
pub(crate) struct Tokens(Vec<Digest>);

impl Tokens {
    pub(crate) fn new<'a>(tokens: impl IntoIterator<Item = &'a SecretString>) -> Result<Self, UnusableKey> {
        let tokens = tokens.into_iter().map(|token| match token.expose_secret() {
            "" => Err(UnusableKey::EMPTY),
            token => Ok(digest(&SHA256, token.as_bytes())),
        });
        tokens.collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn vouch(&self, shown: &[u8]) -> bool {
        let shown = digest(&SHA256, shown);
        let compared = self.0.iter().map(|token| token.as_ref().ct_eq(shown.as_ref()));
        compared.fold(Choice::from(0), |any, same| any | same).into()
    }
}

/// Shows how many there are.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

/// What comes after `scheme` and the spaces behind it. A scheme may be written in capitals or not (RFC 9110).
pub(crate) fn after_scheme<'a>(header: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (word, rest) = header.split_at_checked(scheme.len())?;
    let rest = rest.strip_prefix(b" ")?;
    word.eq_ignore_ascii_case(scheme.as_bytes())
        .then(|| rest.trim_ascii_start())
}
