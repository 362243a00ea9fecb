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
    only_odd(texts)
}

/// Those of the texts that cannot be taken for a word.
#[must_use]
pub fn only_odd(mut texts: Vec<String>) -> Vec<String> {
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

/// The names of all fields of a JSON body. What is wrong with a field is told by its name.
#[must_use]
pub fn names_in(body: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        collect_names(&value, &mut names);
    }
    names
}

fn collect_names(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| collect_names(value, names)),
        Value::Object(fields) => {
            names.extend(fields.keys().cloned());
            fields.values().for_each(|value| collect_names(value, names));
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// None of the texts is in what is shown.
pub fn shows_none(shown: &str, texts: &[String]) {
    for text in texts {
        assert!(!shown.contains(text.as_str()), "this shows {text:?}: {shown}");
    }
}

/// Whether a text stands there by itself, and not only as a part of a longer word. Beside one of `borders` it is a part, too.
#[must_use]
pub fn stands_alone(shown: &str, text: &str, borders: &[char]) -> bool {
    let is_part = |sign: Option<char>| sign.is_some_and(|sign| sign.is_alphanumeric() || borders.contains(&sign));
    let is_alone = |at: usize| {
        let (before, after) = (&shown[..at], &shown[at + text.len()..]);
        !is_part(before.chars().next_back()) && !is_part(after.chars().next())
    };
    !text.is_empty() && shown.match_indices(text).any(|(at, _)| is_alone(at))
}
