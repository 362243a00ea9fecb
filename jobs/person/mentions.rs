//! Whether a payload mentions a person: by who they are, or by one of their messages.

use std::collections::BTreeSet;

use domain::Traces;
use serde_json::Value;
use store::MessageNamed;
use uuid::Uuid;

/// What payloads name that may be a person's messages. Whose they are, the store knows.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) ids: BTreeSet<Uuid>,
    /// Providers, and what those call messages.
    pub(super) external: BTreeSet<(String, String)>,
}

impl Names {
    /// Adds all that a payload names.
    pub(super) fn gather(&mut self, payload: &Value) {
        let (mut providers, mut externals) = (BTreeSet::new(), BTreeSet::new());
        walk(None, payload, &mut |field, text| {
            self.ids.extend(Uuid::parse_str(text).ok());
            match field {
                Some("provider") => {
                    providers.insert(text.to_owned());
                }
                Some("external_id" | "answers") => {
                    externals.insert(text.to_owned());
                }
                _ => {}
            }
            false
        });
        for provider in &providers {
            self.external
                .extend(externals.iter().map(|external| (provider.clone(), external.clone())));
        }
    }
}

/// Who is looked for.
pub(super) struct Wanted<'a> {
    pub(super) traces: &'a Traces,
    /// Those of their messages that were named.
    pub(super) messages: Vec<MessageNamed>,
}

impl Wanted<'_> {
    /// Whether a payload mentions them.
    pub(super) fn are_in(&self, payload: &Value) -> bool {
        let mut named = Names::default();
        named.gather(payload);
        let is_named = |message: &MessageNamed| {
            named.ids.contains(&message.id) || message.name.as_ref().is_some_and(|name| named.external.contains(name))
        };
        self.messages.iter().any(is_named) || self.are_told_of(payload)
    }

    /// Whether a payload says who it is about, and it is them. What it says to somebody else may name them, too: that is the
    /// other's.
    fn are_told_of(&self, payload: &Value) -> bool {
        if let Some(events) = payload.get("events").and_then(Value::as_array) {
            return events.iter().any(|event| self.are_told_of(event));
        }
        // Of a message that is to be sent, who gets it, not what it says.
        let message = payload
            .get("message")
            .filter(|message| message.get("recipient").is_some());
        let told = message.unwrap_or(payload);
        let is_named = |field: Option<&str>, text: &str| {
            field.is_some_and(|field| self.traces.are_named(field, text)) || self.traces.have_contact_in(text)
        };
        if walk(None, told, &mut |field, text| is_named(field, text)) {
            return true;
        }
        let names_another = |field: Option<&str>, text: &str| {
            matches!(field, Some("person_id" | "organisation_id")) && !text.trim().is_empty()
        };
        if walk(None, told, &mut |field, text| names_another(field, text)) {
            return false;
        }
        match message.and_then(|message| message.get("recipient")) {
            Some(recipient) => recipient.as_str().is_some_and(|text| self.traces.have_address_in(text)),
            None => walk(None, told, &mut |_, text| self.traces.have_address_in(text)),
        }
    }
}

/// What is left of a payload that tells of several events without those that mention them; `None` if it tells of nothing else.
pub(super) fn without(payload: &Value, wanted: &Wanted<'_>) -> Option<Value> {
    let events = payload.get("events")?.as_array()?;
    let others: Vec<_> = events.iter().filter(|event| !wanted.are_in(event)).cloned().collect();
    if others.is_empty() || others.len() == events.len() {
        return None;
    }
    let mut left = payload.clone();
    left["events"] = Value::Array(others);
    Some(left)
}

/// Reads a text that may be JSON.
pub(super) fn read(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(text).into_owned()))
}

/// Shows every text with the name of its field, and every field's name, until one is what is looked for. Answers whether one
/// was.
fn walk(field: Option<&str>, value: &Value, is_it: &mut impl FnMut(Option<&str>, &str) -> bool) -> bool {
    match value {
        Value::String(text) => is_it(field, text),
        Value::Number(number) => is_it(field, &number.to_string()),
        Value::Array(items) => items.iter().any(|item| walk(field, item, is_it)),
        Value::Object(fields) => {
            let mut fields = fields.iter();
            fields.any(|(name, value)| is_it(None, name) || walk(Some(name), value, is_it))
        }
        Value::Null | Value::Bool(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use domain::PersonalText;
    use serde_json::json;

    use super::*;

    fn check(payload: &Value, expected: bool) {
        let traces = Traces {
            person_id: Some(PersonalText::new("ana")),
            addresses: vec![PersonalText::new("+12025550143")],
            ..Traces::default()
        };
        let messages = vec![MessageNamed {
            id: Uuid::from_u128(7),
            name: Some(("twilio".into(), "SM1".into())),
        }];
        let wanted = Wanted {
            traces: &traces,
            messages,
        };
        assert_eq!(wanted.are_in(payload), expected, "{payload}");
    }

    #[test]
    fn a_payload_mentions_somebody_by_id_by_address_and_by_message() {
        for payload in [
            json!({ "message": { "person_id": "ana" } }),
            json!({ "events": [{ "raw": "{\"From\":\"+12025550143\"}" }] }),
            json!({ "message": Uuid::from_u128(7) }),
            json!({ "provider": "twilio", "news": { "report": { "external_id": "SM1" } } }),
            json!({ "provider": "twilio", "news": { "inbound": { "answers": "SM1" } } }),
            json!({ "message": { "recipient": "+12025550143" }, "content": { "text": "…" } }),
        ] {
            check(&payload, true);
        }
        for payload in [
            json!({ "message": { "person_id": "bob", "tags": ["ana"] } }),
            json!({ "provider": "sendgrid", "external_id": "SM1" }),
            json!({ "message": { "recipient": "boss@example.org" }, "content": { "text": "Call +12025550143" } }),
            json!({ "message": { "recipient": "+12025550143", "person_id": "bob" } }),
            json!({ "events": [{ "person_id": "bob", "raw": "{\"From\":\"+12025550143\"}" }] }),
            json!(null),
        ] {
            check(&payload, false);
        }
    }

    #[test]
    fn events_of_others_stay() {
        let traces = Traces {
            person_id: Some(PersonalText::new("ana")),
            ..Traces::default()
        };
        let wanted = Wanted {
            traces: &traces,
            messages: Vec::new(),
        };
        let event = |person: &str| json!({ "person_id": person });
        let both = json!({ "endpoint": "e", "events": [event("ana"), event("bob")] });
        let left = json!({ "endpoint": "e", "events": [event("bob")] });
        assert_eq!(without(&both, &wanted), Some(left));
        assert_eq!(without(&json!({ "events": [event("ana")] }), &wanted), None);
        assert_eq!(without(&json!({ "event": event("ana") }), &wanted), None);
    }
}
