//! Payloads in front of an operator: opened with the keys, masked unless they are asked for in clear, compared.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{EmailAddress, PersonalText};
use queue::JobId;
use queue::backend::Kept;
use queue::envelope::Envelope;
use seal::Keyring;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Words in a field's name that say that its text is somebody's own.
const PERSONAL: [&str; 18] = [
    "address",
    "body",
    "code",
    "email",
    "from",
    "html",
    "identity",
    "link",
    "name",
    "password",
    "phone",
    "recipient",
    "secret",
    "subject",
    "text",
    "to",
    "token",
    "url",
];

/// The field of a digest.
const FINGERPRINT: &str = "fingerprint";

/// The longest text without white space that is taken for an id or a word rather than a message.
const WORD_BYTES_MAX: usize = 64;

/// The payload of a kept job, opened and parsed. What cannot be parsed comes as `{"raw_base64": …}`, and what cannot be
/// opened as `{"unreadable": why}`.
pub(super) fn open(kept: &Kept, keyring: &Keyring, reveal: bool) -> Value {
    let Some(envelope) = Envelope::decode(&kept.body) else {
        return raw(&kept.body, reveal);
    };
    match clear(&envelope, kept.id, keyring) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(payload) if reveal => payload,
            Ok(payload) => masked(&payload),
            Err(_) => raw(&bytes, reveal),
        },
        Err(why) => json!({ "unreadable": why }),
    }
}

/// The payload's bytes.
pub(super) fn clear(envelope: &Envelope<'_>, id: JobId, keyring: &Keyring) -> Result<Vec<u8>, String> {
    envelope.open(id, keyring).map_err(|error| error.to_string())
}

fn raw(bytes: &[u8], reveal: bool) -> Value {
    let text = if reveal {
        STANDARD.encode(bytes)
    } else {
        format!("<{} bytes>", bytes.len())
    };
    json!({ "raw_base64": text })
}

/// The same value with everything left out that may be personal. In doubt it is left out.
pub(super) fn masked(value: &Value) -> Value {
    masked_under("", value)
}

fn masked_under(field: &str, value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), masked_under(name, value)))
                .collect(),
        ),
        Value::Array(items) if field == FINGERPRINT => {
            digest(items).unwrap_or_else(|| Value::String("<digest>".into()))
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| masked_under(field, item)).collect()),
        Value::String(text) if is_personal(field, text) => Value::String(mask(text)),
        Value::Number(_) if has_personal_name(field) => Value::String("<number>".into()),
        other => other.clone(),
    }
}

/// A digest lies there byte by byte, as numbers, which nobody can compare.
fn digest(bytes: &[Value]) -> Option<Value> {
    let bytes = bytes
        .iter()
        .map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok()));
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    Some(Value::String(hex::encode(bytes)))
}

fn is_personal(field: &str, text: &str) -> bool {
    if text.parse::<Uuid>().is_ok() || chrono::DateTime::parse_from_rfc3339(text).is_ok() {
        return false;
    }
    let word = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    has_personal_name(field) || text.len() > WORD_BYTES_MAX || !text.chars().all(word) || looks_like_phone(text)
}

fn has_personal_name(field: &str) -> bool {
    field
        .split('_')
        .any(|part| PERSONAL.contains(&part.to_ascii_lowercase().as_str()))
}

fn looks_like_phone(text: &str) -> bool {
    text.len() >= 7 && text.chars().all(|c| c.is_ascii_digit() || "-.".contains(c))
}

fn mask(text: &str) -> String {
    match EmailAddress::parse(text) {
        Ok(address) if !text.contains(char::is_whitespace) && !text.contains("://") => address.to_string(),
        _ => PersonalText::new(text).to_string(),
    }
}

/// One place at which two payloads differ.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// Where: `event.subject`.
    pub(super) path: String,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

impl Change {
    /// The same, without what may be personal.
    pub(super) fn masked(self) -> Self {
        let field = self.path.rsplit('.').next().unwrap_or_default().to_owned();
        let mask = |value: Option<Value>| value.map(|value| masked_under(&field, &value));
        Self {
            before: mask(self.before),
            after: mask(self.after),
            path: self.path,
        }
    }

