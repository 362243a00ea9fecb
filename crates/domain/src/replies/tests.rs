#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::phrases::{listed, part};
use super::{Intent, intent, intent_of_button, language};
use crate::words::{PHRASE_WORDS_MAX, words};

const YES: &[&str] = &[
    // French
    "Oui",
    "OUI",
    "oui.",
    " oui \n",
    "Oui !!!",
    "ouiiiii",
    "Oui 👍",
    "✅ oui",
    "« Oui »",
    "*Oui*",
    "oui oui",
    "Oui, parfait",
    "oui merci",
    "Oui merci beaucoup, bonne journée",
    "Bonjour, oui",
    "Bonjour,\nOui c'est d'accord.\nCordialement",
    "ouais",
    "ok",
    "OK merci",
    "Ok, pas de souci",
    "d'accord",
    "D’accord !",
    "daccord",
    "c'est ok pour moi",
    "ça marche",
    "Ça me va très bien",
    "Bien sûr",
    "volontiers",
    "entendu, merci",
    "confirmer",
    "Je confirme",
    "je confirme le rendez-vous",
    "Oui je confirme ma présence",
    "Confirmé",
    "CONFIRME SVP",
    "je souhaite confirmer mon rdv",
    "j'accepte",
    "nous confirmons notre venue",
    "oui, je serai là",
    "oui je veux bien",
    "O",
    // English
    "yes",
    "YES",
    "Yes.",
    "Yes please",
    "yes, thank you!",
    "Yes thanks, have a nice day",
    "Hi, yes",
    "yeah",
    "yep",
    "Yup 😀",
    "y",
    "Y.",
    "okay",
    "Ok great",
    "ok, no problem",
    "sure",
    "Of course",
    "Sure, no worries",
    "confirm",
    "CONFIRM",
    "confirmed",
    "I confirm",
    "I confirm my appointment",
    "Confirm it please",
    "I'd like to confirm the booking",
    "We accept",
    "yes I do",
    "Yes, I'll be there",
    "works for me",
    "ＹＥＳ",
];

const NO: &[&str] = &[
    // French
    "Non",
    "NON",
    "non.",
    "Non merci",
    "non, désolé",
    "Bonjour, non merci. Bonne journée",
    "nooon",
    "annuler",
    "ANNULÉ",
    "J'annule",
    "annulez svp",
    "Annulation",
    "je veux annuler",
    "Je voudrais annuler mon rendez-vous, merci",
    "veuillez annuler ma réservation",
    "merci d'annuler le rdv",
    "je dois annuler, désolée",
    "non, annulez",
    "je refuse",
    "non pas cette fois",
    // English
    "no",
    "No!",
    "No thanks",
    "no, thank you",
    "nope 😕",
    "N",
    "cancel",
    "CANCEL",
    "Cancelled",
    "canceled",
    "Please cancel",
    "cancel it please",
    "I would like to cancel my appointment",
    "I have to cancel, sorry",
    "unfortunately we need to cancel our booking",
    "no, cancel",
    "I decline",
    "no, not this time",
];

const STOP: &[&str] = &[
    "stop",
    "STOP",
    "Stop.",
    "STOP!!!",
    " stop\n",
    "stoooop",
    "STOP SMS",
    "stop pub",
    "Stop publicité",
    "STOP 36180",
    "stop au 36179",
    "STOPALL",
    "stop all",
    "stop messages please",
    "stop texting me",
    "Please stop",
    "stop svp",
    "stop, merci",
    "arrêt",
    "ARRET",
    "Arrêt svp",
    "Arrêtez",
    "arrêtez vos SMS svp",
    "désabonner",
    "me désabonner",
    "Désabonnez-moi",
    "merci de me désabonner",
    "je souhaite me désinscrire",
    "Veuillez me désinscrire, merci",
    "désinscription",
    "désabonnement",
    "unsubscribe",
    "UNSUBSCRIBE",
    "unsubscribe me",
    "please unsubscribe me, thanks",
    "I want to unsubscribe",
    "opt-out",
    "opt out please",
    "remove me",
    "quit",
    "END",
    "revoke",
];

const START: &[&str] = &[
    "start",
    "START",
    "Start!",
    "unstop",
    "subscribe",
    "opt in",
    "I want to resubscribe",
    "réabonner",
    "Réabonnez-moi svp",
    "je veux me réabonner",
    "reprendre",
];

const HELP: &[&str] = &[
    "help",
    "HELP",
    "Help!",
    "help me please",
    "I need help",
    "aide",
    "AIDE SVP",
    "Aidez-moi",
    "besoin d'aide",
    "info",
    "INFOS",
];

