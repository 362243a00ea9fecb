//! What may be kept of a call that went wrong, so that whoever looks after it sees what the provider said.
//!
//! Providers repeat numbers, addresses and texts in their errors. An [`Excerpt`] is masked ([`domain::Masker`]) with
//! everything that the request told before it leaves this crate.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Masker;
use http::{HeaderMap, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::form_urlencoded;

/// The most characters of a body that are kept.
pub const BODY_CHARS_MAX: usize = 500;
/// The most characters of a header that are kept.
const HEADER_CHARS_MAX: usize = 100;
/// A longer body is no error that a provider's API gives, and only its size is told.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// What is longer is a file rather than a text.
const TOLD_BYTES_MAX: usize = 256 * 1024;
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

/// A request over HTTP. What its excerpt needs is read of it only when one is needed.
pub struct Asked {
    /// `None` if its body cannot be read twice.
    request: Option<reqwest::Request>,
    route: String,
    hidden: Vec<SecretString>,
}

impl Asked {
    /// `route` is the path with names in place of whatever is of one account.
    #[must_use]
    pub fn of(request: &reqwest::Request, route: &str) -> Self {
        Self {
            request: request.try_clone(),
            route: route.to_owned(),
            hidden: Vec::new(),
        }
    }

    /// This is hidden too where it is repeated, beside what the request itself tells.
    #[must_use]
    pub fn hiding(mut self, text: &str) -> Self {
        self.hidden.push(text.into());
        self
    }

    /// Of a call that was not answered.
    #[must_use]
    pub fn unanswered(&self) -> Excerpt {
        let (request, _) = self.read();
        Excerpt {
            request,
            response: None,
        }
    }

    /// Of a call that was answered. The body of an answer that is no refusal is somebody's message, and is not kept.
    #[must_use]
    pub fn answered(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Excerpt {
        let (request, masker) = self.read();
        let mut response = status.to_string();
        for name in HEADERS {
            if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
                let value: String = value.chars().take(HEADER_CHARS_MAX).collect();
                // Writing to a text cannot fail.
                let _ = write!(response, "\n{name}: {}", masker.mask_id(&value));
            }
        }
        if !body.is_empty() {
            let is_told_by_size = self.request.is_none() || status.is_success() || body.len() > BODY_BYTES_MAX;
            let body = if is_told_by_size {
                format!("<{} bytes>", body.len())
            } else {
                masked(body, &masker)
            };
            response.push('\n');
            response.extend(body.chars().take(BODY_CHARS_MAX));
        }
        Excerpt {
            request,
            response: Some(response),
        }
    }

    /// What is shown of the request, and what hides everything that it told.
    fn read(&self) -> (String, Masker) {
        let mut masker = Masker::default();
        self.hidden.iter().for_each(|text| masker.tell(text.expose_secret()));
        let Some(request) = &self.request else {
            return (self.route.clone(), masker);
        };
        let url = request.url();
        let is_own = |part: &&str| part.len() >= SEGMENT_CHARS_MIN && part.contains(|c: char| c.is_ascii_digit());
        let own = url.path_segments().into_iter().flatten().filter(is_own);
        own.for_each(|part| masker.tell(part));
        url.query_pairs().for_each(|(_, value)| masker.tell(&value));
        let credentials = request.headers().get(header::AUTHORIZATION);
        if let Some(credentials) = credentials.and_then(|value| value.to_str().ok()) {
            tell_credentials(credentials, &mut masker);
        }
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let fields = tell_body(body, &mut masker);
        let mut shown = format!("{} {}", request.method(), self.route);
        if !fields.is_empty() {
            let _ = write!(shown, " ({})", fields.join(", "));
        }
        (shown, masker)
    }
}

/// Tells the secret of an `Authorization`: a token, or name and password in base64.
fn tell_credentials(credentials: &str, masker: &mut Masker) {
    let (scheme, secret) = credentials.split_once(' ').unwrap_or(("", credentials));
    masker.tell(secret);
    let pair = (scheme == "Basic").then(|| STANDARD.decode(secret).ok()).flatten();
    let pair = String::from_utf8(pair.unwrap_or_default()).unwrap_or_default();
    pair.split(':').for_each(|part| masker.tell(part));
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

/// A value may itself be JSON: the variables of a template. Of a file only the beginning is told.
fn tell_text(text: &str, masker: &mut Masker) {
    let text = &text[..text.floor_char_boundary(TOLD_BYTES_MAX)];
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
