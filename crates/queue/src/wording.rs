//! Looking for a text in errors.

use crate::backend::{DeadGroup, Failure};
use crate::grouping::CHARS_MAX;

/// A text to look for, in capitals or not.
pub(crate) struct Wording(String);

impl Wording {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    pub(crate) fn is_in(&self, error: &str) -> bool {
        error.to_lowercase().contains(&self.0)
    }

    /// Whether a letter with this last failure is meant. One that never failed has an empty error.
    pub(crate) fn is_in_last(&self, last: Option<&Failure>) -> bool {
        self.is_in(last.map_or("", |last| &last.error))
    }

    pub(crate) fn is_in_group(&self, group: &DeadGroup) -> bool {
        self.is_in(&group.error)
    }

    /// The longest part of it that a database can look for whatever its language: without capitals, and ASCII alone.
    pub(crate) fn plain_part(&self) -> &str {
        let parts = self.0.split(|c: char| !c.is_ascii() || c == '\0');
        parts.max_by_key(|part| part.len()).unwrap_or_default()
    }

    /// Whether an error that was [stripped](crate::grouping::strip) to this may have the text: all letters of the text
    /// still stand there, or may have been a part of what was taken out.
    pub(crate) fn may_be_in_stripped(&self, stripped: &str) -> bool {
        let anything = ["<url>", "<address>"].iter().any(|taken| stripped.contains(taken));
        if anything || stripped.len() >= CHARS_MAX {
            return true;
        }
        let folded = stripped.to_lowercase();
        let in_id = |c: char| c.is_ascii_hexdigit() && stripped.contains("<id>");
        let in_number = |c: char| "tz".contains(c) && stripped.contains("<n>");
        let mut letters = self.0.split(|c: char| !c.is_ascii_lowercase());
        letters.all(|part| folded.contains(part) || part.chars().all(in_id) || part.chars().all(in_number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grouping::strip;
    use proptest::prelude::*;

    #[test]
    fn most_groups_need_not_be_looked_through() {
        let check = |stripped: &str, text: &str, expected| {
            assert_eq!(Wording::new(text).may_be_in_stripped(stripped), expected, "{text}");
        };
        check("no answer from <n> after <n> ms", "NO ANSWER FROM 10.0.0.7", true);
        check("no answer from <n> after <n> ms", "answer 7", true);
        check("no answer from <n> after <n> ms", "refused", false);
        check("no row <id>.", "0badc0de", true);
        check("no row <id>.", "other", false);
        check("GET <url> failed", "clinic", true);
    }

    #[test]
    fn a_database_looks_for_the_part_that_it_can_look_for() {
        let check = |text: &str, expected| assert_eq!(Wording::new(text).plain_part(), expected);
        check("No Answer", "no answer");
        check("d\u{e9}lai d\u{e9}pass\u{e9}", "lai d");
        check("\u{e9}", "");
    }

    proptest! {
        #[test]
        fn no_group_is_passed_over_that_has_the_text(
            words in proptest::collection::vec("[a-zA-Z0-9\u{e9}]{1,9}|[0-9a-f-]{8,12}|[0-9.:TZ]{1,8}|x@y|http://z", 1..40),
            from in 0_usize..100, length in 1_usize..20
        ) {
            let error = words.join(" ");
            let text: String = error.chars().skip(from).take(length).collect();
            let wording = Wording::new(&text);
            prop_assert!(wording.is_in(&error));
            prop_assert!(wording.may_be_in_stripped(&strip(&error)));
            prop_assert!(error.to_ascii_lowercase().contains(wording.plain_part()));
        }
    }
}
