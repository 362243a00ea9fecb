//! What somebody means who answers a message.
//!
//! Only what cannot be misread is read. Every word of a reply must be in the table of `phrases.rs`: an answer, what goes with an
//! answer (`merci`, `parfait`, `my appointment`), or the reply is [`Intent::Unclear`], which a person then reads. So are
//! replies that say two things (`oui non`), questions, and everything with a `pas`, `not`, `mais` or `but` in it: to ask
//! once more costs a message, to cancel an appointment that was confirmed costs a customer.
//!
//! Stop words count only by themselves or with a word or two that change nothing (`STOP SMS`, `arrêt svp`), as the
//! carriers read them. `CANCEL` and `YES` are answers here; where a carrier takes them for `STOP` and `START`, it says so
//! beside the text (Twilio's `OptOutType`), and that word goes through [`intent`] first.

mod phrases;
#[cfg(test)]
mod tests;

use self::phrases::Part;
use crate::channel::Language;
use crate::words::{self, narrowed};

/// No reply that is read has more words.
const WORDS_MAX: usize = 12;

stored! {
    /// What a reply asks for.
    Intent {
        /// To go ahead: the appointment holds, the offer is taken.
        Yes = "yes",
        /// Not to go ahead.
        No = "no",
        /// Never to be written to again.
        Stop = "stop",
        /// To be written to again after a stop.
        Start = "start",
        /// To be told who writes and how to stop it.
        Help = "help",
        /// Nothing that is certain. For a person to read.
        Unclear = "unclear",
    }
}

/// What a text means. Case, accents, punctuation, emoji and white space change nothing, except for question marks.
#[must_use]
pub fn intent(text: &str) -> Intent {
    read(text).unwrap_or(Intent::Unclear)
}

/// What the press of a button means, by the id that we gave it and by what is written on it. An id that says nothing
/// (`btn_1`) leaves it to the label; two that differ are unclear.
#[must_use]
pub fn intent_of_button(payload: Option<&str>, label: Option<&str>) -> Intent {
    match (payload.and_then(read), label.and_then(read)) {
        (Some(payload), Some(label)) if payload != label => Intent::Unclear,
        (payload, label) => payload.or(label).unwrap_or(Intent::Unclear),
    }
}

/// The language of a reply whose words only one language has; `stop` and `start` both do.
#[must_use]
pub fn language(text: &str) -> Option<Language> {
    let words = words::words(text, WORDS_MAX)?;
    let has = |stems: &[&str]| words.iter().any(|word| stems.iter().any(|stem| word.starts_with(stem)));
    match (has(phrases::FRENCH), has(phrases::ENGLISH)) {
        (true, false) => Some(Language::French),
        (false, true) => Some(Language::English),
        _ => None,
    }
}

fn read(text: &str) -> Option<Intent> {
    if text.chars().any(asks) {
        return None;
    }
    let words = words::words(text, WORDS_MAX)?;
    decide(&words::phrases(&words, phrases::part)?)
}

/// Whether a phrase may stand beside a yes, or is one: nothing that it says needs an answer.
pub(crate) fn goes_with_yes(phrase: &str) -> bool {
    phrases::part(phrase).is_some_and(|part| {
        part.fits(Intent::Yes) && matches!(part, Part::Word(_) | Part::Verb(_) | Part::Please | Part::Companion(_))
    })
}

fn asks(char: char) -> bool {
    matches!(narrowed(char), '?' | '¿' | '؟' | '⁇' | '⁈' | '⁉' | '❓' | '❔')
}

/// The one intent that all parts agree on.
fn decide(parts: &[Part]) -> Option<Intent> {
    let intent = parts.iter().find_map(|part| part.says())?;
    let agreed = parts.iter().all(|part| part.fits(intent))
        && parts.windows(2).all(|pair| pair[0].leads_to(&pair[1]))
        && !matches!(
            (parts.first(), parts.last()),
            (Some(Part::Object(_)), _) | (_, Some(Part::Lead(_)))
        )
        && (parts.len() == 1 || !parts.iter().any(|part| matches!(part, Part::Letter(_))));
    agreed.then_some(intent)
}
