//! The code in a free reply, if it is unmistakable.
//!
//! A wrong guess uses up a try, or, worse, takes some number for a consent. So everything about the reply must be
//! understood: six digits are all the digits there are, they stand alone, as `123456`, `123 456` or `123-456`, and the
//! words and signs around them are ones that go with a code (`le code est`, `merci`). Phone numbers, amounts, dates,
//! times, references and complaints (`I never asked for 123456`) all have something else in them.

use super::code::{Code, DIGITS, digit, is_dash, is_invisible};
use crate::replies;
use crate::words::{phrases, words};

/// No reply with more words before or behind the code is read.
const WORDS_MAX: usize = 16;

/// The longest reply that is looked at: the longest SMS that Twilio takes, in the widest characters.
const TEXT_BYTES_MAX: usize = 1600 * 4;

impl Code {
    /// The code in a reply, or `None` if there is any doubt: then ask for the code alone.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let chars: Vec<char> = text.chars().filter(|char| !is_invisible(*char)).collect();
        let (start, end) = only_group(&chars)?;
        let (before, code, after) = (&chars[..start], &chars[start..end], &chars[end..]);
        let free =
            before.last().is_none_or(|char| may_precede(*char)) && after.first().is_none_or(|char| may_follow(*char));
        let understood = [before, after].into_iter().all(is_harmless);
        (free && understood)
            .then(|| Self::read(&String::from_iter(code)).ok())
            .flatten()
    }
}

/// Where the six digits are, if there are no others and they are written in one of three ways.
fn only_group(chars: &[char]) -> Option<(usize, usize)> {
    let places: Vec<usize> = (0..chars.len()).filter(|&i| digit(chars[i]).is_some()).collect();
    let [first, .., last] = places[..] else { return None };
    if places.len() != DIGITS {
        return None;
    }
    let middle = first + DIGITS / 2;
    let in_one = last - first == DIGITS - 1;
    let in_halves = last - first == DIGITS && !places.contains(&middle) && joins_halves(chars[middle]);
    (in_one || in_halves).then_some((first, last + 1))
}

const fn joins_halves(char: char) -> bool {
    matches!(
        char,
        ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}' | '-' | '\u{2010}' | '\u{2011}'
    )
}

/// A sign that is tied to the digits, such as the `-` of an amount or a reference, is not among these.
fn may_precede(char: char) -> bool {
    char.is_whitespace() || matches!(char, ':' | '=' | '(' | '[' | '"' | '\'' | '«' | '“' | '‘' | '*') || is_emoji(char)
}

fn may_follow(char: char) -> bool {
    char.is_whitespace()
        || matches!(
            char,
            '.' | '!' | ',' | ';' | ')' | ']' | '"' | '\'' | '»' | '”' | '’' | '*'
        )
        || is_emoji(char)
}

/// Whether what stands on one side of the digits only says that they are the code.
fn is_harmless(side: &[char]) -> bool {
    let text = String::from_iter(side);
    side.iter().all(|char| is_plain(*char))
        && words(&text, WORDS_MAX)
            .and_then(|words| phrases(&words, |phrase| goes_with_a_code(phrase).then_some(())))
            .is_some()
}

/// Letters, white space and the signs of ordinary sentences: no `€`, `#`, `+`, `/`, `%`, `@`, `°`, no number of another
/// kind (`①`, `½`) and no question.
fn is_plain(char: char) -> bool {
    char.is_alphabetic()
        || char.is_whitespace()
        || is_dash(char)
        || matches!(
            char,
            '.' | ',' | ';' | ':' | '!' | '…' | '=' | '(' | ')' | '[' | ']' | '"' | '*' | '\''
        )
        || matches!(char, '«' | '»' | '“' | '”' | '‘' | '’' | '\u{300}'..='\u{36f}')
        || is_emoji(char)
}

/// Pictures, with the selectors that belong to them. The boxed question marks are words, not pictures.
const fn is_emoji(char: char) -> bool {
    matches!(char, '\u{2600}'..='\u{27bf}' | '\u{1f300}'..='\u{1faff}' | '\u{fe0f}') && !matches!(char, '❓' | '❔')
}

