//! How secrets and personal data rest: authenticated encryption under keys that rotate.
//!
//! A [`Keyring`] holds one or more named 256-bit keys. The first seals, all of them open, so a key is
//! rotated by putting a new one in front and removing the old one once everything was sealed again.
//!
//! A sealed value is `version (1 byte) · length of the key's id (1) · key id · nonce (12) · AES-256-GCM text and tag`.
//! Every value is bound to a *context* (what it is and whose), so that a row copied over another does not open.
//!
//! Nonces are a random 64-bit prefix drawn once per keyring and a 32-bit counter. Random 96-bit nonces would reach
//! their safe number of uses under one key (2^32) within a day of full load; this way two values share a nonce only
//! if two keyrings draw the same prefix.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const KEY_ID_BYTES_MAX: usize = 32;

/// Why the text of a keyring was refused. Never contains key material.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyringError {
    /// There is no key at all.
    #[error("no key given: expected `id:base64-of-32-bytes`, comma separated")]
    Empty,
    /// An entry has no colon between its id and its key.
    #[error("entry {0} is not of the form `id:base64-of-32-bytes`")]
    Form(usize),
    /// An id is empty, too long or has a character outside `[A-Za-z0-9_-]`.
    #[error("entry {0}: the key id must be 1 to 32 characters out of A-Z a-z 0-9 _ -")]
    Id(usize),
    /// Two entries share an id, so a sealed value could not tell which of them opens it.
    #[error("entry {0}: this key id is used twice")]
    Twice(usize),
    /// The key is not base64 of exactly 32 bytes.
    #[error("entry {0}: the key must be base64 of exactly 32 bytes (`openssl rand -base64 32` makes one)")]
    Key(usize),
}

/// Why a sealed value did not open.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OpenError {
    /// The bytes are not of a form this program ever wrote.
    #[error("not a sealed value")]
    Form,
    /// It was sealed under a key that is not in the keyring any more.
    #[error("sealed under key `{0}`, which is not in the keyring")]
    UnknownKey(String),
    /// The value was altered, or belongs to another context.
    #[error("the sealed value was altered or belongs elsewhere")]
    Altered,
}

struct Key {
    id: String,
    aead: LessSafeKey,
    /// What further keys follow from.
    root: hmac::Key,
}

struct Inner {
    keys: Vec<Key>,
    /// High 32 bits unused; the low 32 bits are the counter, and carry into a new prefix is refused below.
    counter: AtomicU64,
    prefix: u64,
}

/// The keys of one installation. Cheap to clone; clones share the nonce counter.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

