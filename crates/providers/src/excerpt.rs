//! What may be kept of a call that went wrong, so that whoever looks after it sees what the provider said.
//!
//! Providers repeat numbers, addresses and texts in their errors. An [`Excerpt`] is masked ([`domain::Masker`]) with
//! everything that the request told before it leaves this crate.

use std::borrow::Cow;
use std::fmt::Write as _;

use domain::Masker;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use url::form_urlencoded;

/// The most characters of a body that are kept.
pub const BODY_CHARS_MAX: usize = 500;
/// The most characters of a header that are kept.
const HEADER_CHARS_MAX: usize = 100;
/// A longer body is no error that a provider's API gives, and only its size is told.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// A part of a path that is this long and has a digit may be an account or a token.
const SEGMENT_CHARS_MIN: usize = 8;

/// The headers that tell how to go on, and by what the provider's support finds the call.
const HEADERS: [&str; 12] = [
    "content-type",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "request-id",
    "retry-after",
    "twilio-error-code",
    "twilio-request-id",
    "x-message-id",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
];

/// What is kept of a call that went wrong. It holds nothing personal and no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// What was asked: `POST /v3/mail/send (content, from, personalizations, subject)`, `RCPT TO`.
    pub request: String,
    /// What came back: status, the headers that matter, and how the body begins. `None` if nothing did.
    pub response: Option<String>,
}

/// A request over HTTP, as far as its excerpt needs it.
pub(crate) struct Asked {
    shown: String,
    masker: Masker,
}

impl Asked {
    /// `route` is the path with names in place of whatever is of one account.
    pub(crate) fn of(request: &reqwest::Request, route: &str) -> Self {
        let mut masker = Masker::default();
        let url = request.url();
        let is_own = |part: &&str| part.len() >= SEGMENT_CHARS_MIN && part.contains(|c: char| c.is_ascii_digit());
        url.path_segments()
            .into_iter()
            .flatten()
            .filter(is_own)
            .for_each(|part| masker.tell(part));
        url.query_pairs().for_each(|(_, value)| masker.tell(&value));
        if let Some(credentials) = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
        {
            masker.tell(credentials.split_once(' ').map_or(credentials, |(_, secret)| secret));
        }
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let fields = tell_body(body, &mut masker);
        let mut shown = format!("{} {route}", request.method());
        if !fields.is_empty() {
            // Writing to a text cannot fail.
            let _ = write!(shown, " ({})", fields.join(", "));
        }
        Self { shown, masker }
    }

    /// Of a call that was not answered.
    pub(crate) fn unanswered(&self) -> Excerpt {
        Excerpt {
            request: self.shown.clone(),
            response: None,
        }
    }

    /// Of a call that was answered. The body of an answer that is no refusal is somebody's message, and is not kept.
    pub(crate) fn answered(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Excerpt {
        let mut response = status.to_string();
        for name in HEADERS {
            if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
                let value: String = value.chars().take(HEADER_CHARS_MAX).collect();
                let _ = write!(response, "\n{name}: {}", self.masker.mask_id(&value));
            }
        }
        if !body.is_empty() {
            let body = if status.is_success() || body.len() > BODY_BYTES_MAX {
                format!("<{} bytes>", body.len())
            } else {
                masked(body, &self.masker)
            };
            response.push('\n');
            response.extend(body.chars().take(BODY_CHARS_MAX));
        }
        Excerpt {
            response: Some(response),
            ..self.unanswered()
        }
    }
}

/// Tells the values of a body, which is JSON or a form; answers the names of its fields.
fn tell_body(body: &[u8], masker: &mut Masker) -> Vec<String> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => {
            fields.values().for_each(|value| tell_json(value, masker));
            fields.keys().cloned().collect()
        }
        Ok(value) => {
            tell_json(&value, masker);
            Vec::new()
        }
        Err(_) => {
            let tell = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
                tell_text(&value, masker);
                name.into_owned()
            };
            let mut fields: Vec<String> = form_urlencoded::parse(body).map(tell).collect();
            fields.dedup();
            fields
        }
    }
}

fn tell_json(value: &Value, masker: &mut Masker) {
    match value {
        Value::String(text) => tell_text(text, masker),
        Value::Array(values) => values.iter().for_each(|value| tell_json(value, masker)),
        Value::Object(fields) => fields.values().for_each(|value| tell_json(value, masker)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A value may itself be JSON: the variables of a template.
fn tell_text(text: &str, masker: &mut Masker) {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => tell_json(&value, masker),
        _ => masker.tell(text),
    }
}

/// A body without what may be personal or secret. That of JSON is read first: what it escapes could not be known again.
fn masked(body: &[u8], masker: &Masker) -> String {
    match serde_json::from_slice(body) {
        Ok(value) => masked_json(&value, masker).to_string(),
        Err(_) => masker.mask(&String::from_utf8_lossy(body)),
    }
}

fn masked_json(value: &Value, masker: &Masker) -> Value {
    match value {
        Value::String(text) => Value::String(masker.mask(text)),
        Value::Array(values) => values.iter().map(|value| masked_json(value, masker)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .map(|(name, value)| (masker.mask(name), masked_json(value, masker)))
                .collect()
        }
        Value::Number(number) => {
            let text = number.to_string();
            let masked = masker.mask(&text);
            if masked == text {
                value.clone()
            } else {
                Value::String(masked)
            }
        }
        Value::Null | Value::Bool(_) => value.clone(),
    }
}
