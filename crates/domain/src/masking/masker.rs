//! What others write, who may repeat what they were told.
//!
//! Two rules, of which each alone is enough to hide a part of a text:
//!
//! - **Form.** What looks like an e-mail address, a number of seven digits or more, a long token, or the query of a URL is
//!   hidden wherever it stands.
//! - **Repetition.** What was told before is hidden where it comes again, in capitals or not: as a whole; from three words
//!   in a row on, or two if they are not both short; and by itself a word that was told with a capital, which may be a
//!   name, or with four digits, which may be a code. Other single words stay, so that an error can still be read.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// A number from this many digits on may be somebody's.
const NUMBER_DIGITS_MIN: usize = 7;
/// A word with a digit in it, this long or longer, may be a secret or an id of somebody.
const TOKEN_CHARS_MIN: usize = 20;
/// A word with this many digits that was told before may be a code.
const CODE_DIGITS_MIN: usize = 4;
/// A word this long that was told with a capital may be a name.
const NAME_CHARS_MIN: usize = 3;
/// Two words in a row are no coincidence if one of them is this long.
const LONG_WORD_CHARS_MIN: usize = 4;

/// Hides what may be personal or secret in a text that somebody else wrote. It forgets nothing that it was told, so it is
/// made anew for each call, and shows nothing of it. However long both are and however they repeat themselves, each word
/// is looked at once.
#[derive(Default)]
pub struct Masker {
    /// Every word that was told, without regard to capitals, and its number.
    numbers: HashMap<String, u32>,
    /// What is hidden: words by themselves, two in a row, three in a row.
    alone: HashSet<u32>,
    pairs: HashSet<[u32; 2]>,
    triples: HashSet<[u32; 3]>,
}

/// A part of a text that is hidden, and what is shown for it.
struct Hidden {
    part: Range<usize>,
    shown: &'static str,
}

impl Masker {
    /// Hides this value from now on wherever it is repeated.
    pub fn tell(&mut self, value: &str) {
        let told: Vec<(u32, &str)> = words(value)
            .map(|part| (self.number(&value[part.clone()]), &value[part]))
            .collect();
        let is_whole = |length| told.len() == length;
        for row in told.windows(3) {
            self.triples.insert([row[0].0, row[1].0, row[2].0]);
        }
        for row in told.windows(2) {
            if is_whole(2) || row.iter().any(|(_, word)| chars(word) >= LONG_WORD_CHARS_MIN) {
                self.pairs.insert([row[0].0, row[1].0]);
            }
        }
        for (number, word) in &told {
            if is_remarkable(word) || (is_whole(1) && chars(word) >= NAME_CHARS_MIN) {
                self.alone.insert(*number);
            }
        }
    }

    fn number(&mut self, word: &str) -> u32 {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(word.to_lowercase()).or_insert(next)
    }

    /// The text without what may be personal or secret.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        let mut hidden = self.repeated(text);
        hidden.extend(addresses(text));
        hidden.extend(numbers(text));
        hidden.extend(tokens(text));
        hidden.extend(queries(text));
        without(text, hidden)
    }

    /// The same of a text that is an id, which would be taken for a token: without addresses and what was told.
    #[must_use]
    pub fn mask_id(&self, text: &str) -> String {
        let mut hidden = self.repeated(text);
        hidden.extend(addresses(text));
        without(text, hidden)
    }

    fn repeated(&self, text: &str) -> Vec<Hidden> {
        let parts: Vec<Range<usize>> = words(text).collect();
        let number = |part: &Range<usize>| self.numbers.get(&text[part.clone()].to_lowercase()).copied();
        let numbers: Vec<Option<u32>> = parts.iter().map(number).collect();
        let hidden = (0..parts.len()).filter_map(|at| {
            let last = at + self.repeated_at(&numbers[at..]).checked_sub(1)?;
            let part = parts[at].start..parts[last].end;
            Some(Hidden { part, shown: "<told>" })
        });
        hidden.collect()
    }

    /// How many words from here on are to be hidden together; those behind them may go on with them.
    fn repeated_at(&self, numbers: &[Option<u32>]) -> usize {
        match *numbers {
            [Some(first), Some(second), Some(third), ..] if self.triples.contains(&[first, second, third]) => 3,
            [Some(first), Some(second), ..] if self.pairs.contains(&[first, second]) => 2,
            [Some(first), ..] if self.alone.contains(&first) => 1,
            _ => 0,
        }
    }
}