impl Keyring {
    /// Reads `id:base64-of-32-bytes`, comma separated. The first key seals, all of them open.
    ///
    /// # Errors
    /// The first fault found, by the entry's place counted from 1.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, entry) in text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .enumerate()
        {
            let place = index + 1;
            let (id, key) = entry.split_once(':').ok_or(KeyringError::Form(place))?;
            let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if id.is_empty() || id.len() > KEY_ID_BYTES_MAX || !id.chars().all(allowed) {
                return Err(KeyringError::Id(place));
            }
            if keys.iter().any(|known| known.id == id) {
                return Err(KeyringError::Twice(place));
            }
            let bytes = STANDARD.decode(key).map_err(|_| KeyringError::Key(place))?;
            if bytes.len() != KEY_BYTES {
                return Err(KeyringError::Key(place));
            }
            let unbound = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| KeyringError::Key(place))?;
            keys.push(Key {
                id: id.to_owned(),
                aead: LessSafeKey::new(unbound),
                root: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
            });
        }
        if keys.is_empty() {
            return Err(KeyringError::Empty);
        }
        Ok(Self(Arc::new(Inner {
            keys,
            counter: AtomicU64::new(0),
            prefix: rand::random(),
        })))
    }

    /// A fresh keyring text with one key, for `relais dev` and for tests.
    #[must_use]
    pub fn generate(id: &str) -> String {
        format!("{id}:{}", STANDARD.encode(rand::random::<[u8; KEY_BYTES]>()))
    }

    /// The id of the key that seals.
    #[must_use]
    pub fn current(&self) -> &str {
        &self.0.keys[0].id
    }

    /// The ids of all keys, the sealing one first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys.iter().map(|key| key.id.as_str())
    }

    /// 256 secret bits for one purpose, which follow from the key of that id and say nothing about it (HMAC-SHA256 over the
    /// purpose). `None`: the key is not in the ring any more. What is made with them lives as long as the key does.
    #[must_use]
    pub fn derived(&self, id: &str, purpose: &str) -> Option<[u8; KEY_BYTES]> {
        let key = self.0.keys.iter().find(|key| key.id == id)?;
        let mut bytes = [0; KEY_BYTES];
        bytes.copy_from_slice(hmac::sign(&key.root, purpose.as_bytes()).as_ref());
        Some(bytes)
    }

    /// Seals `plain` for `context`; the same context is needed to open it.
    #[must_use]
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Vec<u8> {
        let key = &self.0.keys[0];
        let mut sealed = Vec::with_capacity(2 + key.id.len() + NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        sealed.push(VERSION);
        sealed.push(key.id.len() as u8);
        sealed.extend_from_slice(key.id.as_bytes());
        let nonce = self.next_nonce();
        sealed.extend_from_slice(&nonce);
        let text_at = sealed.len();
        sealed.extend_from_slice(plain);
        let tag = key
            .aead
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut sealed[text_at..],
            )
            .expect("AES-GCM seals any message below 64 GiB");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what [`seal`](Self::seal) made for the same context, under any key of the ring.
    ///
    /// # Errors
    /// See [`OpenError`]; none of them contains a byte of the value.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (id, nonce, text) = split(sealed).ok_or(OpenError::Form)?;
        let key = self
            .0
            .keys
            .iter()
            .find(|key| key.id.as_bytes() == id)
            .ok_or_else(|| OpenError::UnknownKey(String::from_utf8_lossy(id).into_owned()))?;
        let mut text = text.to_vec();
        let length = key
            .aead
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut text)
            .map_err(|_| OpenError::Altered)?
            .len();
        text.truncate(length);
        Ok(text)
    }

    /// How everything begins that is sealed under the key that seals, so that what lies elsewhere can be told by a few bytes
    /// of it.
    #[must_use]
    pub fn current_head(&self) -> Vec<u8> {
        let id = self.current().as_bytes();
        [&[VERSION, id.len() as u8], id].concat()
    }

    /// Opens a value and seals it again under the key that seals; `None` when it is sealed under that key already.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn reseal(&self, context: &[u8], sealed: &[u8]) -> Result<Option<Vec<u8>>, OpenError> {
        if sealed.starts_with(&self.current_head()) {
            return Ok(None);
        }
        Ok(Some(self.seal(context, &self.open(context, sealed)?)))
    }

    fn next_nonce(&self) -> [u8; NONCE_LEN] {
        let count = self.0.counter.fetch_add(1, Ordering::Relaxed);
        // The count's upper half moves the prefix, so the 2^32nd value does not meet the first one again.
        let prefix = self.0.prefix.wrapping_add(count >> 32);
        let mut nonce = [0; NONCE_LEN];
        nonce[..8].copy_from_slice(&prefix.to_be_bytes());
        nonce[8..].copy_from_slice(&(count as u32).to_be_bytes());
        nonce
    }
}

/// Shows the keys' ids and nothing else.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys.iter().map(|key| &key.id)).finish()
    }
}

