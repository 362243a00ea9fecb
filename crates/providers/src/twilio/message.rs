//! A message as Twilio's API takes it: a form (documentation, "Messages resource" and "Content API").

use std::collections::BTreeMap;

use chrono::TimeDelta;
use domain::{E164, PersonalText};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::outgoing::{OutgoingText, OutgoingWhatsapp, TextFrom, WhatsappContent};
use crate::send_error::{Class, SendError};

/// What stands behind the `#` of every URL that Twilio is given. Without it Twilio tries once more, and only when no connection
/// came about; with it, five times, also after an answer of 5xx or none in time (documentation, "Webhooks: Connection
/// Overrides").
pub const CALLBACK_RETRIES: &str = "rc=5&rp=5xx,ct,rt";

/// How long Twilio may keep a message that it cannot send at once.
const VALIDITY_SECONDS: std::ops::RangeInclusive<i64> = 1..=36_000;

/// A message, and what it is found by in the list of messages.
pub(super) struct Message<'a> {
    pub(super) to: &'a E164,
    pub(super) from: &'a TextFrom,
    pub(super) is_whatsapp: bool,
    /// The text. `None` for a template, whose text is Twilio's.
    pub(super) text: Option<&'a str>,
    template: Option<(&'a str, &'a BTreeMap<String, PersonalText>)>,
    valid_for: Option<TimeDelta>,
    report_to: Option<&'a Url>,
}

impl<'a> Message<'a> {
    pub(super) fn of_text(text: &'a OutgoingText) -> Self {
        Self {
            to: &text.to,
            from: &text.from,
            is_whatsapp: false,
            text: Some(text.body.expose()),
            template: None,
            valid_for: text.valid_for,
            report_to: text.report_to.as_ref(),
        }
    }

    pub(super) fn of_whatsapp(message: &'a OutgoingWhatsapp) -> Result<Self, SendError> {
        let missing = || SendError::rejected(Class::Configuration, "21603", "the sender is missing");
        let (text, template) = match &message.content {
            WhatsappContent::Text(text) => (Some(text.expose()), None),
            WhatsappContent::Template { template, variables } => (None, Some((template.as_str(), variables))),
        };
        Ok(Self {
            to: &message.to,
            from: message.from.as_ref().ok_or_else(missing)?,
            is_whatsapp: true,
            text,
            template,
            valid_for: None,
            report_to: message.report_to.as_ref(),
        })
    }

    /// The number as Twilio writes it: the prefix says which way it goes.
    pub(super) fn address(&self, number: &E164) -> String {
        let prefix = if self.is_whatsapp { "whatsapp:" } else { "" };
        format!("{prefix}{}", number.expose())
    }

    pub(super) fn form(&self) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("To", &self.address(self.to));
        match self.from {
            TextFrom::Number(number) => form.append_pair("From", &self.address(number)),
            TextFrom::Service(service) => form.append_pair("MessagingServiceSid", service.as_str()),
            TextFrom::Name(name) => form.append_pair("From", name.as_str()),
        };
        if let Some(text) = self.text {
            form.append_pair("Body", text);
        }
        if let Some((template, variables)) = self.template {
            form.append_pair("ContentSid", template);
            form.append_pair("ContentVariables", &written(variables));
        }
        if let Some(valid_for) = self.valid_for {
            let seconds = valid_for
                .num_seconds()
                .clamp(*VALIDITY_SECONDS.start(), *VALIDITY_SECONDS.end());
            form.append_pair("ValidityPeriod", &seconds.to_string());
        }
        if let Some(url) = self.report_to {
            let mut url = url.clone();
            url.set_fragment(Some(CALLBACK_RETRIES));
            form.append_pair("StatusCallback", url.as_str());
        }
        form.finish()
    }
}

/// A JSON object in a text, of texts.
fn written(variables: &BTreeMap<String, PersonalText>) -> String {
    let variables = variables
        .iter()
        .map(|(name, value)| (name.clone(), value.expose().into()));
    serde_json::Value::Object(variables.collect()).to_string()
}
