//! What an interaction is found by: the words of its title and note, and how they begin.
//!
//! The texts are sealed, so they are not searched but their words' keyed hashes are. A word of the title is also found by
//! its first three, four, … letters; one of the note, of which there may be many, only as a whole. Case, accents and
//! punctuation do not count, as in replies.

use std::collections::BTreeSet;

use crate::words::first_words;

/// So many words of a note are found, its first.
const NOTE_WORDS_MAX: usize = 120;
/// So many words of a title.
const TITLE_WORDS_MAX: usize = 40;
/// So many letters of a word are looked at.
const LETTERS_MAX: usize = 20;
/// With so many letters the beginning of a title's word is enough to find it.
const BEGINNING_LETTERS_MIN: usize = 3;
/// So many words of a question are looked at.
const ASKED_WORDS_MAX: usize = 8;

/// Everything that an interaction of this title and note is found by.
#[must_use]
pub fn found_by(title: Option<&str>, note: Option<&str>) -> BTreeSet<String> {
    let note_words = first_words(note.unwrap_or_default(), NOTE_WORDS_MAX);
    let mut found_by: BTreeSet<String> = note_words.iter().map(|word| beginning(word, LETTERS_MAX)).collect();
    for word in first_words(title.unwrap_or_default(), TITLE_WORDS_MAX) {
        found_by.extend((BEGINNING_LETTERS_MIN..=LETTERS_MAX).map(|letters| beginning(&word, letters)));
    }
    found_by
}

/// What has to be among that for an interaction to be found, the longest, which the fewest have, first. Nothing: the
/// question has no words.
#[must_use]
pub fn asked_for(question: &str) -> Vec<String> {
    let words = first_words(question, ASKED_WORDS_MAX).into_iter();
    let words: BTreeSet<String> = words.map(|word| beginning(&word, LETTERS_MAX)).collect();
    let mut words: Vec<_> = words.into_iter().collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
    words
}

/// The first letters of a word; all of a shorter one.
fn beginning(word: &str, letters: usize) -> String {
    word.chars().take(letters).collect()
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
    fn all_words_of_the_question_must_be_there_those_of_the_title_at_least_as_beginnings() {
        let (title, note) = ("Rappeler Zoë Lefèvre", "devis n° 17, à Orléans");
        for found in [
            "zoe",
            "ZOË",
            "lef",
            "lefevre rap",
            "devis 17",
            "17",
            "orleans rap",
            "a",
            "Lefèvre, Zoë!",
        ] {
            check(title, note, found, true);
        }
        check("Frau Weiß", "Straße", "weiss strasse", true);
        check("Frau Weiss", "Strasse", "Weiß STRAẞE", true);
        for not_found in ["zo", "le", "evre", "lefebvre", "zoe 18", "orl", "", "?!", "1"] {
            check(title, note, not_found, false);
        }
    }

    #[test]
    fn what_is_very_long_is_found_by_its_beginning() {
        let word = "antidisestablishmentarianism";
        check(word, "", word, true);
        check(word, "", &word[..24], true);
        check("", word, word, true);
        check("", &format!("{} last", "x ".repeat(NOTE_WORDS_MAX)), "last", false);
        check("x", &format!("{} last", "x ".repeat(NOTE_WORDS_MAX - 1)), "last", true);
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
