//! What makes an event itself: two deliveries with one identity report the same thing.

use ring::digest::{Context, SHA256};

/// How much of the hash is kept. 128 bits: among a billion events of one endpoint, the chance that any two meet is
/// below 10^-20.
const KEPT_BYTES: usize = 16;

/// Hashes texts so that no two lists of texts are hashed as the same bytes: each is preceded by its length.
pub(crate) struct Parts(Context);

impl Parts {
    pub(crate) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub(crate) fn add(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    /// A short fixed text without anything of the parts readable in it: it becomes a key, and keys are shown and logged
    /// where a link or a person's id must not be.
    pub(crate) fn identity(self) -> String {
        hex::encode(&self.0.finish().as_ref()[..KEPT_BYTES])
    }
}

/// The identity of what is named by `parts`, in this order. The first says what kind of name it is.
pub(crate) fn identity<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> String {
    let mut all = Parts::new();
    for part in parts {
        all.add(part.as_ref());
    }
    all.identity()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lists_share_an_identity_only_when_they_are_the_same(
            one in prop::collection::vec("[ab]{0,2}", 0..4), other in prop::collection::vec("[ab]{0,2}", 0..4),
        ) {
            prop_assert_eq!(identity(&one) == identity(&other), one == other);
        }
    }

    #[test]
    fn identities_never_change_because_they_are_keys_of_what_is_already_stored() {
        assert_eq!(identity(["message", "abc"]), "04a242b9a2c015e40b92a0ace0e3e813");
    }
}
