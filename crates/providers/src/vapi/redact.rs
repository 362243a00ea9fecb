//! Takes credentials out of a body before it is handed on.
//!
//! By name and at any depth, because Vapi repeats a telephone number with its credentials in several places and adds
//! fields without notice. Losing an innocent field is the cheaper mistake.

use serde_json::Value;

/// Names that end like this, in any case: `twilioAuthToken`, `twilioApiSecret`, `secret`.
const ENDINGS: [&str; 13] = [
    "accesskey",
    "accountsid",
    "apikey",
    "apisecret",
    "authtoken",
    "accesstoken",
    "bearertoken",
    "credentials",
    "password",
    "privatekey",
    "secret",
    "secretkey",
    "authorization",
];
/// Whole names: `monitor` holds links that listen to and steer the running call; `headers` are sent to servers, often
/// with a token in them.
const NAMES: [&str; 6] = ["token", "monitor", "listenUrl", "controlUrl", "headers", "credential"];

/// Removes every field whose name says that it is secret.
pub(super) fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !is_secret(name));
            fields.values_mut().for_each(redact);
        }
        Value::Array(elements) => elements.iter_mut().for_each(redact),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    NAMES.contains(&name) || ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_go_at_any_depth_and_counts_of_tokens_stay() {
        let mut value = json!({
            "phoneNumber": {"twilioAccountSid": "x", "twilioAuthToken": "x", "twilioApiKey": "x", "twilioApiSecret": "x", "number": "+1"},
            "list": [{"server": {"secret": "x", "headers": {"Authorization": "x"}, "url": "u"}}],
            "monitor": {"listenUrl": "x"},
            "promptTokens": 3,
        });
        redact(&mut value);
        let kept = json!({"phoneNumber": {"number": "+1"}, "list": [{"server": {"url": "u"}}], "promptTokens": 3});
        assert_eq!(value, kept);
    }
}
