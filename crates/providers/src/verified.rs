//! What a provider vouched for.

use std::ops::Deref;

use domain::EmailEventRecord;

use crate::event::Event;

/// Something that came in with a right signature, or that a provider answered to a question of ours: there its
/// certificate vouches.
///
/// Only the verifying and asking functions of this crate make one, so a function that takes a `Verified<T>` cannot be
/// given a request that nobody checked.
///
/// ```compile_fail,E0423
/// // The field is private, and there is no constructor to call.
/// let forged = providers::Verified("not checked");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// To be called with what a right signature covers, or what a provider answered, and with nothing else.
    pub(crate) fn vouch(checked: T) -> Self {
        Self(checked)
    }

    /// The only element of a list.
    #[must_use]
    pub fn into_list(self) -> Verified<Vec<T>> {
        Verified(vec![self.0])
    }

    /// The thing itself, for those who need to own it.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Verified<Vec<T>> {
    /// Each on its own: what vouches for all vouches for one.
    pub fn into_each(self) -> impl ExactSizeIterator<Item = Verified<T>> {
        self.0.into_iter().map(Verified)
    }
}

impl Verified<Event> {
    /// What is also vouched for: [`Event::email_record`].
    #[must_use]
    pub fn email_record(&self) -> Option<Verified<EmailEventRecord>> {
        self.0.email_record().map(Verified)
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
