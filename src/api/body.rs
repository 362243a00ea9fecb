//! Bodies of requests: JSON objects, limited in size, with errors that name the field, say what it must be and repeat no
//! value.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use axum::body::{Body as Stream, to_bytes};
use axum::extract::{FromRequest, Request};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use crate::problem::{Code, Problem};

/// The largest body that is read: a thousand messages with a page each.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A request's body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<Stream>, _state: &S) -> Result<Self, Problem> {
        let bytes = to_bytes(request.into_body(), BODY_BYTES_MAX)
            .await
            .map_err(|_| Problem::new(Code::BodyTooLarge, format!("At most {BODY_BYTES_MAX} bytes are read.")))?;
        read(&bytes).map(Self)
    }
}

/// Reads a JSON object.
///
/// # Errors
/// 422, which names the field and what is expected of it.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let Object(read) = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.into_inner());
        Problem::new(Code::Unreadable, fault(&path, &inner))
    })?;
    json.end()
        .map_err(|_| Problem::new(Code::Unreadable, "Something stands behind the JSON."))?;
    Ok(read)
}

/// What is read from an object alone. A struct would also be read from a list, by the order in which its fields stand in the
/// code, which is nobody's to know.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// For a field that may be missing or `null`, and otherwise is an object.
pub(super) fn optional_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let read = Option::<Object<T>>::deserialize(deserializer)?;
    Ok(read.map(|Object(read)| read))
}

/// For a field that is a list of objects.
pub(super) fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let read = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(read.into_iter().map(|Object(read)| read).collect())
}

/// The library's words in ours. Its own repeat values; of them only those are kept that name fields or lists of words.
fn fault(path: &str, error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    if error.classify() != Category::Data {
        return "The body is not JSON.".to_owned();
    }
    let (field, inside) = match path {
        "." => ("The body".to_owned(), String::new()),
        path => (format!("`{path}`"), format!(" in `{path}`")),
    };
    if let Some(rest) = text.strip_prefix("missing field ") {
        return format!("{rest} is missing{inside}.");
    }
    if let Some(rest) = text.strip_prefix("duplicate field ") {
        return format!("{rest} is given twice{inside}.");
    }
    if text.starts_with("unknown field ") {
        let known = text.rsplit_once(", expected ").map_or("", |(_, known)| known);
        return format!("{field} is not known here; expected {known}.");
    }
    match expected(text) {
        Some(expected) => format!("{field} must be {expected}."),
        None => format!("{field} is not what is taken here; `GET /openapi.json` says what is."),
    }
}

/// What the library's words about a value say that it must be, in ours. What stands in front of its last `expected` may be
/// the value.
pub(super) fn expected(fault: &str) -> Option<Cow<'_, str>> {
    if let Some(words) = fault.strip_prefix("not one of: ") {
        return Some(format!("one of {words}").into());
    }
    if fault.starts_with("UUID parsing failed") {
        return Some(ID.into());
    }
    let (_, expected) = fault.rsplit_once(", expected ")?;
    Some(match expected {
        "u8" | "u16" | "u64" | "usize" => "a whole number from 0".into(),
        "u32" => format!("a whole number from 0 to {}", u32::MAX).into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "`true` or `false`".into(),
        "a sequence" => "a list".into(),
        "a map" => "an object".into(),
        "a formatted UUID string" => ID.into(),
        // The name is one of the code's.
        expected if expected.starts_with("struct ") => "an object".into(),
        expected => expected.into(),
    })
}