/// Without regard to capitals, of which one may have two small letters.
fn chars(word: &str) -> usize {
    word.chars().flat_map(char::to_lowercase).count()
}

/// The text, with something else in place of what is hidden.
fn without(text: &str, mut hidden: Vec<Hidden>) -> String {
    hidden.sort_by_key(|hidden| (hidden.part.start, std::cmp::Reverse(hidden.part.end)));
    let (mut masked, mut end) = (String::with_capacity(text.len()), 0);
    for Hidden { part, shown } in hidden {
        if part.start >= end {
            masked += &text[end..part.start];
            masked += shown;
        }
        // What only overlaps is hidden with what it overlaps.
        end = end.max(part.end);
    }
    masked + &text[end..]
}

/// Whether a word may be a name or a code.
fn is_remarkable(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let is_name = word.starts_with(char::is_uppercase) && chars(word) >= NAME_CHARS_MIN;
    is_name || digits >= CODE_DIGITS_MIN
}

/// Letters and digits in a row.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    runs(text, char::is_alphanumeric)
}

/// The longest parts of a text in which every character is one of these.
fn runs(text: &str, is_in: impl Fn(char) -> bool + Copy) -> impl Iterator<Item = Range<usize>> {
    let mut end = 0;
    std::iter::from_fn(move || {
        let start = end + text[end..].find(is_in)?;
        end = text[start..]
            .find(|c| !is_in(c))
            .map_or(text.len(), |length| start + length);
        Some(start..end)
    })
}

/// What has an `@` in it.
fn addresses(text: &str) -> impl Iterator<Item = Hidden> {
    let is_in = |c: char| !c.is_whitespace() && !"<>()\"'`,;".contains(c);
    let with_at = runs(text, is_in).filter(|part| text[part.clone()].contains('@'));
    with_at.map(|part| Hidden {
        part,
        shown: "<address>",
    })
}

/// Digits in a row, whatever people write between them; a `+` in front too.
fn numbers(text: &str) -> impl Iterator<Item = Hidden> {
    let is_in = |c: char| c.is_ascii_digit() || "+-.()/ \u{a0}\u{202f}".contains(c);
    let trimmed = runs(text, is_in).filter_map(|part| {
        let is_end = |c: char| c == '+' || c.is_ascii_digit();
        let start = part.start + text[part.clone()].find(is_end)?;
        let end = part.start + text[part.clone()].rfind(|c: char| c.is_ascii_digit())? + 1;
        (start < end).then_some(start..end)
    });
    let digits = |part: &Range<usize>| text[part.clone()].bytes().filter(u8::is_ascii_digit).count();
    let long = trimmed.filter(move |part| digits(part) >= NUMBER_DIGITS_MIN);
    long.map(|part| Hidden {
        part,
        shown: "<number>",
    })
}

fn tokens(text: &str) -> impl Iterator<Item = Hidden> {
    let is_in = |c: char| c.is_ascii_alphanumeric() || "-_+=".contains(c);
    let is_token = |part: &Range<usize>| {
        part.len() >= TOKEN_CHARS_MIN && text[part.clone()].contains(|c: char| c.is_ascii_digit())
    };
    let tokens = runs(text, is_in).filter(is_token);
    tokens.map(|part| Hidden { part, shown: "<token>" })
}

