//! What an interaction is found by: the words of its title and note, and how they begin.
//!
//! The texts are sealed, so they are not searched but their words' keyed hashes are. A word of three letters or more is
//! also found by its first three, four, … letters; a shorter one only as a whole. Case, accents and punctuation do not
//! count, as in replies.

use std::collections::BTreeSet;

use crate::words::first_words;

/// So many words of an interaction are found, its title's first.
const WORDS_MAX: usize = 120;
/// So many letters of a word are looked at.
const LETTERS_MAX: usize = 20;
/// With so many letters a word's beginning is enough to find it.
const BEGINNING_LETTERS_MIN: usize = 3;
/// So many words of a question are looked at.
const ASKED_WORDS_MAX: usize = 8;

/// Everything that an interaction of this title and note is found by.
#[must_use]
pub fn found_by(title: Option<&str>, note: Option<&str>) -> BTreeSet<String> {
    let texts = [title.unwrap_or_default(), note.unwrap_or_default()];
    let mut found_by = BTreeSet::new();
    for word in first_words(&texts.join(" "), WORDS_MAX) {
        let letters: Vec<char> = word.chars().take(LETTERS_MAX).collect();
        for length in BEGINNING_LETTERS_MIN.min(letters.len())..=letters.len() {
            found_by.insert(letters[..length].iter().collect());
        }
    }
    found_by
}

/// What has to be among that for an interaction to be found, the longest, which the fewest have, first. Nothing: the
/// question has no words.
#[must_use]
pub fn asked_for(question: &str) -> Vec<String> {
    let words = first_words(question, ASKED_WORDS_MAX).into_iter();
    let words: BTreeSet<String> = words.map(|word| word.chars().take(LETTERS_MAX).collect()).collect();
    let mut words: Vec<_> = words.into_iter().collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(title: &str, note: &str, question: &str, expected: bool) {
        let found_by = found_by(Some(title), Some(note));
        let asked = asked_for(question);
        let found = !asked.is_empty() && asked.iter().all(|word| found_by.contains(word));
        assert_eq!(found, expected, "{question}");
    }

    #[test]
    fn all_words_of_the_question_must_be_there_at_least_as_beginnings() {
        let (title, note) = ("Rappeler Zoë Lefèvre", "devis n° 17, à Orléans");
        for found in [
            "zoe",
            "ZOË",
            "lef",
            "lefevre rap",
            "devis 17",
            "17",
            "orl",
            "a",
            "Lefèvre, Zoë!",
        ] {
            check(title, note, found, true);
        }
        for not_found in ["zo", "le", "evre", "lefebvre", "zoe 18", "", "?!", "1"] {
            check(title, note, not_found, false);
        }
    }

    #[test]
    fn what_is_very_long_is_found_by_its_beginning() {
        let word = "antidisestablishmentarianism";
        check(word, "", word, true);
        check(word, "", &word[..24], true);
        check(&format!("{} last", "x ".repeat(WORDS_MAX)), "", "last", false);
        assert_eq!(asked_for(&"a b c d e f g h i j".repeat(9)).len(), ASKED_WORDS_MAX);
    }

    #[test]
    fn the_longest_word_is_looked_for_first() {
        assert_eq!(asked_for("a quick brownish fox a"), ["brownish", "quick", "fox", "a"]);
    }

    proptest! {
        #[test]
        fn whatever_has_words_is_found_by_its_own_text(text in "\\PC{0,60}") {
            let (found_by, asked) = (found_by(Some(&text), None), asked_for(&text));
            prop_assert!(asked.iter().all(|word| found_by.contains(word)));
            prop_assert_eq!(asked.is_empty(), found_by.is_empty());
        }
    }
}
