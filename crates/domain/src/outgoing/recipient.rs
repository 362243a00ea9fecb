//! Whom a message goes to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::masking::{AddressError, EmailAddress};
use crate::phone::{E164, PhoneError};

/// Where a message goes, or came from: an address or a number, by channel. In JSON it is a plain text: every address has
/// an `@` and no number does.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Recipient {
    /// Of mail.
    Address(EmailAddress),
    /// Of SMS and WhatsApp.
    Number(E164),
}

/// What is wrong with a recipient. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// It is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// It is no number.
    #[error(transparent)]
    Number(#[from] PhoneError),
}

impl Recipient {
    /// Reads what a message of this channel goes to.
    ///
    /// # Errors
    /// [`RecipientError`] says what is wrong.
    pub fn parse(channel: Channel, text: &str) -> Result<Self, RecipientError> {
        Ok(if channel.is_by_number() {
            Self::Number(E164::parse(text)?)
        } else {
            Self::Address(EmailAddress::parse(text)?)
        })
    }

    /// Whether messages of this channel can go there.
    #[must_use]
    pub const fn is_reached_by(&self, channel: Channel) -> bool {
        match self {
            Self::Address(_) => !channel.is_by_number(),
            Self::Number(_) => channel.is_by_number(),
        }
    }

    /// The address or number itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        match self {
            Self::Address(address) => address.expose(),
            Self::Number(number) => number.expose(),
        }
    }

    /// The form that all spellings of it share.
    #[must_use]
    pub fn expose_folded(&self) -> String {
        match self {
            Self::Address(address) => address.expose_folded(),
            Self::Number(number) => number.expose().to_owned(),
        }
    }
}

impl TryFrom<String> for Recipient {
    type Error = RecipientError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Ok(if text.contains('@') {
            Self::Address(EmailAddress::parse(&text)?)
        } else {
            Self::Number(E164::parse(&text)?)
        })
    }
}

impl From<Recipient> for String {
    fn from(recipient: Recipient) -> Self {
        match recipient {
            Recipient::Address(address) => address.into(),
            Recipient::Number(number) => number.into(),
        }
    }
}

impl From<EmailAddress> for Recipient {
    fn from(address: EmailAddress) -> Self {
        Self::Address(address)
    }
}

impl From<E164> for Recipient {
    fn from(number: E164) -> Self {
        Self::Number(number)
    }
}

/// Masked, as addresses and numbers are.
impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_channel_takes_what_it_can_reach() {
        let check = |channel, text, expected: bool| {
            assert_eq!(Recipient::parse(channel, text).is_ok(), expected, "{channel} {text}");
        };
        check(Channel::Email, "marie@example.com", true);
        check(Channel::Email, "+33612345678", false);
        check(Channel::Sms, "+33 6 12 34 56 78", true);
        check(Channel::Sms, "marie@example.com", false);
        check(Channel::Whatsapp, "+33612345678", true);
        for &channel in Channel::ALL {
            let is_reached = |text: &str| Recipient::try_from(text.to_owned()).unwrap().is_reached_by(channel);
            assert_eq!(is_reached("marie@example.com"), channel == Channel::Email);
            assert_eq!(is_reached("+33612345678"), channel != Channel::Email);
        }
    }

    #[test]
    fn all_spellings_fold_into_one() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Recipient::try_from(text.to_owned()).unwrap().expose_folded(), expected);
        };
        check("Marie@Example.COM", "marie@example.com");
        check("+33 (0)6 12 34 56 78", "+33612345678");
    }

    #[test]
    fn it_is_a_plain_text_in_json_and_masked_elsewhere() {
        for text in ["marie@example.com", "+33612345678"] {
            let recipient: Recipient = serde_json::from_str(&format!("\"{text}\"")).unwrap();
            assert_eq!(serde_json::to_string(&recipient).unwrap(), format!("\"{text}\""));
            assert!(
                !format!("{recipient} {recipient:?}").contains(&text[..6]),
                "{recipient}"
            );
        }
        let refused = serde_json::from_str::<Recipient>("\"very-private\"")
            .unwrap_err()
            .to_string();
        assert!(!refused.contains("private"), "{refused}");
    }
}
