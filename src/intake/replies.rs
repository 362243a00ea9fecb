//! What is answered at once to who wrote STOP, START or HELP: TwiML, in the tenant's name.
//!
//! That it stops or starts anything is the job's doing. The answer needs no job: Twilio sends it for us, also to who wants
//! no more messages, for whom a job would send nothing.

use domain::{Language, PersonalText, replies, suppression};
use providers::Event;
use quick_xml::escape::escape;
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

    /// What is answered to the message of this event. Nothing if it is none, if it says something else, if its sender cannot
    /// be written to, or if the provider says that it answers by itself.
    pub(super) fn reply(&self, event: &Event) -> Option<String> {
        let inbound = jobs::inbound_of(event)?;
        if inbound.opt_out.is_some() || inbound.sender().is_none() {
            return None;
        }
        let text = inbound.text.as_ref().or(inbound.button_label.as_ref());
        let language = text.and_then(|text| replies::language(text.expose()));
        suppression::answer(
            inbound.intent(),
            language.unwrap_or(self.language),
            &self.name,
            self.contact.as_ref().map(|contact| contact.expose()),
        )
    }
}

/// A document for Twilio that has this text sent, or does nothing.
pub(super) fn twiml(text: Option<&str>) -> String {
    const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
    match text {
        None => format!("{DECLARATION}<Response/>"),
        Some(text) => {
            let text: String = text.chars().filter(|char| is_of_xml(*char)).collect();
            let text = escape(text.as_str());
            format!("{DECLARATION}<Response><Message>{text}</Message></Response>")
        }
    }
}

/// What no document may contain is left out, escaped or not (XML 1.0, "Characters").
const fn is_of_xml(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use quick_xml::Reader;
    use quick_xml::events::Event as Xml;
    use serde_json::json;

    use super::*;

    fn house() -> House {
        House {
            name: "Müller & Fils <Lyon>".into(),
            language: Language::French,
            contact: Some(PersonalText::new("desk@example.com")),
        }
    }

    /// What is answered to a text message.
    fn reply(text: &str, opt_out: Option<&str>, from: &str) -> Option<String> {
        let event = json!({
            "provider": "twilio", "kind": "received", "identity": "1", "occurred_at": "2026-03-02T10:00:00Z", "raw": "",
            "news": { "inbound": {
                "channel": "sms", "external_id": "SM1", "from": from, "text": text, "opt_out": opt_out,
            } },
        });
        house().reply(&serde_json::from_value(event).unwrap())
    }

    #[test]
    fn stop_start_and_help_are_answered_in_the_language_of_the_word_or_else_of_the_tenant() {
        for (text, expected) in [
            ("STOP", "désinscription faite"),
            ("Arrêt svp", "désinscription faite"),
            ("unsubscribe", "you are unsubscribed"),
            ("START", "vous recevrez à nouveau"),
            ("HELP", "reply STOP to get no more messages"),
            ("aide", "répondez STOP"),
        ] {
            let said = reply(text, None, "+12025550143").unwrap();
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
            ("Oui, parfait", None, "+12025550143"),
            ("no", None, "+12025550143"),
            ("please stop by tomorrow", None, "+12025550143"),
            ("STOP", Some("STOP"), "+12025550143"),
            ("STOP", None, "36105"),
        ] {
            assert_eq!(reply(text, opt_out, from), None, "{text}");
        }
    }

    /// The text of a document's only message, by a reader that takes nothing but XML.
    fn message(document: &str) -> Option<String> {
        let mut reader = Reader::from_str(document);
        let mut text = None;
        loop {
            match reader.read_event().unwrap() {
                Xml::Text(part) => text.get_or_insert_with(String::new).push_str(&part.decode().unwrap()),
                Xml::GeneralRef(reference) => {
                    let entity = format!("&{};", reference.decode().unwrap());
                    let plain = quick_xml::escape::unescape(&entity).unwrap().into_owned();
                    text.get_or_insert_with(String::new).push_str(&plain);
                }
                Xml::Eof => return text,
                _ => {}
            }
        }
    }

    #[test]
    fn whatever_a_tenant_is_called_the_document_is_well_formed_and_says_it() {
        assert_eq!(message(&twiml(None)), None);
        for text in [
            "plain",
            "A & B <b>\"c\"</b> 'd' ]]> <!-- &amp; &#0;",
            "</Message></Response><Response><Message>",
            "élan 👋\n",
        ] {
            assert_eq!(message(&twiml(Some(text))).as_deref(), Some(text));
        }
        assert_eq!(message(&twiml(Some("a\0b\u{1f}c\u{ffff}d"))).as_deref(), Some("abcd"));
    }
}
