//! Reads the JSON of providers.
//!
//! Leniently: once a provider has vouched for a body, an odd optional field must not make us lose the event. A field that
//! is absent, null, empty or of another type than expected counts as not given. What is required is refused by name.

use chrono::{DateTime, Utc};
use domain::PersonalText;
use serde_json::{Map, Value};

use crate::refusal::Unreadable;
use crate::time;

/// The longest id that is taken for one.
const ID_BYTES_MAX: usize = 255;

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// The object that `body` is.
pub(crate) fn object(body: &[u8]) -> Result<Object, Unreadable> {
    serde_json::from_slice(body).map_err(|error| Unreadable::body(&error, "must be a JSON object"))
}

/// A text that can be stored, shown and compared as an id.
pub(crate) fn usable_id(text: &str) -> Option<String> {
    let usable = !text.is_empty() && text.len() <= ID_BYTES_MAX && !text.chars().any(char::is_control);
    usable.then(|| text.to_owned())
}

/// A text by or about a person. No database stores a NUL in a text, so it is shown as what could not be read.
pub(crate) fn personal(text: &str) -> PersonalText {
    PersonalText::new(text.replace('\0', "\u{fffd}"))
}

/// Reads the fields of an object.
pub(crate) trait Fields {
    /// A text that is not empty.
    fn text(&self, name: &str) -> Option<&str>;
    /// A text or a whole number, at most 255 bytes, without control characters.
    fn id(&self, name: &str) -> Option<String>;
    /// A whole number.
    fn whole(&self, name: &str) -> Option<i64>;
    /// An object; an empty one when there is none.
    fn object(&self, name: &str) -> &Object;
    /// The elements of a list.
    fn list(&self, name: &str) -> &[Value];

    /// A text that is not empty, masked.
    fn personal(&self, name: &str) -> Option<PersonalText> {
        self.text(name).map(personal)
    }

    /// An instant in RFC 3339.
    fn instant(&self, name: &str) -> Option<DateTime<Utc>> {
        self.text(name).and_then(time::parse)
    }

    /// An instant in unix seconds or milliseconds.
    fn unix(&self, name: &str) -> Option<DateTime<Utc>> {
        self.whole(name).and_then(time::from_unix_seconds_or_millis)
    }
}

impl Fields for Object {
    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    fn id(&self, name: &str) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => usable_id(text),
            Value::Number(number) if !number.is_f64() => Some(number.to_string()),
            _ => None,
        }
    }

    fn whole(&self, name: &str) -> Option<i64> {
        self.get(name)?.as_i64()
    }

    fn object(&self, name: &str) -> &Object {
        static NONE: std::sync::LazyLock<Object> = std::sync::LazyLock::new(Object::new);
        self.get(name).and_then(Value::as_object).unwrap_or(&NONE)
    }

    fn list(&self, name: &str) -> &[Value] {
        self.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}
