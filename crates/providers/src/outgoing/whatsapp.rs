//! A message by WhatsApp.

use std::collections::BTreeMap;

use domain::{E164, MessageId, PersonalText};
use url::Url;

use super::text::sid;
use super::{TextFrom, UnusableSid};

/// A message by WhatsApp to one person.
#[derive(Clone, Debug)]
pub struct OutgoingWhatsapp {
    /// Our own id of the message.
    pub id: MessageId,
    /// Who it comes from. `None` where the account has one sender and no other: an instance of Green-API.
    pub from: Option<TextFrom>,
    /// Who it goes to.
    pub to: E164,
    /// What it says.
    pub content: WhatsappContent,
    /// Where the provider is to report what becomes of it, for providers that are told so with each message.
    pub report_to: Option<Url>,
}

/// What a message by WhatsApp says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhatsappContent {
    /// A text of our own: within 24 hours after the person wrote last.
    Text(PersonalText),
    /// A template that WhatsApp approved: at any time.
    Template {
        /// Which one.
        template: ContentTemplate,
        /// What stands for its placeholders, by their names: `1`, `2`.
        variables: BTreeMap<String, PersonalText>,
    },
}

/// The id of a content template of Twilio: `HX` and 32 hex digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentTemplate(String);

impl ContentTemplate {
    /// # Errors
    /// [`UnusableSid`] when it is of another form.
    pub fn parse(text: &str) -> Result<Self, UnusableSid> {
        sid("HX", text).map(Self)
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
