//! What may show, and what may not.

use serde_json::Value;

/// Shorter texts stand in too many places to say anything.
const BYTES_MIN: usize = 8;

/// The texts of a JSON body or a form that cannot be taken for a word of a provider (`bounce`, `in-progress`): they have a
/// sign in them that no such word has, but none that is shown as something else.
#[must_use]
pub fn odd_texts(body: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        collect(&value, &mut texts);
    } else if let Ok(form) = std::str::from_utf8(body) {
        texts.extend(form.split(['&', '=']).map(str::to_owned));
    }
    let is_shown_as_it_is = |text: &String| format!("{text:?}").len() == text.len() + 2;
    let is_word = |text: &String| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-:+ ".contains(&byte))
    };
    texts.retain(|text| text.len() >= BYTES_MIN && is_shown_as_it_is(text) && !is_word(text));
    texts
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|value| collect(value, texts)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// None of the texts is in what is shown.
pub fn shows_none(shown: &str, texts: &[String]) {
    for text in texts {
        assert!(!shown.contains(text.as_str()), "this shows {text:?}: {shown}");
    }
}
