//! A message that somebody wrote to us.

use std::fmt;

use domain::PersonalText;
use serde::{Deserialize, Serialize};

use super::Channel;

/// A message that came in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundMessage {
    /// The way it came.
    pub channel: Channel,
    /// What the provider calls it.
    pub external_id: String,
    /// Who wrote it: a number or an address, without the channel's prefix. Not always a number: `anonymous`.
    pub from: PersonalText,
    /// The name that the writer goes by, freely chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_name: Option<PersonalText>,
    /// Our number or address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<PersonalText>,
    /// The group it was written in, if in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<PersonalText>,
    /// The subject of a mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<PersonalText>,
    /// What was written: the text, the caption of a picture, the label of a button. None when nothing was, or when it
    /// has to be fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<PersonalText>,
    /// The button that was pressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub button: Option<Button>,
    /// Pictures, recordings, documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// What the provider calls the message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
    /// The provider took it for a wish about further messages: `STOP`, `START`, `HELP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opt_out: Option<String>,
}

impl InboundMessage {
    /// Nothing but who wrote is known yet.
    pub(crate) const fn new(channel: Channel, external_id: String, from: PersonalText) -> Self {
        Self {
            channel,
            external_id,
            from,
            from_name: None,
            to: None,
            group: None,
            subject: None,
            text: None,
            button: None,
            media: Vec::new(),
            answers: None,
            opt_out: None,
        }
    }
}

/// A button that was pressed instead of writing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// Our own id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<PersonalText>,
    /// What was written on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<PersonalText>,
}

/// Something that is not text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Where to fetch it, for a while. None when it has to be asked for by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<PersonalText>,
    /// What the provider calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Its media type, by the sender's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Its name, by the sender's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<PersonalText>,
}

/// Shows the way and the sizes. Ids stay hidden.
impl fmt::Debug for InboundMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundMessage")
            .field("channel", &self.channel)
            .field("text", &self.text)
            .field("media", &self.media.len())
            .finish_non_exhaustive()
    }
}
