//! Reads what our side answers to Twilio.

use std::sync::Arc;

use super::account::TwilioAccount;
use super::inbound;
use crate::callback::{Heard, Listen};
use crate::provider::Channel;
use crate::world::World;

/// The answer has a status that is no success.
const HTTP_FAILED: &str = "11200";
/// The answer is none that Twilio reads.
const WRONG_TYPE: &str = "12300";
/// The answer is no XML.
const NO_DOCUMENT: &str = "12100";

/// After a status callback nothing is done, whatever the answer says.
pub(super) struct Quiet;

impl Listen for Quiet {
    fn hear(&self, _: &Arc<World>, heard: &Heard) -> Option<&'static str> {
        read(heard).err()
    }
}

/// After a message that came in, the answer may have messages to send.
pub(super) struct Obedient {
    pub(super) account: Arc<TwilioAccount>,
    pub(super) channel: Channel,
    /// Our number.
    pub(super) from: String,
    /// The telephone.
    pub(super) to: String,
}

impl Listen for Obedient {
    fn hear(&self, world: &Arc<World>, heard: &Heard) -> Option<&'static str> {
        match read(heard) {
            Ok(texts) => {
                for text in texts {
                    inbound::answer(world, self, &text);
                }
                None
            }
            Err(complaint) => Some(complaint),
        }
    }
}

/// The messages that an answer has to send, or the code in Twilio's debugger.
fn read(heard: &Heard) -> Result<Vec<String>, &'static str> {
    if !(200..300).contains(&heard.status) {
        return Err(HTTP_FAILED);
    }
    let content_type = heard.content_type.as_deref().unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    match essence {
        "" if heard.body.is_empty() => Ok(Vec::new()),
        // Whatever stands there is sent.
        "text/plain" if heard.body.is_empty() => Ok(Vec::new()),
        "text/plain" => Ok(vec![heard.body.clone()]),
        "text/xml" | "application/xml" | "text/html" => messages(&heard.body).ok_or(NO_DOCUMENT),
        _ => Err(WRONG_TYPE),
    }
}

/// The texts of all `<Message>` in a `<Response>`. None when it is none.
fn messages(document: &str) -> Option<Vec<String>> {
    let document = document.trim();
    let document = match document.strip_prefix("<?") {
        Some(declared) => declared.split_once("?>")?.1.trim(),
        None => document,
    };
    if matches!(document, "<Response/>" | "<Response />") {
        return Some(Vec::new());
    }
    let mut rest = document.strip_prefix("<Response>")?.strip_suffix("</Response>")?;
    let mut texts = Vec::new();
    while let Some((_, after)) = rest.split_once("<Message") {
        let (attributes, after) = after.split_once('>')?;
        if attributes.ends_with('/') {
            rest = after;
            continue;
        }
        let (content, after) = after.split_once("</Message>")?;
        let body = content
            .split_once("<Body>")
            .and_then(|(_, body)| body.split_once("</Body>"));
        texts.push(unescape(body.map_or(content, |(body, _)| body)));
        rest = after;
    }
    Some(texts)
}

fn unescape(text: &str) -> String {
    let escapes = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
    ];
    let text = escapes
        .iter()
        .fold(text.to_owned(), |text, (escape, sign)| text.replace(escape, sign));
    // Last, so that what it makes is not taken for another escape.
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content_type: Option<&str>, body: &str, expected: Result<&[&str], &str>) {
        let heard = Heard {
            status: 200,
            content_type: content_type.map(str::to_owned),
            body: body.to_owned(),
        };
        let expected = expected.map(|texts| texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(read(&heard), expected, "{body}");
    }

    #[test]
    fn an_answer_without_a_message_sends_none() {
        check(None, "", Ok(&[]));
        check(Some("text/xml"), "<Response/>", Ok(&[]));
        let declared = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response></Response>\n";
        check(Some("application/xml; charset=utf-8"), declared, Ok(&[]));
    }

    #[test]
    fn messages_are_sent_and_so_is_any_plain_text() {
        let two = "<Response><Message>A &amp; B</Message><Message to=\"+1\"><Body>C&lt;</Body></Message></Response>";
        check(Some("text/xml"), two, Ok(&["A & B", "C<"]));
        check(Some("text/plain"), "accepted", Ok(&["accepted"]));
        check(
            Some("text/xml"),
            "<Response><Message>&amp;lt;</Message></Response>",
            Ok(&["&lt;"]),
        );
    }

    #[test]
    fn what_twilio_cannot_read_is_complained_about() {
        check(Some("application/json"), "{}", Err(WRONG_TYPE));
        check(None, "OK", Err(WRONG_TYPE));
        check(Some("text/xml"), "<Response><Message>open</Response>", Err(NO_DOCUMENT));
        check(Some("text/html"), "<p>hello", Err(NO_DOCUMENT));
    }
}