const UNCLEAR: &[&str] = &[
    // Nothing said
    "",
    " \n\t",
    "...",
    "👍",
    "❤️",
    "merci",
    "Thanks!",
    "Bonjour",
    "parfait",
    "great",
    "pas de souci",
    "no problem",
    "No worries",
    "No problem, thanks",
    "désolé",
    "svp",
    "mon rendez-vous",
    "I want to",
    "36180",
    "1",
    "Oui 1",
    "1️⃣",
    "k",
    "si",
    // Both said
    "oui non",
    "oui mais non",
    "Oui / non",
    "yes/no",
    "non, enfin oui",
    "yes no",
    "Yes cancel",
    "oui, annulez",
    "je confirme l'annulation",
    "confirm cancellation",
    "non, pas de souci",
    "No problem, no",
    "no, perfect",
    "non stop",
    "stop ok",
    "stop start",
    "help stop",
    "no I want to confirm",
    "non, bien sûr",
    "oui désolé",
    // Asked
    "oui?",
    "Oui ou non ?",
    "yes or no?",
    "ok？",
    "stop ?",
    "confirmé ?",
    "¿yes",
    "Can you confirm",
    "Pouvez-vous confirmer",
    "please confirm",
    "Merci de confirmer",
    "svp confirmer",
    "confirmez",
    "veuillez confirmer",
    "Je peux annuler",
    // Turned around
    "pas ok",
    "pas d'accord",
    "pas du tout d'accord",
    "not yes",
    "not ok",
    "not confirmed",
    "Not sure",
    "of course not",
    "certainly not",
    "absolument pas",
    "bien sûr que non",
    "je ne confirme pas",
    "Je n'annule pas",
    "I don't confirm",
    "don't cancel",
    "do not cancel",
    "Please don't stop",
    "ne pas annuler",
    "n'annulez pas",
    "no need to cancel",
    "no, don't cancel it",
    "I can't say yes",
    "ne me désabonnez pas",
    "I never unsubscribed",
    // Hedged
    "oui peut-être",
    "oui si possible",
    "yes if I can",
    "je ne sais pas si oui",
    "je ne sais pas",
    "maybe",
    "peut-être",
    "probably yes",
    "ok mais plus tard",
    "yes but later",
    "oui mais à 15h",
    "Oui à 14h30",
    "ok pour demain",
    "OK for Tuesday",
    "Je vous confirme demain",
    "je vais confirmer",
    "je dois confirmer",
    "I need to confirm",
    "I'll confirm tomorrow",
    "Yes tomorrow",
    "no, I want it",
    "no i want to",
    "I want no appointment",
    "no my appointment",
    "o k",
    "y n",
    "yes y",
    // Somebody else's yes
    "il a dit oui",
    "she said yes",
    "Is that a yes",
    "le oui l'emporte",
    // Stop inside something else
    "please stop calling at night, call me tomorrow",
    "stop by at 5",
    "I'm at the bus stop",
    "non-stop",
    "arrêt maladie",
    "l'arrêt de bus",
    "arrête de plaisanter",
    "stop confirm",
    "stop 12",
    "36180 stop",
    "the end",
    "weekend",
    "start at 9",
    "help is on the way",
    "please unsubscribe my colleague",
    "stopped",
    // Long
    "oui oui oui oui oui oui oui oui oui oui oui oui oui",
    "Bonjour, je vous remercie pour votre message, je reviens vers vous rapidement pour vous dire oui ou non",
    "Yes, however I would prefer another date because I am travelling this week",
    // Other tongues and nonsense
    "да",
    "sí señor",
    "ja",
    "nein",
    "ouinon",
    "yesno",
    "yes2",
    "oui_non",
    "onion",
    "<script>yes</script>",
];

fn table() -> impl Iterator<Item = (&'static str, Intent)> {
    [
        (YES, Intent::Yes),
        (NO, Intent::No),
        (STOP, Intent::Stop),
        (START, Intent::Start),
        (HELP, Intent::Help),
        (UNCLEAR, Intent::Unclear),
    ]
    .into_iter()
    .flat_map(|(texts, expected)| texts.iter().map(move |text| (*text, expected)))
}

