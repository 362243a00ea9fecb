//! Members of a tenant: who may change them, and how they are told what they have to do.

use crate::channel::Channel;
use crate::masking::{EmailAddress, PersonalText};
use crate::outgoing::{Recipient, RecipientError};
use crate::role::Role;

/// Why a member stays as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MemberRefusal {
    /// Owners are made and unmade by owners.
    #[error("only an owner makes somebody an owner, or an owner somebody else")]
    Owners,
    /// Nobody would be left who may do everything.
    #[error("the last owner stays one; make somebody else an owner first")]
    LastOwner,
}

/// Whether somebody whose role is `by` may make what a member is, `from`, what it is to be, `to`; `None`: no member. An
/// owner may leave as long as there are `other_owners`.
///
/// # Errors
/// [`MemberRefusal`] says why not.
pub fn may_change(by: Role, from: Option<Role>, to: Option<Role>, other_owners: u32) -> Result<(), MemberRefusal> {
    if from == to {
        return Ok(());
    }
    if ![from, to].into_iter().flatten().all(|role| by.may_grant(role)) {
        return Err(MemberRefusal::Owners);
    }
    if from == Some(Role::Owner) && other_owners == 0 {
        return Err(MemberRefusal::LastOwner);
    }
    Ok(())
}

/// The longest name of a member, in characters.
pub const NAME_CHARACTERS_MAX: usize = 200;

/// A name that cannot be one. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a member's name has 1 to {NAME_CHARACTERS_MAX} characters")]
pub struct NameError;

/// What a tenant calls a member.
///
/// # Errors
/// [`NameError`] when it is empty or too long.
pub fn name(text: String) -> Result<PersonalText, NameError> {
    if (1..=NAME_CHARACTERS_MAX).contains(&text.chars().count()) {
        Ok(PersonalText::new(text))
    } else {
        Err(NameError)
    }
}

/// How a member is told what they have to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notify {
    /// Not at all.
    None,
    /// By mail to the address they sign in with.
    Email,
    /// By this channel, to an address or number of its kind.
    To(Channel, Recipient),
}

/// Why somebody cannot be told like this. Repeats no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// The word for the channel is none of the list.
    #[error("a channel is one of none, email, sms, whatsapp")]
    Channel,
    /// Text messages need a number.
    #[error("this channel needs an address")]
    Missing,
    /// Nobody is told at an address.
    #[error("without a channel there is no address")]
    Needless,
    /// The address cannot be one of the channel's.
    #[error(transparent)]
    Address(#[from] RecipientError),
}

/// The stored word of no channel.
const NONE: &str = "none";

impl Notify {
    /// Reads the stored words: a channel or `none`, and where to.
    ///
    /// # Errors
    /// [`NotifyError`] when the two do not fit.
    pub fn parse(channel: &str, address: Option<&str>) -> Result<Self, NotifyError> {
        if channel == NONE {
            return address.map_or(Ok(Self::None), |_| Err(NotifyError::Needless));
        }
        let channel: Channel = channel.parse().map_err(|_| NotifyError::Channel)?;
        match address {
            Some(address) => Ok(Self::To(channel, Recipient::parse(channel, address)?)),
            None if channel == Channel::Email => Ok(Self::Email),
            None => Err(NotifyError::Missing),
        }
    }

    /// The stored word of the channel.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::None => NONE,
            Self::Email => Channel::Email.as_str(),
            Self::To(channel, _) => channel.as_str(),
        }
    }

    /// The address or number that was given.
    #[must_use]
    pub const fn address(&self) -> Option<&Recipient> {
        match self {
            Self::To(_, address) => Some(address),
            Self::None | Self::Email => None,
        }
    }

    /// How and where somebody who signs in with `email` is told; `None`: not at all.
    #[must_use]
    pub fn reach(&self, email: &EmailAddress) -> Option<(Channel, Recipient)> {
        match self {
            Self::None => None,
            Self::Email => Recipient::parse(Channel::Email, email.expose())
                .ok()
                .map(|to| (Channel::Email, to)),
            Self::To(channel, to) => Some((*channel, to.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn owners_are_made_and_unmade_by_owners_and_the_last_one_stays() {
        use Role::{Admin, Member, Owner};
        for (by, from, to, other_owners, expected) in [
            (Admin, None, Some(Member), 0, Ok(())),
            (Admin, Some(Member), Some(Admin), 0, Ok(())),
            (Admin, Some(Member), None, 0, Ok(())),
            (Admin, None, Some(Owner), 1, Err(MemberRefusal::Owners)),
            (Admin, Some(Owner), Some(Member), 1, Err(MemberRefusal::Owners)),
            (Admin, Some(Owner), None, 1, Err(MemberRefusal::Owners)),
            (Admin, Some(Owner), Some(Owner), 0, Ok(())),
            (Owner, Some(Owner), Some(Member), 1, Ok(())),
            (Owner, Some(Owner), Some(Member), 0, Err(MemberRefusal::LastOwner)),
            (Owner, Some(Owner), None, 0, Err(MemberRefusal::LastOwner)),
            (Owner, None, Some(Owner), 0, Ok(())),
        ] {
            assert_eq!(
                may_change(by, from, to, other_owners),
                expected,
                "{by}: {from:?} to {to:?}"
            );
        }
    }

    #[test]
    fn a_name_is_neither_empty_nor_a_page() {
        for (characters, fits) in [
            (0, false),
            (1, true),
            (NAME_CHARACTERS_MAX, true),
            (NAME_CHARACTERS_MAX + 1, false),
        ] {
            assert_eq!(name("é".repeat(characters)).is_ok(), fits, "{characters}");
        }
    }

    #[test]
    fn a_channel_and_its_address_fit_or_are_refused() {
        for (channel, address, fits) in [
            ("none", None, true),
            ("none", Some("+33612345678"), false),
            ("email", None, true),
            ("email", Some("ann@example.com"), true),
            ("sms", None, false),
            ("sms", Some("+33612345678"), true),
            ("sms", Some("ann@example.com"), false),
            ("whatsapp", Some("+33612345678"), true),
            ("pigeon", Some("+33612345678"), false),
        ] {
            let read = Notify::parse(channel, address);
            assert_eq!(read.is_ok(), fits, "{channel} {address:?}");
            if let Ok(read) = read {
                assert_eq!(read.word(), channel);
                assert_eq!(read.address().map(Recipient::expose), address);
            }
        }
    }

    #[test]
    fn mail_without_an_address_goes_where_they_sign_in() {
        let email = EmailAddress::parse("ann@example.com").unwrap();
        let (channel, to) = Notify::Email.reach(&email).unwrap();
        assert_eq!((channel, to.expose()), (Channel::Email, "ann@example.com"));
        assert_eq!(Notify::None.reach(&email), None);
    }
}