/// What an id must be.
const ID: &str = "an id (UUID)";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::api::moment::Moment;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Form {
        to: String,
        #[serde(default)]
        channel: Option<domain::Channel>,
        #[serde(default)]
        tags: Vec<String>,
        #[serde(default)]
        at: Option<Moment>,
        #[serde(default)]
        ids: Option<Vec<uuid::Uuid>>,
        #[serde(default)]
        version: Option<u64>,
        #[serde(default)]
        seconds: Option<u32>,
        #[serde(default)]
        is_kept: Option<bool>,
        #[serde(default)]
        variables: std::collections::BTreeMap<String, String>,
        #[serde(default, deserialize_with = "optional_object")]
        inner: Option<Inner>,
        #[serde(default, deserialize_with = "objects")]
        many: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Inner {
        name: Option<String>,
        #[serde(default)]
        size: u64,
    }

    fn check(body: &str, expected: &str) {
        assert_eq!(read::<Form>(body.as_bytes()).unwrap_err().detail, expected, "{body}");
    }

    #[test]
    fn a_body_that_cannot_be_read_names_the_field_and_repeats_no_value() {
        check("{}", "`to` is missing.");
        check(r#"{"to":33612345678}"#, "`to` must be a string.");
        check(
            r#"{"to":"a","channel":"pigeon"}"#,
            "`channel` must be one of email, sms, whatsapp.",
        );
        check(r#"{"to":"a","tags":["x",{"secret":1}]}"#, "`tags[1]` must be a string.");
        let unknown = read::<Form>(br#"{"to":"a","secret, expected b":1}"#)
            .unwrap_err()
            .detail;
        let named = "`secret, expected b` is not known here; expected one of `to`, `channel`, ";
        assert!(unknown.starts_with(named), "{unknown}");
        check(
            r#"{"to":"a","inner":{"secret":1}}"#,
            "`inner.secret` is not known here; expected `name` or `size`.",
        );
        check(r#"{"to":"a","to":"b"}"#, "`to` is given twice.");
        check("secret", "The body is not JSON.");
        check(r#"{"to":"a"} secret"#, "Something stands behind the JSON.");
        check(
            r#"{"to":"a","version":"x, expected secret"}"#,
            "`version` must be a whole number from 0.",
        );
    }

    #[test]
    fn what_a_field_must_be_is_said_in_plain_words() {
        let time = "a time by RFC 3339 with its zone, of the years 1970 to 9999, e.g. 2026-01-31T09:00:00Z";
        for (field, given, expected) in [
            ("at", r#""tomorrow""#, time),
            ("at", r#""""#, time),
            ("at", r#""2026-01-31T09:00:00""#, time),
            ("at", "1769850000", time),
            ("ids", r#""x""#, "a list"),
            ("ids", "{}", "a list"),
            ("ids[0]", r#"["x"]"#, "an id (UUID)"),
            ("ids[0]", "[1]", "an id (UUID)"),
            ("version", r#""1""#, "a whole number from 0"),
            ("version", "-1", "a whole number from 0"),
            ("version", "1.5", "a whole number from 0"),
            ("seconds", "4294967296", "a whole number from 0 to 4294967295"),
            ("is_kept", "1", "`true` or `false`"),
            ("variables", "[]", "an object"),
            ("inner", r#""ana""#, "an object"),
            ("inner.size", r#"{"size":"x"}"#, "a whole number from 0"),
            ("many", "{}", "a list"),
            ("many[1].name", r#"[{},{"name":1}]"#, "a string"),
        ] {
            let name = field.split(['[', '.']).next().unwrap();
            check(
                &format!(r#"{{"to":"a","{name}":{given}}}"#),
                &format!("`{field}` must be {expected}."),
            );
        }
    }

    #[test]
    fn a_list_of_values_is_no_object_wherever_one_is_expected() {
        for body in ["[]", r#"["a"]"#, "null", "1", r#""a""#] {
            check(body, "The body must be an object.");
            let any = read::<serde_json::Value>(body.as_bytes());
            assert_eq!(any.unwrap_err().detail, "The body must be an object.", "{body}");
        }
        check(r#"{"to":"a","inner":["name",1]}"#, "`inner` must be an object.");
        check(r#"{"to":"a","many":[{},["name",1]]}"#, "`many[1]` must be an object.");
        read::<Form>(br#"{"to":"a","inner":null,"many":[{"name":"b"}]}"#).unwrap();
    }
}
