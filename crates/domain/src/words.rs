//! The words of a message as people mean them, however they wrote them.

/// No phrase that anybody lists has more words.
pub(crate) const PHRASE_WORDS_MAX: usize = 6;

/// The words of a text: lower case, without accents, emoji and punctuation, each letter held down (`ouiiii`) once.
///
/// `None` when there are more than `most`: a text that long is not what callers look for.
pub(crate) fn words(text: &str, most: usize) -> Option<Vec<String>> {
    let words = first_words(text, most + 1);
    (words.len() <= most).then_some(words)
}

/// The same words, and of a longer text the first ones.
pub(crate) fn first_words(text: &str, most: usize) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for char in text.chars().map(narrowed).chain([' ']) {
        if char.is_alphanumeric() {
            char.to_lowercase().for_each(|char| push_bare(&mut word, char));
        } else if !is_mark(char) && !word.is_empty() {
            if words.len() == most {
                return words;
            }
            words.push(released(&word));
            word.clear();
        }
    }
    words
}

/// What the words mean, phrase by phrase, the longest phrase that `meaning` knows first. `None` as soon as one is not
/// known.
pub(crate) fn phrases<T>(mut words: &[String], meaning: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let mut parts = Vec::new();
    while !words.is_empty() {
        let (len, part) = (1..=words.len().min(PHRASE_WORDS_MAX))
            .rev()
            .find_map(|len| Some((len, meaning(&words[..len].join(" "))?)))?;
        parts.push(part);
        words = &words[len..];
    }
    Some(parts)
}

/// Whether it is a control character, or ends a line as some of them do (U+2028, U+2029), which Unicode counts elsewhere.
#[must_use]
pub fn is_control(char: char) -> bool {
    char.is_control() || matches!(char, '\u{2028}' | '\u{2029}')
}

/// The form of a character that is not stretched to the width of Chinese ones.
pub(crate) fn narrowed(char: char) -> char {
    match char {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(char as u32 - 0xff01 + 0x21).unwrap_or(char),
        _ => char,
    }
}

/// Whether it only decorates or joins the characters beside it, and so does not end a word.
fn is_mark(char: char) -> bool {
    matches!(
        char,
        '\u{300}'..='\u{36f}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}'
    )
}

/// Adds a letter without its accent.
fn push_bare(word: &mut String, char: char) {
    match char {
        'à' | 'á' | 'â' | 'ä' | 'ã' | 'å' => word.push('a'),
        'ç' => word.push('c'),
        'è' | 'é' | 'ê' | 'ë' => word.push('e'),
        'ì' | 'í' | 'î' | 'ï' => word.push('i'),
        'ñ' => word.push('n'),
        'ò' | 'ó' | 'ô' | 'ö' | 'õ' => word.push('o'),
        'ù' | 'ú' | 'û' | 'ü' => word.push('u'),
        'ý' | 'ÿ' => word.push('y'),
        'œ' => word.push_str("oe"),
        'æ' => word.push_str("ae"),
        'ß' => word.push_str("ss"),
        char if is_mark(char) => {}
        char => word.push(char),
    }
}

/// The word with letters that were held down for three or more written once. Digits stay: they are counted.
fn released(word: &str) -> String {
    let mut released = String::with_capacity(word.len());
    let mut chars = word.chars().peekable();
    while let Some(char) = chars.next() {
        let mut again = 0_usize;
        while chars.next_if_eq(&char).is_some() {
            again += 1;
        }
        let kept = if again >= 2 && char.is_alphabetic() { 0 } else { again };
        released.extend(std::iter::repeat_n(char, kept + 1));
    }
    released
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(words(text, 9).unwrap(), expected, "{text}");
    }

    #[test]
    fn words_are_bare() {
        check("", &[]);
        check(" …! 👍\u{fe0f} ", &[]);
        check("D'accord, Été-2026", &["d", "accord", "ete", "2026"]);
        check("e\u{301}te\u{301}", &["ete"]);
        let accents = "à-á â-ä ã-å ç-è é-ê ë-ì í-î ï-ñ ò-ó ô-ö õ-ù ú-û ü-ý ÿ-œ æ-a";
        let bare = "a-a a-a a-a c-e e-e e-i i-i i-n o-o o-o o-u u-u u-y y-oe ae-a";
        assert_eq!(words(accents, 99), words(bare, 99));
        check("O\u{200b}UI", &["oui"]);
        check("ＯＵＩ", &["oui"]);
        check("Œuf", &["oeuf"]);
        check("Weiß WEIẞ", &["weiss", "weiss"]);
        check("İo", &["io"]);
    }

    #[test]
    fn a_letter_held_down_counts_once_and_a_digit_every_time() {
        check("ouiiiii Noooon 1000 yess", &["oui", "non", "1000", "yess"]);
    }

    #[test]
    fn too_many_words_are_not_looked_at() {
        assert_eq!(words("a b c", 3).unwrap().len(), 3);
        assert_eq!(words("a b c d", 3), None);
    }

    #[test]
    fn the_longest_phrase_counts() {
        let meaning = |phrase: &str| match phrase {
            "no" => Some(1),
            "no problem" => Some(2),
            _ => None,
        };
        let parts = |text| phrases(&words(text, 9).unwrap(), meaning);
        assert_eq!(parts("no no problem"), Some(vec![1, 2]));
        assert_eq!(parts("no such problem"), None);
    }
}