fn split(sealed: &[u8]) -> Option<(&[u8], [u8; NONCE_LEN], &[u8])> {
    let (&version, rest) = sealed.split_first()?;
    if version != VERSION {
        return None;
    }
    let (&id_bytes, rest) = rest.split_first()?;
    let (id, rest) = rest.split_at_checked(id_bytes.into())?;
    let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>()?;
    Some((id, *nonce, text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn ring(text: &str) -> Keyring {
        Keyring::parse(text).expect("a good keyring")
    }

    #[test]
    fn a_keyring_text_names_the_entry_that_is_wrong() {
        let good = Keyring::generate("a");
        let check = |text: &str, expected| assert_eq!(Keyring::parse(text).err(), Some(expected), "{text}");
        check("", KeyringError::Empty);
        check(" , ", KeyringError::Empty);
        check("nocolon", KeyringError::Form(1));
        check(&format!("{good},:AAAA"), KeyringError::Id(2));
        check(&format!("{good},{good}"), KeyringError::Twice(2));
        check("a:AAAA", KeyringError::Key(1));
        check("a:not base64", KeyringError::Key(1));
    }

    #[test]
    fn an_old_key_still_opens_after_a_new_one_was_put_in_front() {
        let (old, new) = (Keyring::generate("old"), Keyring::generate("new"));
        let sealed = ring(&old).seal(b"row 1", b"secret");
        let rotated = ring(&format!("{new},{old}"));
        assert_eq!(rotated.open(b"row 1", &sealed).as_deref(), Ok(b"secret".as_slice()));
        assert_eq!(rotated.current(), "new");
        assert_eq!(
            ring(&new).open(b"row 1", &sealed),
            Err(OpenError::UnknownKey("old".into()))
        );
    }

    #[test]
    fn what_is_sealed_again_opens_without_the_old_key_and_what_is_sealed_already_stays() {
        let (old, new) = (Keyring::generate("k1"), Keyring::generate("k2"));
        let sealed = ring(&old).seal(b"here", b"said");
        let both = ring(&format!("{new},{old}"));
        let again = both.reseal(b"here", &sealed).unwrap().expect("it was sealed under k1");
        assert_eq!(ring(&new).open(b"here", &again).unwrap(), b"said");
        assert_eq!(both.reseal(b"here", &again), Ok(None));
        assert_eq!(both.reseal(b"elsewhere", &sealed), Err(OpenError::Altered));
        assert_eq!(
            ring(&new).reseal(b"here", &sealed),
            Err(OpenError::UnknownKey("k1".into()))
        );
    }

    /// `k1` must not be taken for `k10`.
    #[test]
    fn a_key_is_told_from_one_whose_id_begins_alike() {
        let (one, ten) = (Keyring::generate("k1"), Keyring::generate("k10"));
        let sealed = ring(&ten).seal(b"here", b"said");
        assert!(!sealed.starts_with(&ring(&one).current_head()));
    }

    #[test]
    fn nothing_secret_shows_in_debug() {
        let text = Keyring::generate("k1");
        let shown = format!("{:?}", ring(&text));
        assert_eq!(shown, r#"["k1"]"#);
    }

    #[test]
    fn nonces_never_repeat_when_the_counter_passes_32_bits() {
        let keyring = ring(&Keyring::generate("a"));
        let first = keyring.next_nonce();
        keyring.0.counter.store(1 << 32, Ordering::Relaxed);
        assert_ne!(first, keyring.next_nonce());
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_and_any_changed_byte_does_not(plain: Vec<u8>, context: Vec<u8>, at: prop::sample::Index) {
            let keyring = ring(&Keyring::generate("a"));
            let sealed = keyring.seal(&context, &plain);
            prop_assert_eq!(keyring.open(&context, &sealed), Ok(plain));
            let mut altered = sealed.clone();
            altered[at.index(sealed.len())] ^= 1;
            prop_assert!(keyring.open(&context, &altered).is_err());
            let mut other = context.clone();
            other.push(0);
            prop_assert_eq!(keyring.open(&other, &sealed), Err(OpenError::Altered));
        }

        #[test]
        fn any_bytes_are_refused_without_a_panic(bytes: Vec<u8>) {
            prop_assert!(ring(&Keyring::generate("a")).open(b"", &bytes).is_err());
        }
    }

    #[test]
    fn what_follows_from_a_key_differs_by_purpose_and_key_and_stays_the_same() {
        let text = format!("{},{}", Keyring::generate("a"), Keyring::generate("b"));
        let (ring, again) = (ring(&text), ring(&text));
        assert_eq!(ring.derived("a", "codes"), again.derived("a", "codes"));
        assert_ne!(ring.derived("a", "codes"), ring.derived("a", "links"));
        assert_ne!(ring.derived("a", "codes"), ring.derived("b", "codes"));
        assert_eq!(ring.derived("c", "codes"), None);
    }
}