/// What stands behind the `?` of a URL.
fn queries(text: &str) -> impl Iterator<Item = Hidden> {
    let is_in = |c: char| !c.is_whitespace() && !"<>\"'`".contains(c);
    let query = move |part: Range<usize>| {
        let url = &text[part.clone()];
        let scheme = url.find("://")?;
        let start = part.start + scheme + url[scheme..].find('?')? + 1;
        (start < part.end).then_some(Hidden {
            part: start..part.end,
            shown: "<query>",
        })
    };
    runs(text, is_in).filter_map(query)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(told: &[&str], text: &str, expected: &str) {
        let mut masker = Masker::default();
        told.iter().for_each(|value| masker.tell(value));
        assert_eq!(masker.mask(text), expected, "{text}");
    }

    #[test]
    fn what_looks_personal_or_secret_is_hidden_although_nobody_told_it() {
        check(
            &[],
            "550 5.1.1 <ada@mail.example>: user unknown",
            "550 5.1.1 <<address>>: user unknown",
        );
        check(
            &[],
            "The 'To' number +33 6 12 34 56 78 is not a valid phone number.",
            "The 'To' number <number> is not a valid phone number.",
        );
        check(&[], "whatsapp:+33612345678", "whatsapp:<number>");
        check(&[], "(0)6.12.34.56.78?", "(<number>?");
        check(&[], "key SG4f0a1b2c3d4e5f6a7b8c is wrong", "key <token> is wrong");
        check(
            &[],
            "see https://a.test/x?key=1 now",
            "see https://a.test/x?<query> now",
        );
    }

    #[test]
    fn what_an_error_is_known_by_stays() {
        for plain in [
            "21211 https://www.twilio.com/docs/errors/21211",
            "550 5.7.1 Service unavailable, client host blocked",
            "messaging_service_sid_is_not_there, try again in 120 s",
            "The from address does not match a verified Sender Identity.",
        ] {
            check(&["Nothing of this was told"], plain, plain);
        }
    }

    #[test]
    fn what_was_told_is_hidden_where_it_comes_again() {
        let text = "Bonjour Marie, votre code est 4711. À demain !";
        check(&[text], &format!("refused: {text}"), "refused: <told> !");
        check(&[text], "refused: bonjour&#32;marie", "refused: <told>&#32;<told>");
        check(&[text], "bad word: Marie", "bad word: <told>");
        check(&[text], "bad digits: 4711", "bad digits: <told>");
        check(&[text], "bad: VOTRE CODE EST", "bad: <told>");
        check(&[text], "your code is bad", "your code is bad");
        check(&["secret"], "no such key: SECRET", "no such key: <told>");
        check(&["it is not so"], "this is not taken", "this is not taken");
    }

    /// Would take hours if each word were compared with all that could follow it.
    #[test]
    fn a_word_that_repeats_itself_for_ever_is_hidden() {
        let told = "la ".repeat(300_000);
        check(&[&told], &format!("550 {}no", "la ".repeat(50_000)), "550 <told> no");
    }

    proptest! {
        #[test]
        fn no_number_address_or_code_that_was_told_survives(
            number in "\\+[1-9][0-9]{7,13}", local in "[a-z]{3,12}", code in "[0-9]{4,8}",
            around in "[ a-zA-Z.,:'\"<>]{0,20}"
        ) {
            let address = format!("{local}@mail.example");
            let mut masker = Masker::default();
            for value in [&number, &address, &code] {
                masker.tell(value);
            }
            let text = format!("{around} {number} {around} {address} {around} {code} {around}");
            let masked = masker.mask(&text);
            prop_assert!(!masked.contains(&number[1..]) && !masked.contains(&address) && !masked.contains(&code), "{}", masked);
        }

        #[test]
        fn any_text_is_masked_without_a_panic(told: Vec<String>, text: String) {
            let mut masker = Masker::default();
            told.iter().for_each(|value| masker.tell(value));
            let _ = masker.mask(&text);
            masker.tell(&text);
            let _ = masker.mask(&text);
        }
    }
}
