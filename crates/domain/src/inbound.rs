//! A message that somebody wrote to us.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::masking::PersonalText;
use crate::outgoing::Recipient;
use crate::replies::{self, Intent};

/// A message that came in, as a provider tells of it.
///
/// It lies in job payloads, so a form once shipped must parse for ever: new fields are optional.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundRecord {
    /// Who brought it, as one word: `twilio`.
    pub provider: String,
    /// The way it came.
    pub channel: Channel,
    /// What the provider calls it.
    pub external_id: String,
    /// What makes this event itself: the same text at the same endpoint is the same event. Made by the provider's parser.
    pub identity: String,
    /// When it came in, by the provider's clock.
    pub occurred_at: DateTime<Utc>,
    /// Who wrote it. Not always a number: `anonymous`, a short code, an alphanumeric sender.
    pub from: PersonalText,
    /// Our number or address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<PersonalText>,
    /// What was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<PersonalText>,
    /// The id of the button that was pressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub button: Option<PersonalText>,
    /// What was written on that button.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub button_label: Option<PersonalText>,
    /// What the provider takes it for: `STOP`, `START`, `HELP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opt_out: Option<String>,
    /// What the provider calls the message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
    /// The event as it was sent, without credentials. To be kept sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<PersonalText>,
}

impl InboundRecord {
    /// Who wrote it, if that is an address or a number that can be written to.
    #[must_use]
    pub fn sender(&self) -> Option<Recipient> {
        Recipient::parse(self.channel, self.from.expose()).ok()
    }

    /// What it means: by the provider's word if there is one, else by the button, else by the text.
    #[must_use]
    pub fn intent(&self) -> Intent {
        let opted = self.opt_out.as_deref().map(replies::intent);
        if let Some(intent) = opted.filter(|intent| *intent != Intent::Unclear) {
            return intent;
        }
        let text = |text: &Option<PersonalText>| text.as_ref().map(|text| text.expose().to_owned());
        if self.button.is_some() || self.button_label.is_some() {
            return replies::intent_of_button(text(&self.button).as_deref(), text(&self.button_label).as_deref());
        }
        self.text
            .as_ref()
            .map_or(Intent::Unclear, |text| replies::intent(text.expose()))
    }
}

/// Shows the way and the sizes. Ids and names stay hidden.
impl fmt::Debug for InboundRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundRecord")
            .field("provider", &self.provider)
            .field("channel", &self.channel)
            .field("text", &self.text)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FIRST_FORM: &str = r#"{"provider":"twilio","channel":"sms","external_id":"SM1","identity":"ab","occurred_at":"2026-01-02T03:04:05Z","from":"+33612345678"}"#;

    fn written(fields: &str) -> InboundRecord {
        serde_json::from_str(&FIRST_FORM.replacen('{', &format!("{{{fields}"), 1)).unwrap()
    }

    #[test]
    fn the_smallest_form_parses_and_comes_out_the_same() {
        assert_eq!(serde_json::to_string(&written("")).unwrap(), FIRST_FORM);
    }

    #[test]
    fn the_providers_word_goes_before_the_button_and_the_button_before_the_text() {
        let check = |fields, expected| assert_eq!(written(fields).intent(), expected, "{fields}");
        check("", Intent::Unclear);
        check(r#""text":"Oui, parfait","#, Intent::Yes);
        check(r#""button":"btn_1","button_label":"Non","text":"Oui","#, Intent::No);
        check(r#""button":"yes","#, Intent::Yes);
        check(r#""opt_out":"STOP","text":"cancel","#, Intent::Stop);
        check(r#""opt_out":"START","text":"yes","#, Intent::Start);
        check(r#""opt_out":"SOMETHING","text":"oui","#, Intent::Yes);
    }

    #[test]
    fn only_what_can_be_written_to_is_a_sender() {
        let from =
            |text: &str| serde_json::from_str::<InboundRecord>(&FIRST_FORM.replace("+33612345678", text)).unwrap();
        assert!(from("+33612345678").sender().is_some());
        for nobody in ["36105", "anonymous", ""] {
            assert_eq!(from(nobody).sender(), None);
        }
    }

    #[test]
    fn nothing_personal_shows_in_debug() {
        let shown = format!(
            "{:?}",
            written(r#""text":"Bonjour","to":"+33600000000","raw":"Bonsoir","#)
        );
        for private in ["612345", "Bonjour", "Bonsoir", "SM1", "600000"] {
            assert!(!shown.contains(private), "{shown}");
        }
    }
}
