//! A text message.

use chrono::TimeDelta;
use domain::{E164, MessageId, PersonalText};
use url::Url;

/// An id that is not of the form that its provider gives. Never repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id of Twilio is {prefix} and 32 hex digits")]
pub struct UnusableSid {
    /// The two letters it begins with.
    pub prefix: &'static str,
}

/// A text message to one telephone.
#[derive(Clone, Debug)]
pub struct OutgoingText {
    /// Our own id of the message.
    pub id: MessageId,
    /// Who it comes from.
    pub from: TextFrom,
    /// Who it goes to.
    pub to: E164,
    /// The text.
    pub body: PersonalText,
    /// How long it is worth delivering: the life of a one-time code. The provider's own limit if `None`.
    pub valid_for: Option<TimeDelta>,
    /// Where the provider is to report what becomes of it, for providers that are told so with each message.
    pub report_to: Option<Url>,
}

/// Who a message to a telephone comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextFrom {
    /// A number.
    Number(E164),
    /// A pool of numbers that the provider chooses from.
    Service(MessagingService),
    /// A name, which nobody can answer. Of SMS only, and not in every country.
    Name(SenderName),
}

/// What a telephone shows instead of a number: 1 to 11 letters, digits, spaces and `+-_&` of ASCII, a letter among them
/// (Twilio, "Alphanumeric sender ID").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderName(String);

/// A text that cannot stand for a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sender's name is 1 to {SENDER_NAME_MAX} letters, digits, spaces and +-_&, with a letter")]
pub struct UnusableName;

/// The most characters of a sender's name.
const SENDER_NAME_MAX: usize = 11;

impl SenderName {
    /// # Errors
    /// [`UnusableName`] when it is of another form.
    pub fn parse(text: &str) -> Result<Self, UnusableName> {
        let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b" +-_&".contains(&byte);
        let is_name = text.len() <= SENDER_NAME_MAX
            && text == text.trim()
            && text.bytes().all(may_stand)
            && text.bytes().any(|byte| byte.is_ascii_alphabetic());
        is_name.then(|| Self(text.to_owned())).ok_or(UnusableName)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of a messaging service of Twilio: `MG` and 32 hex digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessagingService(String);

impl MessagingService {
    /// # Errors
    /// [`UnusableSid`] when it is of another form.
    pub fn parse(text: &str) -> Result<Self, UnusableSid> {
        sid("MG", text).map(Self)
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An id of Twilio: two capitals that say of what, then 32 hex digits.
pub(crate) fn sid(prefix: &'static str, text: &str) -> Result<String, UnusableSid> {
    let digits = text.strip_prefix(prefix).unwrap_or_default();
    let is_sid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_sid.then(|| text.to_owned()).ok_or(UnusableSid { prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_has_a_letter() {
        for good in ["Acme", "A", "3 & more", "my_shop-1", "ABCDEFGHIJK"] {
            assert!(SenderName::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "12345",
            "+33612345678",
            "ABCDEFGHIJKL",
            " Acme",
            "Acmé",
            "Acme!",
            "a\nb",
        ] {
            assert_eq!(SenderName::parse(bad), Err(UnusableName), "{bad}");
        }
    }
}
