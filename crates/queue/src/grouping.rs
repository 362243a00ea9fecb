//! Which dead letters died of the same thing.
//!
//! Two errors are the same if they differ only in numbers, ids, addresses and the like. These are replaced by what they
//! are, so `no answer from 10.0.0.7:5432 after 1400 ms` and `no answer from 10.0.0.8:5432 after 1396 ms` make one group.

use sha1::{Digest as _, Sha1};

use crate::backend::{Kept, Reason, State};
use crate::envelope::kind_of;

/// The most characters of an error that tell it from others.
pub(crate) const CHARS_MAX: usize = 200;

/// From so many digits and letters a to f on, a word with a digit in it is an id.
const HEX_ID_MIN: usize = 8;

/// A group's id: the same in every installation and version that strips errors alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(pub i64);

impl GroupId {
    /// The group of what died in this way.
    #[must_use]
    pub fn of(kind: &str, reason: Reason, stripped: &str) -> Self {
        let digest = Sha1::new()
            .chain_update(kind)
            .chain_update([0])
            .chain_update(reason.name())
            .chain_update([0])
            .chain_update(stripped)
            .finalize();
        let mut number = [0; 8];
        number.copy_from_slice(&digest[..8]);
        Self(i64::from_be_bytes(number))
    }

    /// The group of a dead letter whose last failed attempt is known; `None` if it is not dead.
    #[must_use]
    pub fn of_letter(kept: &Kept) -> Option<Self> {
        let State::Dead { reason, .. } = kept.state else {
            return None;
        };
        let error = kept
            .errors
            .last()
            .map(|failure| strip(&failure.error))
            .unwrap_or_default();
        Some(Self::of(kind_of(&kept.body), reason, &error))
    }
}

impl std::fmt::Display for GroupId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl std::str::FromStr for GroupId {
    type Err = NoGroupId;

    fn from_str(text: &str) -> Result<Self, NoGroupId> {
        let number = (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.map(|number| Self(number.cast_signed())).ok_or(NoGroupId)
    }
}

/// A text that is not a group's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a group's id is 16 hexadecimal digits, as `relais dead groups` prints it")]
pub struct NoGroupId;

/// An error without what tells one case from another.
#[must_use]
pub fn strip(error: &str) -> String {
    let mut stripped = String::new();
    for word in error.split_whitespace() {
        if stripped.len() >= CHARS_MAX {
            break;
        }
        if !stripped.is_empty() {
            stripped.push(' ');
        }
        push_stripped(word, &mut stripped);
    }
    match stripped.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => stripped[..end].to_owned(),
        None => stripped,
    }
}

/// A word keeps the punctuation around it.
fn push_stripped(word: &str, stripped: &mut String) {
    let is_inner = |c: char| c.is_alphanumeric() || c == '+';
    let (Some(begin), Some(end)) = (word.find(is_inner), word.rfind(is_inner)) else {
        stripped.push_str(word);
        return;
    };
    let end = end + word[end..].chars().next().map_or(0, char::len_utf8);
    let core = &word[begin..end];
    stripped.push_str(&word[..begin]);
    match what_it_is(core) {
        Some(what) => stripped.push_str(what),
        None => push_without_numbers(core, stripped),
    }
    stripped.push_str(&word[end..]);
}

fn what_it_is(word: &str) -> Option<&'static str> {
    let has_digit = word.contains(|c: char| c.is_ascii_digit());
    if word.contains("://") {
        return Some("<url>");
    }
    if word.contains('@') {
        return Some("<address>");
    }
    let hex = |c: char| c.is_ascii_hexdigit() || c == '-';
    if has_digit
        && word.len() >= HEX_ID_MIN
        && word.chars().all(hex)
        && word.contains(|c: char| c.is_ascii_alphabetic())
    {
        return Some("<id>");
    }
    let numeric = |c: char| c.is_ascii_digit() || "+-.,:/_TZ%".contains(c);
    (has_digit && word.chars().all(numeric)).then_some("<n>")
}

fn push_without_numbers(word: &str, stripped: &mut String) {
    let mut in_number = false;
    for c in word.chars() {
        let is_digit = c.is_ascii_digit();
        if is_digit && !in_number {
            stripped.push_str("<n>");
        } else if !is_digit {
            stripped.push(c);
        }
        in_number = is_digit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_differs_from_case_to_case_is_replaced_by_what_it_is() {
        let check = |error: &str, expected: &str| assert_eq!(strip(error), expected);
        check(
            "no answer from 10.0.0.7:5432 after 1400 ms",
            "no answer from <n> after <n> ms",
        );
        check("HTTP 503: try again", "HTTP <n>: try again");
        check("code=21211, to (+33612345678)", "code=<n>, to (<n>)");
        check("no row 6f1c26a4-9d52-4b7e-8a53-5e0d72c411b9.", "no row <id>.");
        check("deadbeef is a word, 0badc0de is not", "deadbeef is a word, <id> is not");
        check("ann@example.com bounced", "<address> bounced");
        check("GET https://example.com/x?y=1 failed", "GET <url> failed");
        check("at 2026-01-02T03:04:05.006Z", "at <n>");
        check("attempt3of7", "attempt<n>of<n>");
        check("  much \n space ", "much space");
        check("", "");
    }

    #[test]
    fn a_group_is_of_one_kind_and_reason() {
        let group = |kind, reason| GroupId::of(kind, reason, "x");
        assert_ne!(group("a", Reason::Attempts), group("b", Reason::Attempts));
        assert_ne!(group("a", Reason::Attempts), group("a", Reason::Refused));
        assert_eq!(
            group("a", Reason::Attempts).to_string().parse(),
            Ok(group("a", Reason::Attempts))
        );
        assert_eq!("12".parse::<GroupId>(), Err(NoGroupId));
    }

    proptest! {
        #[test]
        fn any_error_is_stripped_to_a_bounded_text_without_long_numbers(error: String) {
            let stripped = strip(&error);
            prop_assert!(stripped.chars().count() <= CHARS_MAX);
            prop_assert!(!stripped.contains(|c: char| c.is_ascii_digit()));
        }

        #[test]
        fn numbers_make_no_difference(one: u32, other: u32) {
            let error = |n: u32| format!("job {n} of queue q{n} failed after {n}.5 s at 10.0.0.{n}");
            prop_assert_eq!(strip(&error(one)), strip(&error(other)));
        }
    }
}
