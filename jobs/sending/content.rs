//! What a message says, as it lies in a job's payload. A form once shipped must parse for ever.

use std::collections::BTreeMap;

use domain::{ChallengeId, PersonalText};
use serde::{Deserialize, Serialize};

use super::links::Link;

/// What a message says, rendered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Content {
    /// A text message, or a text of our own by WhatsApp.
    Text {
        /// The text.
        text: PersonalText,
    },
    /// A template that the provider keeps: Twilio's content template.
    Template {
        /// What the provider calls it.
        content_id: String,
        /// What stands for its placeholders.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        variables: BTreeMap<String, PersonalText>,
    },
    /// A mail.
    Email(Box<EmailBody>),
    /// A one-time code: computed when it is sent, so that it lies nowhere.
    Code {
        /// What the code follows from.
        challenge: ChallengeId,
        /// The name of the key that it follows from.
        key_id: String,
    },
    /// A mail with a link that lets somebody in: computed when it is sent, so that it lies nowhere.
    Link {
        /// What the link is made of.
        link: Link,
    },
}

/// A mail's texts and files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailBody {
    /// The subject.
    pub subject: PersonalText,
    /// The text without markup; there is one whenever there is a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<PersonalText>,
    /// The page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<PersonalText>,
    /// Where answers go, if not to the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<PersonalText>,
    /// A link that unsubscribes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsubscribe_url: Option<PersonalText>,
    /// Files, which are fetched when the mail is sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentUrl>,
    /// Whether opens and clicks are followed, where the provider does not do that itself.
    #[serde(default)]
    pub tracking: bool,
}

impl EmailBody {
    /// A mail of which nothing but the subject is known yet.
    #[must_use]
    pub fn new(subject: impl Into<String>) -> Self {
        Self {
            subject: PersonalText::new(subject),
            text: None,
            html: None,
            reply_to: None,
            unsubscribe_url: None,
            attachments: Vec::new(),
            tracking: false,
        }
    }
}

/// A file that goes with a mail, by where it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentUrl {
    /// Where it lies; https.
    pub url: PersonalText,
    /// What it is to be called.
    pub name: PersonalText,
    /// Its media type, if its server is not to be believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// How large it is said to be at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}
