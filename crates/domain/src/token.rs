//! Tokens that people hold: links that let somebody in, and sessions.
//!
//! A token is the id of a row and what is needed to refuse it without a look, with an HMAC-SHA256 over both. It lies nowhere:
//! it is computed from the row's id whenever it is needed, so that a copy of the database lets nobody in.

use std::fmt;
use std::str;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use crate::ids::TenantId;

/// What a key is used for, in front of what is signed.
const PURPOSE: &[u8] = b"relais token\0";

/// Hexadecimal digits of an id, a number, and a signature.
const ID_DIGITS: usize = 32;
const NUMBER_DIGITS: usize = 16;
const MAC_BYTES: usize = 32;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Lets a member in, once.
    SignIn,
    /// Makes somebody a member and lets them in, once.
    Invitation,
    /// What somebody asks with who was let in.
    Session,
}

impl TokenKind {
    const ALL: [Self; 3] = [Self::SignIn, Self::Invitation, Self::Session];

    /// What a token of this kind begins with, so that people and secret scanners recognise one.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::SignIn => "rl_",
            Self::Invitation => "ri_",
            Self::Session => "rs_",
        }
    }
}

/// The secret that tokens are signed with.
#[derive(Clone)]
pub struct TokenKey([u8; 32]);

impl TokenKey {
    /// Takes 256 random bits.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

/// A token as somebody holds it. `Debug` and `Display` show nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedToken(String);

impl SignedToken {
    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SignedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedToken(…)")
    }
}

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is for.
    pub kind: TokenKind,
    /// Whose.
    pub tenant: TenantId,
    /// The row that it stands for.
    pub id: Uuid,
    /// Of a session: how often its token changed. Else 0.
    pub generation: u64,
    /// Until when it may be good, to the millisecond.
    pub expires_at: DateTime<Utc>,
}

impl Token {
    /// The token to hand out.
    #[must_use]
    pub fn sign(&self, key: &TokenKey) -> SignedToken {
        let said = format!(
            "{}{}{}{:016x}{:016x}",
            self.kind.prefix(),
            self.id.simple(),
            self.tenant.0.simple(),
            self.generation,
            self.expires_at.timestamp_millis().unsigned_abs(),
        );
        let mac: String = signed(&said, key)
            .finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        SignedToken(said + &mac)
    }

    /// What a token says that was signed under one of the keys; `None`: it is none, or was altered. The comparison takes the
    /// same time for every wrong signature.
    pub fn read<'a>(text: &str, keys: impl IntoIterator<Item = &'a TokenKey>) -> Option<Self> {
        let kind = TokenKind::ALL
            .into_iter()
            .find(|kind| text.starts_with(kind.prefix()))?;
        let rest = &text[kind.prefix().len()..];
        // One way to write each: what is in capitals is another text.
        let is_plain = rest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_plain || rest.len() != 2 * ID_DIGITS + 2 * NUMBER_DIGITS + 2 * MAC_BYTES {
            return None;
        }
        let (said, mac) = text.split_at(text.len() - 2 * MAC_BYTES);
        let mac: Vec<u8> = bytes(mac)?;
        keys.into_iter()
            .find(|key| signed(said, key).verify_slice(&mac).is_ok())?;
        let (id, rest) = rest.split_at(ID_DIGITS);
        let (tenant, rest) = rest.split_at(ID_DIGITS);
        let (generation, rest) = rest.split_at(NUMBER_DIGITS);
        let millis = u64::from_str_radix(&rest[..NUMBER_DIGITS], 16).ok()?;
        Some(Self {
            kind,
            tenant: TenantId(id_of(tenant)?),
            id: id_of(id)?,
            generation: u64::from_str_radix(generation, 16).ok()?,
            expires_at: DateTime::from_timestamp_millis(i64::try_from(millis).ok()?)?,
        })
    }

    /// Whether it has not expired.
    #[must_use]
    pub fn is_good_at(&self, now: DateTime<Utc>) -> bool {
        now < self.expires_at
    }
}

fn signed(said: &str, key: &TokenKey) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).expect("HMAC takes a key of any length");
    mac.update(PURPOSE);
    mac.update(said.as_bytes());
    mac
}

fn id_of(digits: &str) -> Option<Uuid> {
    u128::from_str_radix(digits, 16).ok().map(Uuid::from_u128)
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| {
            str::from_utf8(pair)
                .ok()
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const KEY: TokenKey = TokenKey::new([7; 32]);

    fn token(kind: TokenKind) -> Token {
        Token {
            kind,
            tenant: TenantId(Uuid::from_u128(1)),
            id: Uuid::from_u128(2),
            generation: 3,
            expires_at: DateTime::from_timestamp_millis(1_767_225_600_000).unwrap(),
        }
    }

    #[test]
    fn a_token_says_under_any_of_the_keys_what_it_was_made_of() {
        let other = TokenKey::new([8; 32]);
        for kind in TokenKind::ALL {
            let signed = token(kind).sign(&KEY);
            assert_eq!(Token::read(signed.expose(), [&other, &KEY]), Some(token(kind)));
            assert_eq!(Token::read(signed.expose(), [&other]), None, "under another key");
            assert!(!format!("{signed:?}{KEY:?}").contains(&signed.expose()[3..]));
        }
    }

    #[test]
    fn a_token_of_one_kind_is_none_of_another() {
        let link = token(TokenKind::SignIn).sign(&KEY);
        let as_session = link.expose().replacen("rl_", "rs_", 1);
        assert_eq!(Token::read(&as_session, [&KEY]), None);
    }

    #[test]
    fn a_token_is_good_until_it_expires() {
        let token = token(TokenKind::SignIn);
        assert!(token.is_good_at(token.expires_at - chrono::TimeDelta::milliseconds(1)));
        assert!(!token.is_good_at(token.expires_at));
    }

    proptest! {
        #[test]
        fn a_token_with_any_character_changed_is_none(at: prop::sample::Index, digit in "[0-9a-fA-F+]") {
            let signed = token(TokenKind::SignIn).sign(&KEY);
            let mut text = signed.expose().to_owned();
            let at = at.index(text.len());
            prop_assume!(text[at..=at] != digit);
            text.replace_range(at..=at, &digit);
            prop_assert_eq!(Token::read(&text, [&KEY]), None);
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text: String) {
            prop_assert_eq!(Token::read(&text, [&KEY]), None);
            prop_assert_eq!(Token::read(&format!("rl_{text}"), [&KEY]), None);
        }
    }
}
