//! What a provider vouched for.

use std::ops::Deref;

/// Something that came in with a right signature.
///
/// Only the verifying functions of this crate make one, so a function that takes a `Verified<T>` cannot be given a
/// request that nobody checked.
///
/// ```compile_fail,E0423
/// // The field is private, and there is no constructor to call.
/// let forged = providers::Verified("not checked");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// To be called with what a right signature covers, and with nothing else.
    pub(crate) fn vouch(checked: T) -> Self {
        Self(checked)
    }

    /// The thing itself, for those who need to own it.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