fn goes_with_a_code(phrase: &str) -> bool {
    AROUND_A_CODE.contains(&phrase) || replies::goes_with_yes(phrase)
}

/// As [`crate::words`] makes them. No article stands alone here: `le 120526` is a day.
#[rustfmt::skip]
const AROUND_A_CODE: &[&str] = &[
    "code", "le code", "mon code", "ton code", "votre code", "ce code", "notre code", "son code", "code recu",
    "le code recu", "de confirmation", "de verification", "de validation", "de securite", "par sms", "recu par sms",
    "est", "c est", "le voici", "le voila", "voici", "voila", "j ai recu le code", "j ai bien recu le code",
    "j ai bien recu votre sms", "j ai bien recu votre message", "je confirme",
    "the code", "my code", "your code", "this code", "our code", "confirmation code", "verification code",
    "security code", "my confirmation code", "my verification code", "the confirmation code", "the verification code",
    "is", "it s", "it is", "that s", "that is", "this is", "here", "here it is", "here is", "here s", "here you go",
    "by sms", "by text", "i got the code", "i received the code", "i have received the code", "the code i received",
    "the code i got", "otp", "my otp", "the otp", "otp code", "i confirm",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::words::PHRASE_WORDS_MAX;
    use proptest::prelude::*;

    const FOUND: &[&str] = &[
        "482913",
        " 482913\n",
        "482 913",
        "482-913",
        "482\u{a0}913",
        "482‑913",
        "*482913*",
        "«482913»",
        "(482913)",
        "482913.",
        "482913 merci",
        "482913👍",
        "👉 482913",
        "４８２９１３",
        "٤٨٢٩١٣",
        "\u{202a}482913\u{202c}",
        "Code 482913",
        "code: 482913",
        "Code:482913",
        "code = 482 913",
        "OTP 482913",
        "le code est 482913",
        "Le code est le voici : 482913",
        "C’est 482913 !",
        "Mon code : 482-913, merci",
        "Voici le code de confirmation : 482 913.",
        "Bonjour, j'ai bien reçu votre SMS, le code est 482913. Cordialement",
        "Bonjour\nJ'ai reçu le code 482913\nBonne journée",
        "oui 482913",
        "Oui je confirme, code 482913",
        "ok c'est le code 482913",
        "My code is 482913",
        "it's 482 913",
        "Hi, the code is 482913. Thanks!",
        "Here you go: 482913",
        "Yes, my verification code is 482-913, thank you",
        "The code I received is \"482913\"",
    ];

    const DOUBTFUL: &[&str] = &[
        // No six digits, or not only six
        "",
        "merci",
        "48291",
        "4829133",
        "482 91",
        "482913 482913",
        "482913 ou 482914",
        "482913 or 482914?",
        "code 1: 482913",
        "482913 (2)",
        "le code est 482913, pas 482931",
        "482913 reçu à 14h",
        "482913 at 2pm",
        "code 482913 de la commande 77",
        "482913²",
        "½482913",
        "①482913",
        "1️⃣ 482913",
        "１ 482913",
        // Written as something else is
        "48 29 13",
        "4 8 2 9 1 3",
        "48-29-13",
        "48 2913",
        "4829 13",
        "482.913",
        "482,913",
        "482/913",
        "482:913",
        "482_913",
        "482 - 913",
        "482  913",
        "482–913",
        "482'913",
        "482\n913",
        "(482) 913",
        "4829,13",
        "0.482913",
        "482913.50",
        "-482913",
        "code -482913",
        "482913-",
        "482913-ok",
        "482913ok",
        "ok482913",
        "x482913",
        "482913x",
        "REF-482913",
        "G-482913",
        "#482913",
        "n°482913",
        "no. 482913",
        "№ 482913",
        // Phone numbers
        "+482913",
        "+33 482 913",
        "0033482913",
        "06 12 34 56 78",
        "0612345678",
        "tel 482913",
        "Tél : 482-913",
        "appelez le 482913",
        "call 482-913",
        "call me on 482913",
        "my number is 482913",
        "mon numéro 482 913",
        "ext. 482913",
        // Amounts
        "482913€",
        "482 913 €",
        "€482913",
        "482913 euros",
        "482 913 EUR",
        "$482,913",
        "$482913",
        "£482 913",
        "482913 dollars",
        "482 913 k",
        "482913%",
        "total 482913",
        "j'ai payé 482913",
        "I paid 482913",
        "j'ai reçu 482913",
        "received 482913",
        // Dates and times
        "12/05/26",
        "12-05-26",
        "12.05.26",
        "le 120526",
        "Le 12 05 26",
        "on 120526",
        "the 120526",
        "2026-05",
        "202605 merci de me rappeler",
        "rdv le 120526",
        "date 120526",
        "12:05:26",
        "12h05m26",
        "à 120526",
        "at 120526",
        "12 mai 2026",
        "May 12, 2026",
        // Other six digits
        "code postal 482913",
        "zip code 482913",
        "postcode 482913",
        "code promo 482913",
        "promo code 482913",
        "code client 482913",
        "digicode 482913",
        "gate code 482913",
        "le code de la porte est 482913",
        "mon pin 482913",
        "commande 482913",
        "order 482913",
        "facture 482913",
        "invoice 482913",
        "dossier 482913",
        "ticket 482913",
        "vol AF482913",
        "siret 482913",
        "https://example.com/482913",
        "a482913@example.com",
        // Not a consent
        "482913?",
        "c'est 482913 ?",
        "is it 482913？",
        "❓482913",
        "non 482913",
        "no 482913",
        "stop 482913",
        "annuler 482913",
        "pas 482913",
        "not 482913",
        "le code n'est pas 482913",
        "the code is not 482913",
        "my code isn't 482913",
        "le code 482913 ne marche pas",
        "code 482913 does not work",
        "code 482913 is wrong",
        "I never asked for code 482913",
        "je n'ai pas demandé le code 482913",
        "quelqu'un m'a envoyé le code 482913",
        "someone sent me the code 482913",
        "c'est une arnaque 482913",
        "peut-être 482913",
        "maybe 482913",
        "I think the code is 482913",
        "je crois que c'est 482913",
        "l'ancien code est 482913",
        "the old code was 482913",
        "Your code is 482913. Do not share it with anyone.",
        "४८२९१३",
    ];

    #[test]
    fn an_unmistakable_code_is_found() {
        for text in FOUND {
            assert_eq!(Code::find(text).as_ref().map(Code::expose), Some("482913"), "{text}");
        }
    }

    #[test]
    fn anything_doubtful_is_no_code() {
        for text in DOUBTFUL {
            assert!(Code::find(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_goes_around_a_code_is_written_as_it_is_looked_for() {
        for phrase in AROUND_A_CODE {
            assert_eq!(words(phrase, PHRASE_WORDS_MAX).unwrap().join(" "), *phrase);
        }
    }

    proptest! {
        #[test]
        fn one_more_digit_anywhere_makes_it_doubtful(
            text in prop::sample::select(FOUND), digit in "[0-9٠-٩０-９]", place in any::<prop::sample::Index>()
        ) {
            let chars: Vec<char> = text.chars().collect();
            let place = place.index(chars.len() + 1);
            let more: String = chars[..place].iter().copied().chain(digit.chars()).chain(chars[place..].iter().copied()).collect();
            prop_assert!(Code::find(&more).is_none(), "{}", more);
        }

        #[test]
        fn an_unknown_word_or_sign_makes_it_doubtful(
            text in prop::sample::select(FOUND), more in "[b-df-hj-np-tv-xz]{4,9}|[€$£#+/%@°?&<>|~^]", first: bool
        ) {
            let together = if first { format!("{more} {text}") } else { format!("{text} {more}") };
            prop_assert!(Code::find(&together).is_none(), "{}", together);
        }

        #[test]
        fn what_is_found_are_the_only_digits_of_the_text(text in "[ a-z]{0,6}[0-9 .,:€-]{0,12}[ a-z]{0,6}") {
            if let Some(code) = Code::find(&text) {
                let digits: String = text.chars().filter(char::is_ascii_digit).collect();
                prop_assert_eq!(code.expose(), digits);
            }
        }

        #[test]
        fn any_text_is_searched_without_a_panic(text: String) {
            let _ = Code::find(&text);
        }
    }
}
