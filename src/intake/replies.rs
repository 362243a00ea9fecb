//! What is answered at once to who wrote STOP, START or HELP: TwiML, in the tenant's name.
//!
//! That it stops or starts anything is the job's doing. The answer needs no job, because Twilio sends it for us. Where a provider
//! sends nothing for us, the same job adds one that does.

use jobs::House;
use providers::Event;
use quick_xml::escape::escape;

/// What is answered to the message of this event within its request; nothing if it is none.
pub(super) fn reply(house: &House, event: &Event) -> Option<String> {
    let inbound = jobs::inbound_of(event)?;
    house.confirm(&inbound, None).map(|(text, _)| text)
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

    use super::*;

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
