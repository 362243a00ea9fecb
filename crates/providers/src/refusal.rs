//! Why a request is refused, as far as all providers have it in common.

use std::borrow::Cow;

use serde_json::error::Category;

/// How far a refused request came. Every provider's error says it, so that whoever answers need not know them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing vouches for it: a signature, token or hash is missing or wrong.
    Unproven,
    /// It is genuine, but not of now: perhaps recorded and sent again.
    Stale,
    /// It is genuine and timely, but not what this provider sends.
    Unreadable,
}

/// A genuine request that is not what its provider sends. Says where and why, never what stands there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {reason}")]
pub struct Unreadable {
    /// The field at fault; `body` for the whole.
    pub field: &'static str,
    /// What is wrong with it, to be read after the field's name.
    pub reason: Cow<'static, str>,
}

impl Unreadable {
    pub(crate) fn new(field: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        let reason = reason.into();
        Self { field, reason }
    }

    /// Where `body` stops being JSON, or that it is JSON but not `expected`.
    pub(crate) fn body(error: &serde_json::Error, expected: &'static str) -> Self {
        let reason = match error.classify() {
            Category::Data => expected.into(),
            Category::Io | Category::Syntax | Category::Eof => {
                format!("is not valid JSON: line {}, column {}", error.line(), error.column()).into()
            }
        };
        Self { field: "body", reason }
    }
}

/// A genuine request that is too old or from too far ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.told())]
pub struct Stale {
    /// How old it is. Negative when it lies in the future.
    pub age_seconds: i64,
    /// How old or how far ahead it may be.
    pub age_seconds_max: i64,
}

impl Stale {
    fn told(self) -> String {
        let distance = self.age_seconds.unsigned_abs();
        let direction = if self.age_seconds < 0 { "ahead" } else { "old" };
        let max = self.age_seconds_max;
        format!("the timestamp is {distance} seconds {direction}; at most {max} are accepted")
    }
}
