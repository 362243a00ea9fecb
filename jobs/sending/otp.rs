//! The messages around one-time codes: the one text of ours that is made when it is sent, so that no code lies in a payload.

use domain::{ChallengeId, Code, CodeKey, Language, PersonalText};
use seal::Keyring;

use super::content::EmailBody;

/// What keys of codes are derived for.
const PURPOSE: &str = "relais one-time codes";

/// The key that codes follow from which were asked for under the key of that id; `None` if it was taken out of the ring.
#[must_use]
pub fn code_key(keyring: &Keyring, id: &str) -> Option<CodeKey> {
    keyring.derived(id, PURPOSE).map(CodeKey::new)
}

/// The code of a challenge.
pub(super) fn code(keyring: &Keyring, key_id: &str, challenge: ChallengeId) -> Option<Code> {
    code_key(keyring, key_id).map(|key| Code::derive(&key, challenge))
}

/// What a text message says.
pub(super) fn text(code: &Code, language: Language) -> PersonalText {
    let code = code.expose();
    PersonalText::new(match language {
        Language::English => format!("Your code is {code}. It is good for 5 minutes. Do not give it to anybody."),
        Language::French => format!("Votre code est {code}. Il est valable 5 minutes. Ne le donnez à personne."),
    })
}

/// What a mail says; without a code, as much of it as can be said. The subject has none: it shows on locked screens, and in
/// the logs of mail servers.
pub(super) fn email(code: Option<&Code>, language: Language) -> EmailBody {
    let subject = match language {
        Language::English => "Your code",
        Language::French => "Votre code",
    };
    EmailBody {
        text: Some(code.map_or_else(|| PersonalText::new(""), |code| text(code, language))),
        ..EmailBody::new(subject)
    }
}
