//! In whose name who wrote STOP, START or HELP is answered, and with which words.

use domain::{InboundRecord, Language, PersonalText, replies, suppression};
use store::{Settings, Tenant};

/// In whose name answers are given.
#[derive(Clone, Debug)]
pub struct House {
    name: String,
    language: Language,
    /// Where to ask for help.
    contact: Option<PersonalText>,
}

impl House {
    /// The tenant's own. Who asks for help is told the address that the tenant's mail comes from.
    #[must_use]
    pub fn new(tenant: &Tenant, settings: &Settings) -> Self {
        let address = |sender: &PersonalText| {
            let text = sender.expose();
            let within = text.rsplit_once('<').map_or(text, |(_, address)| address);
            PersonalText::new(within.trim_end_matches('>').trim())
        };
        Self {
            name: tenant.name.clone(),
            language: settings.language,
            contact: settings.senders.email.as_ref().map(address),
        }
    }

    /// What is answered to a message, and in which language: that of its words, else the one they were `written_to` in, else
    /// the tenant's. Nothing if it says something else, if its sender cannot be written to, or if the provider says that it
    /// answers by itself.
    #[must_use]
    pub fn confirm(&self, inbound: &InboundRecord, written_to: Option<Language>) -> Option<(String, Language)> {
        if inbound.opt_out.is_some() || inbound.sender().is_none() {
            return None;
        }
        let text = inbound.text.as_ref().or(inbound.button_label.as_ref());
        let language = text.and_then(|text| replies::language(text.expose()));
        let language = language.or(written_to).unwrap_or(self.language);
        let contact = self.contact.as_ref().map(|contact| contact.expose());
        suppression::answer(inbound.intent(), language, &self.name, contact).map(|text| (text, language))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn confirmed(text: &str, opt_out: Option<&str>, from: &str, written_to: Option<Language>) -> Option<String> {
        let house = House {
            name: "Müller & Fils <Lyon>".into(),
            language: Language::French,
            contact: Some(PersonalText::new("desk@example.com")),
        };
        let inbound = json!({
            "provider": "twilio", "channel": "sms", "external_id": "SM1", "identity": "1",
            "occurred_at": "2026-03-02T10:00:00Z", "from": from, "text": text, "opt_out": opt_out,
        });
        let inbound = serde_json::from_value(inbound).unwrap();
        house.confirm(&inbound, written_to).map(|(text, _)| text)
    }

    const ANA: &str = "+12025550143";

    #[test]
    fn stop_start_and_help_are_answered_in_the_language_of_the_word_or_of_the_message_or_else_of_the_tenant() {
        let english = Some(Language::English);
        for (text, written_to, expected) in [
            ("STOP", None, "désinscription faite"),
            ("STOP", english, "you are unsubscribed"),
            ("Arrêt svp", english, "désinscription faite"),
            ("unsubscribe", None, "you are unsubscribed"),
            ("START", None, "vous recevrez à nouveau"),
            ("HELP", None, "reply STOP to get no more messages"),
            ("aide", english, "répondez STOP"),
        ] {
            let said = confirmed(text, None, ANA, written_to).unwrap();
            assert!(said.starts_with("Müller & Fils <Lyon>: "), "{said}");
            assert!(said.contains(expected), "{text}: {said}");
            assert_eq!(
                said.ends_with("desk@example.com"),
                matches!(text, "HELP" | "aide"),
                "{said}"
            );
        }
    }

    #[test]
    fn nothing_is_answered_to_anything_else_to_nobody_and_where_the_provider_answers() {
        for (text, opt_out, from) in [
            ("Oui, parfait", None, ANA),
            ("no", None, ANA),
            ("please stop by tomorrow", None, ANA),
            ("STOP", Some("STOP"), ANA),
            ("STOP", None, "36105"),
        ] {
            assert_eq!(confirmed(text, opt_out, from, None), None, "{text}");
        }
    }
}
