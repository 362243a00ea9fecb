//! The words and phrases that are understood, in French and English.
//!
//! Written as [`crate::words`] makes them: lower case, without accents, spaces for apostrophes and hyphens.

use super::Intent::{self, Help, No, Start, Stop, Yes};

/// What one phrase does in a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Says it by itself: `oui`.
    Word(Intent),
    /// Says it, and may have a subject and an object: `confirm`.
    Verb(Intent),
    /// Says it, but only as the whole message: `y`.
    Letter(Intent),
    /// Stands before a verb with one of these intents: `i would like to`.
    Lead(&'static [Intent]),
    /// Stands behind a verb with one of these intents: `my appointment`.
    Object(&'static [Intent]),
    /// `please`: goes with everything, but before a verb of consent it may ask *us* to consent.
    Please,
    /// Stands anywhere beside one of these intents and changes nothing: `merci`.
    Companion(&'static [Intent]),
}

impl Part {
    /// The intent that it says.
    pub(super) const fn says(self) -> Option<Intent> {
        match self {
            Self::Word(intent) | Self::Verb(intent) | Self::Letter(intent) => Some(intent),
            Self::Lead(_) | Self::Object(_) | Self::Please | Self::Companion(_) => None,
        }
    }

    /// Whether it may stand in a message with this intent.
    pub(super) fn fits(self, intent: Intent) -> bool {
        match self {
            Self::Word(said) | Self::Verb(said) | Self::Letter(said) => said == intent,
            Self::Please => true,
            Self::Lead(intents) | Self::Object(intents) | Self::Companion(intents) => intents.contains(&intent),
        }
    }

    /// Whether `next` may follow it: a lead needs its verb, an object too.
    pub(super) const fn leads_to(self, next: &Self) -> bool {
        match (self, next) {
            (Self::Lead(_), Self::Verb(_)) | (Self::Verb(_), Self::Object(_)) => true,
            (Self::Lead(_), _) | (_, Self::Object(_)) | (Self::Please, Self::Verb(Yes)) => false,
            _ => true,
        }
    }
}

/// What a phrase does, if it is known.
pub(super) fn part(phrase: &str) -> Option<Part> {
    TABLE
        .iter()
        .find(|(phrases, _)| phrases.contains(&phrase))
        .map(|(_, part)| *part)
        .or_else(|| is_short_code(phrase).then_some(Part::Object(&[Stop])))
}

/// French text messages end in `STOP 36180`, and people send all of it back.
fn is_short_code(phrase: &str) -> bool {
    let number = phrase.strip_prefix("au ").unwrap_or(phrase);
    number.len() == 5 && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// What words begin with that only French has, among those that stop messages, start them and ask for help …
pub(super) const FRENCH: &[&str] = &[
    "arret",
    "desabonn",
    "desinscri",
    "reabonn",
    "aide",
    "aidez",
    "svp",
    "merci",
    "bonjour",
    "bonsoir",
];
/// … and only English.
pub(super) const ENGLISH: &[&str] = &[
    "unsub",
    "subscribe",
    "resubscribe",
    "help",
    "remove",
    "quit",
    "please",
    "thank",
    "hello",
];

const ALL: &[Intent] = &[Yes, No, Stop, Start, Help];

type Row = (&'static [&'static str], Part);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    (&["oui", "ouii", "ouais", "ouai", "mais oui", "oh oui", "yes", "yess", "yep", "yeah", "yup", "oh yes", "ok", "okay",
       "okey", "oki", "d accord", "daccord", "c est d accord", "entendu", "bien entendu", "bien sur", "biensur",
       "certainement", "certainly", "absolument", "absolutely", "tout a fait", "volontiers", "sure", "of course",
       "ca marche", "ca me va", "ca me convient", "ok pour moi", "bon pour moi", "c est bon pour moi", "good for me",
       "works for me", "that works for me", "c est ok", "c est ok pour moi", "agreed", "c est confirme"], Part::Word(Yes)),
    (&["confirmer", "confirme", "confirmee", "confirmes", "confirmons", "confirm", "confirmed",
       "accepter", "accepte", "acceptons", "accept", "accepted", "agree", "valider", "valide"], Part::Verb(Yes)),
    (&["y", "o"], Part::Letter(Yes)),
    (&["non", "no", "nope", "nah"], Part::Word(No)),
    (&["annuler", "annule", "annulee", "annules", "annulez", "annulons", "annulation", "cancel", "cancelled", "canceled",
       "refuser", "refuse", "refusons", "decline", "declined"], Part::Verb(No)),
    (&["n"], Part::Letter(No)),

    (&["stop", "stopall", "stopsms", "stop it", "arret", "arreter", "arrete", "arretez", "desabonner", "desabonne",
       "desabonnez", "me desabonner", "se desabonner", "desabonnement", "desinscrire", "desinscris", "desinscrivez",
       "me desinscrire", "desinscription", "unsubscribe", "unsubscribed", "opt out", "optout", "remove me"],
       Part::Verb(Stop)),
    (&["end", "quit", "revoke"], Part::Word(Stop)),
    (&["start", "unstop", "subscribe", "resubscribe", "opt in", "optin", "reabonner", "me reabonner", "reabonnez",
       "reabonnement", "reprendre"], Part::Verb(Start)),
    (&["help", "help me", "i need help", "need help", "aide", "aidez moi", "besoin d aide", "j ai besoin d aide", "info",
       "infos"], Part::Word(Help)),

    (&["je", "j", "nous", "i", "we"], Part::Lead(&[Yes, No])),
    (&["je veux", "je voudrais", "je souhaite", "j aimerais", "nous souhaitons", "i want to", "i would like to",
       "i d like to", "we want to", "we would like to", "we d like to"], Part::Lead(&[Yes, No, Stop, Start])),
    // Not before a yes: `merci de confirmer` asks us to, and `je dois confirmer` puts it off.
    (&["veuillez", "merci de", "merci d", "je dois", "nous devons", "i have to", "i need to",
       "i must", "we have to", "we need to"], Part::Lead(&[No, Stop, Start])),
    (&["le rendez vous", "mon rendez vous", "notre rendez vous", "ce rendez vous", "le rdv", "mon rdv", "notre rdv",
       "ma presence", "notre presence", "ma venue", "notre venue", "la reservation", "ma reservation",
       "notre reservation", "la commande", "ma commande", "notre commande", "it", "this", "the appointment",
       "my appointment", "our appointment", "this appointment", "the booking", "my booking", "our booking",
       "the reservation", "my reservation", "our reservation", "the order", "my order", "our order", "the visit",
       "my visit"], Part::Object(&[Yes, No])),
    (&["sms", "les sms", "vos sms", "ces sms", "aux sms", "pub", "pubs", "publicite", "publicites", "la pub", "vos pubs",
       "all", "tout", "message", "messages", "les messages", "vos messages", "ces messages", "these messages",
       "your messages", "texts", "texting", "texting me", "messaging me", "sending messages", "sending me messages",
       "whatsapp", "mail", "mails", "email", "emails", "e mail", "e mails", "newsletter", "me", "moi"],
       Part::Object(&[Stop, Start])),

    (&["please", "pls", "plz", "svp", "stp", "s il vous plait", "s il te plait"], Part::Please),
    (&["merci", "merci beaucoup", "merci bien", "merci a vous", "merci d avance", "thanks", "thanks a lot", "thank you",
       "thank you very much", "many thanks", "thx", "bonjour", "bonsoir", "salut", "hello", "hi", "hey", "good morning", "good evening", "madame", "monsieur",
       "cordialement", "bien cordialement", "regards", "best regards", "kind regards", "bonne journee", "bonne soiree",
       "have a nice day", "a bientot", "au revoir", "bye"], Part::Companion(ALL)),
    (&["parfait", "super", "genial", "nickel", "impeccable", "excellent", "top", "cool", "bien", "tres bien", "great",
       "perfect", "good", "very good", "fine", "wonderful", "lovely", "pas de souci", "pas de soucis", "pas de probleme",
       "sans probleme", "sans souci", "aucun souci", "aucun probleme", "no problem", "no worries", "avec plaisir",
       "with pleasure", "je veux bien", "i do", "i will", "i am", "je viens", "je serai la", "j y serai", "nous serons la", "on sera la",
       "i ll be there", "i will be there", "we ll be there", "we will be there"], Part::Companion(&[Yes])),
    (&["desole", "desolee", "je suis desole", "je suis desolee", "sorry", "i m sorry", "i am sorry", "malheureusement",
       "unfortunately", "pas cette fois", "not this time"], Part::Companion(&[No])),
];

/// Every phrase, for the test that keeps the table in order.
#[cfg(test)]
pub(super) fn listed() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|(phrases, _)| phrases.iter().copied())
}
