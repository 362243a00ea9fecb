//! Texts that the database must be able to store.

use std::borrow::Cow;

use crate::backend::{Excerpt, cut_error};
use crate::job::Queue;
use crate::pauses::Scope;

/// The part of an error that is kept. Postgres refuses a text with a zero byte, and then would for ever: the job would
/// fail, fail to be settled, and come back.
pub(super) fn storable_error(error: &str) -> String {
    storable(cut_error(error)).into_owned()
}

/// A call as it is kept with what went wrong. JSON has no zero bytes.
pub(super) fn storable_excerpt(excerpt: &Excerpt) -> Option<String> {
    serde_json::to_string(&excerpt.clone().cut()).ok()
}

/// The text without zero bytes.
pub(super) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The name of the switch that stops claims from a queue.
pub(super) fn paused(queue: Queue) -> String {
    Scope::Queue(queue).gate()
}

#[cfg(test)]
mod tests {
    use super::storable_error;

    #[test]
    fn an_error_is_kept_without_zero_bytes() {
        assert_eq!(storable_error("a\0b"), "a\u{fffd}b");
    }
}