#[test]
fn every_reply_of_the_table_means_what_it_says() {
    let wrong: Vec<_> = table()
        .map(|(text, expected)| (text, expected, intent(text)))
        .filter(|(_, expected, read)| expected != read)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_phrase_is_listed_once_and_as_it_is_looked_for() {
    let mut seen = HashSet::new();
    for phrase in listed() {
        assert!(seen.insert(phrase), "{phrase} is listed twice");
        let words = words(phrase, PHRASE_WORDS_MAX).unwrap();
        assert_eq!(words.join(" "), phrase);
        assert!(part(phrase).is_some());
    }
}

#[test]
fn a_button_says_what_its_id_says_or_else_its_label() {
    let check = |payload, label, expected| {
        assert_eq!(intent_of_button(payload, label), expected, "{payload:?} {label:?}");
    };
    check(Some("yes"), None, Intent::Yes);
    check(Some("CONFIRM"), Some("Je confirme"), Intent::Yes);
    check(Some("cancel"), Some("Annuler"), Intent::No);
    check(Some("opt_out"), None, Intent::Stop);
    check(Some("btn_1"), Some("Oui"), Intent::Yes);
    check(Some("1"), Some("Non merci"), Intent::No);
    check(None, Some("STOP"), Intent::Stop);
    check(Some("no"), Some("Yes"), Intent::Unclear);
    check(Some("btn_1"), Some("Plus tard"), Intent::Unclear);
    check(Some("btn_1"), None, Intent::Unclear);
    check(None, None, Intent::Unclear);
}

#[test]
fn two_answers_that_differ_are_none() {
    for (one, first) in table().filter(|(_, expected)| *expected != Intent::Unclear) {
        for (other, second) in [
            (YES, Intent::Yes),
            (NO, Intent::No),
            (STOP, Intent::Stop),
            (HELP, Intent::Help),
        ] {
            if first == second {
                continue;
            }
            let together = format!("{one}, {}", other[0]);
            assert_eq!(intent(&together), Intent::Unclear, "{together}: {first} and {second}");
        }
    }
}

/// One of the ways to write a letter: another case, an accent.
fn rewritten(letter: char, way: Index) -> String {
    let accents: &[&str] = match letter.to_ascii_lowercase() {
        'a' => &["à", "â", "Á", "a\u{301}"],
        'c' => &["ç", "Ç"],
        'e' => &["é", "È", "ê", "e\u{302}"],
        'i' => &["î", "Ï"],
        'o' => &["ô", "Ö"],
        'u' => &["ù", "Û", "u\u{308}"],
        _ => &[],
    };
    let [lower, upper] = [letter.to_lowercase().to_string(), letter.to_uppercase().to_string()];
    let ways: Vec<&str> = [lower.as_str(), upper.as_str()]
        .into_iter()
        .chain(accents.iter().copied())
        .collect();
    (*way.get(&ways)).to_owned()
}

proptest! {
    #[test]
    fn case_accents_punctuation_emoji_and_space_never_change_the_answer(
        (text, expected) in select(table().collect::<Vec<_>>()),
        ways in prop::collection::vec(any::<Index>(), 1..40),
        noise in prop::collection::vec("[ .,;:!…«»\"*~\\-\t\n😀🎉]{0,3}", 1..20),
    ) {
        let (mut ways, mut noise) = (ways.iter().cycle(), noise.iter().cycle());
        let mut written = noise.next().unwrap().clone();
        for char in text.chars() {
            if char.is_alphabetic() {
                written += &rewritten(char, *ways.next().unwrap());
            } else {
                written.push(char);
            }
            // Between words only: inside one it would be another word.
            if char == ' ' {
                written += noise.next().unwrap();
            }
        }
        written += noise.next().unwrap();
        prop_assert_eq!(intent(&written), expected, "{:?} from {:?}", written, text);
    }

    #[test]
    fn a_question_is_never_an_answer((text, _) in select(table().collect::<Vec<_>>()), mark in select(vec!['?', '？', '؟'])) {
        prop_assert_eq!(intent(&format!("{text}{mark}")), Intent::Unclear);
    }

    #[test]
    fn an_unknown_word_makes_any_reply_unclear(
        (text, _) in select(table().collect::<Vec<_>>()),
        word in "[b-df-hj-np-tv-xz]{4,9}",
        first: bool,
    ) {
        let together = if first { format!("{word} {text}") } else { format!("{text} {word}") };
        prop_assert_eq!(intent(&together), Intent::Unclear);
    }

    #[test]
    fn any_text_is_read_without_a_panic(text: String) {
        let _ = intent(&text);
    }
}

#[test]
fn the_language_of_a_reply_is_told_by_words_that_only_one_has() {
    use crate::Language::{English, French};
    for (text, expected) in [
        ("ARRÊT", Some(French)),
        ("Me désabonner", Some(French)),
        ("Stop svp", Some(French)),
        ("aide", Some(French)),
        ("unsubscribe", Some(English)),
        ("Stop please", Some(English)),
        ("HELP", Some(English)),
        ("STOP", None),
        ("start", None),
        ("aide please", None),
        ("", None),
    ] {
        assert_eq!(language(text), expected, "{text}");
    }
}