    /// Whether the new value is only the old one's mask: the payload was written from a masked one.
    pub(super) fn writes_a_mask(&self) -> bool {
        let field = self.path.rsplit('.').next().unwrap_or_default();
        let mask = self.before.as_ref().map(|value| masked_under(field, value));
        self.after.is_some() && self.after == mask && self.after != self.before
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "path": self.path, "before": self.before, "after": self.after })
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    pub(super) fn read(json: &Value) -> Option<Self> {
        let value = |name: &str| json.get(name).filter(|value| !value.is_null()).cloned();
        Some(Self {
            path: json.get("path")?.as_str()?.to_owned(),
            before: value("before"),
            after: value("after"),
        })
    }

    /// Lines with a minus for what goes and a plus for what comes.
    pub(super) fn words(&self) -> String {
        let line = |sign: char, value: &Option<Value>| {
            value
                .as_ref()
                .map(|value| format!("{sign} {}: {value}\n", self.path))
                .unwrap_or_default()
        };
        line('-', &self.before) + &line('+', &self.after)
    }
}

/// Where two payloads differ, field by field.
pub(super) fn differences(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", Some(before), Some(after), &mut changes);
    changes
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Change>) {
    if before == after {
        return;
    }
    if let (Some(Value::Object(before)), Some(Value::Object(after))) = (before, after) {
        for name in names(before, after) {
            let below = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            compare(&below, before.get(name), after.get(name), changes);
        }
        return;
    }
    changes.push(Change {
        path: path.to_owned(),
        before: before.cloned(),
        after: after.cloned(),
    });
}

fn names<'a>(before: &'a Map<String, Value>, after: &'a Map<String, Value>) -> Vec<&'a String> {
    before
        .keys()
        .chain(after.keys().filter(|name| !before.contains_key(*name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_personal_is_masked_and_what_finds_a_job_is_not() {
        let payload = json!({
            "endpoint": "0195c0de-0000-7000-8000-000000000000", "attempt": 3, "late": null, "fingerprint": [1, 255],
            "event": {
                "provider": "sendgrid", "external_id": "msg-17", "kind": "clicked", "identity": "a word",
                "occurred_at": "2026-01-02T03:04:05Z", "recipient": "marie@example.com", "subject": "Bonjour",
                "url": "https://example.com/?who=marie", "person_id": "33612345678", "tags": ["ok", "two words"],
                "organisation_id": "marie@example.com", "phone": 33_612_345_678_i64,
            },
        });
        assert_eq!(
            masked(&payload),
            json!({
                "endpoint": "0195c0de-0000-7000-8000-000000000000", "attempt": 3, "late": null,
                "fingerprint": "01ff",
                "event": {
                    "provider": "sendgrid", "external_id": "msg-17", "kind": "clicked", "identity": "<6 bytes>",
                    "occurred_at": "2026-01-02T03:04:05Z", "recipient": "m***@e***.com", "subject": "<7 bytes>",
                    "url": "<30 bytes>", "person_id": "<11 bytes>", "tags": ["ok", "<9 bytes>"],
                    "organisation_id": "m***@e***.com", "phone": "<number>",
                },
            })
        );
    }

    #[test]
    fn a_difference_names_the_field_and_both_values() {
        let before = json!({ "a": { "subject": "x", "same": 1 }, "gone": true });
        let after = json!({ "a": { "subject": "y", "same": 1 }, "new": [1] });
        let words: String = differences(&before, &after).iter().map(Change::words).collect();
        assert_eq!(
            words,
            "- a.subject: \"x\"\n+ a.subject: \"y\"\n- gone: true\n+ new: [1]\n"
        );
        let shown: String = differences(&before, &after)
            .into_iter()
            .map(|change| change.masked().words())
            .collect();
        assert!(shown.starts_with("- a.subject: \"<1 bytes>\"\n"), "{shown}");
        assert_eq!(differences(&before, &before), []);
        let read: Vec<_> = differences(&before, &after)
            .iter()
            .filter_map(|change| Change::read(&change.to_json()))
            .collect();
        assert_eq!(read, differences(&before, &after));
    }
}
