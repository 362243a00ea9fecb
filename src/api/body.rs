//! Bodies of requests: JSON, limited in size, with errors that name the field and repeat no value.

use axum::body::{Body as Stream, to_bytes};
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;
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

/// Reads JSON.
///
/// # Errors
/// 422, which names the field and what is expected of it.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.into_inner());
        Problem::new(Code::Unreadable, fault(&path, &inner))
    })?;
    json.end()
        .map_err(|_| Problem::new(Code::Unreadable, "Something stands behind the JSON."))?;
    Ok(read)
}

/// The library's words in ours. Its own repeat values; of them only those are kept that name fields or lists of words.
fn fault(path: &str, error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    if error.classify() != Category::Data {
        return "The body is not JSON.".to_owned();
    }
    if let Some(rest) = text.strip_prefix("missing field ") {
        return if path == "." {
            format!("{rest} is missing.")
        } else {
            format!("{rest} is missing in `{path}`.")
        };
    }
    if text.starts_with("unknown field ") {
        let expected = text.split_once(", expected ").map_or("", |(_, known)| known);
        return format!("`{path}` is not known here; expected {expected}.");
    }
    if let Some(words) = text.strip_prefix("not one of: ") {
        return format!("`{path}` must be one of {words}.");
    }
    match text.split_once("expected ") {
        Some((_, expected)) => format!("`{path}` must be {expected}."),
        None => format!("`{path}` is not what stands there."),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Form {
        to: String,
        #[serde(default)]
        channel: Option<domain::Channel>,
        #[serde(default)]
        tags: Vec<String>,
    }

    #[test]
    fn a_body_that_cannot_be_read_names_the_field_and_repeats_no_value() {
        for (body, expected) in [
            ("{}", "`to` is missing."),
            (r#"{"to":33612345678}"#, "`to` must be a string."),
            (
                r#"{"to":"a","channel":"pigeon"}"#,
                "`channel` must be one of email, sms, whatsapp.",
            ),
            (r#"{"to":"a","tags":["x",{"secret":1}]}"#, "`tags[1]` must be a string."),
            (
                r#"{"to":"a","secret":1}"#,
                "`secret` is not known here; expected one of `to`, `channel`, `tags`.",
            ),
            ("secret", "The body is not JSON."),
            (r#"{"to":"a"} secret"#, "Something stands behind the JSON."),
        ] {
            assert_eq!(read::<Form>(body.as_bytes()).unwrap_err().detail, expected, "{body}");
        }
    }
}
