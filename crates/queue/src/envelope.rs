//! The bytes a backend keeps for a job: a readable head, and the sealed payload.
//!
//! ```text
//! version 1 · created at, ms i64 · expires at, ms i64 (0 = never) · correlation 16
//! · length of the kind u8 · kind · sealed payload to the end            (integers big-endian)
//! ```
//! What changes while a job lives (attempts, crashes, where it waits) is the backend's and not in here, so an envelope
//! is written once and only copied afterwards. The payload is bound to the job's id and kind when it is sealed.

use seal::{Keyring, OpenError};
use uuid::Uuid;

use crate::clock::Millis;
use crate::job::JobId;

const VERSION: u8 = 1;
const FIXED_BYTES: usize = 1 + 8 + 8 + 16 + 1;

/// The longest kind a job may have; checked when jobs are registered.
pub const KIND_BYTES_MAX: usize = 100;

/// The head of any stored form is within so many bytes.
pub(crate) const HEAD_BYTES_MAX: usize = FIXED_BYTES + u8::MAX as usize;

/// The parts of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// When the job was added.
    pub created_at: Millis,
    /// From when on it is not worth starting.
    pub expires_at: Option<Millis>,
    /// The id that follows a request from intake to provider.
    pub correlation: Uuid,
    /// The job's stored name.
    pub kind: &'a str,
    /// The payload as JSON, sealed.
    pub sealed: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + self.kind.len() + self.sealed.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.created_at.to_be_bytes());
        bytes.extend_from_slice(&self.expires_at.unwrap_or(0).to_be_bytes());
        bytes.extend_from_slice(self.correlation.as_bytes());
        bytes.push(u8::try_from(self.kind.len()).expect("kinds are short: checked at registration"));
        bytes.extend_from_slice(self.kind.as_bytes());
        bytes.extend_from_slice(self.sealed);
        bytes
    }

    /// Reads the stored form; `None` if it is not one.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (&version, rest) = bytes.split_first()?;
        if version != VERSION {
            return None;
        }
        let (created_at, rest) = rest.split_first_chunk::<8>()?;
        let (expires_at, rest) = rest.split_first_chunk::<8>()?;
        let (correlation, rest) = rest.split_first_chunk::<16>()?;
        let (&kind_bytes, rest) = rest.split_first()?;
        let (kind, sealed) = rest.split_at_checked(kind_bytes.into())?;
        Some(Self {
            created_at: Millis::from_be_bytes(*created_at),
            expires_at: Some(Millis::from_be_bytes(*expires_at)).filter(|at| *at != 0),
            correlation: Uuid::from_bytes(*correlation),
            kind: std::str::from_utf8(kind).ok()?,
            sealed,
        })
    }

    /// Opens the payload of job `id`.
    ///
    /// # Errors
    /// When the key is gone or the bytes were altered or belong to another job.
    pub fn open(&self, id: JobId, keyring: &Keyring) -> Result<Vec<u8>, OpenError> {
        keyring.open(&context(id, self.kind), self.sealed)
    }
}

/// The stored form of job `id` with its payload sealed under the key that seals now; `None` when it is already.
///
/// # Errors
/// As [`Envelope::open`]; what is no envelope counts as no sealed value.
pub fn reseal(id: JobId, stored: &[u8], keyring: &Keyring) -> Result<Option<Vec<u8>>, OpenError> {
    let envelope = Envelope::decode(stored).ok_or(OpenError::Form)?;
    let sealed = keyring.reseal(&context(id, envelope.kind), envelope.sealed)?;
    Ok(sealed.map(|sealed| {
        Envelope {
            sealed: &sealed,
            ..envelope
        }
        .encode()
    }))
}

/// The kind that a stored form names; empty if it is none. Backends that have no Rust at hand read it themselves: version
/// (byte 0) must be 1, byte 33 is its length, and it begins at byte 34.
#[must_use]
pub fn kind_of(bytes: &[u8]) -> &str {
    Envelope::decode(bytes).map_or("", |envelope| envelope.kind)
}

/// Seals the payload of job `id`.
#[must_use]
pub fn seal_payload(id: JobId, kind: &str, payload: &[u8], keyring: &Keyring) -> Vec<u8> {
    keyring.seal(&context(id, kind), payload)
}

fn context(id: JobId, kind: &str) -> Vec<u8> {
    [id.0.as_bytes().as_slice(), kind.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_envelope_sealed_again_is_the_same_under_another_key() {
        let (old, new) = (Keyring::generate("k1"), Keyring::generate("k2"));
        let ring = |text: &str| Keyring::parse(text).expect("a good keyring");
        let id = JobId(Uuid::from_u128(7));
        let sealed = seal_payload(id, "test", b"{}", &ring(&old));
        let envelope = Envelope {
            created_at: 1,
            expires_at: Some(2),
            correlation: Uuid::from_u128(3),
            kind: "test",
            sealed: &sealed,
        };
        let both = ring(&format!("{new},{old}"));
        let again = reseal(id, &envelope.encode(), &both)
            .unwrap()
            .expect("it was sealed under k1");
        let read = Envelope::decode(&again).unwrap();
        assert_eq!(read.open(id, &ring(&new)).unwrap(), b"{}");
        assert_eq!(
            Envelope {
                sealed: &sealed,
                ..read
            },
            envelope
        );
        assert_eq!(reseal(id, &again, &both), Ok(None));
        assert_eq!(reseal(id, b"no envelope", &both), Err(OpenError::Form));
    }

    proptest! {
        #[test]
        fn an_envelope_reads_back_as_it_was_written(
            created_at: i64, expires in 1i64.., correlation: u128, kind in "[a-z_]{1,100}", sealed: Vec<u8>
        ) {
            let correlation = Uuid::from_u128(correlation);
            let envelope = Envelope { created_at, expires_at: Some(expires), correlation, kind: &kind, sealed: &sealed };
            let stored = envelope.encode();
            prop_assert_eq!(Envelope::decode(&stored), Some(envelope));
        }

        #[test]
        fn any_bytes_are_read_or_refused_without_a_panic(bytes: Vec<u8>) {
            let _ = Envelope::decode(&bytes);
        }
    }
}
