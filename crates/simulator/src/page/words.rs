//! The page's words.

use crate::provider::Channel;
use crate::script::Status;

/// A language of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    English,
    French,
}

impl Language {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }

    pub(super) fn of_code(code: &str) -> Option<Self> {
        [Self::English, Self::French]
            .into_iter()
            .find(|language| language.code() == code)
    }

    /// French when it stands before English in `Accept-Language`.
    pub(super) fn preferred(header: &str) -> Self {
        let mut all = header
            .split(',')
            .map(|language| language.trim().get(..2).unwrap_or_default());
        all.find_map(Self::of_code).unwrap_or(Self::English)
    }

    const fn choose(self, english: &'static str, french: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::French => french,
        }
    }

    pub(super) const fn title(self) -> &'static str {
        self.choose("Simulator", "Simulateur")
    }

    pub(super) const fn subtitle(self) -> &'static str {
        self.choose(
            "What invented telephones and mailboxes received.",
            "Ce qu’ont reçu des téléphones et des boîtes aux lettres inventés.",
        )
    }

    pub(super) const fn everybody(self) -> &'static str {
        self.choose("Everybody", "Tout le monde")
    }

    pub(super) const fn empty(self) -> &'static str {
        self.choose(
            "Nothing has arrived yet. Send something: it shows here within seconds.",
            "Rien n’est encore arrivé. Envoyez quelque chose : cela paraît ici en quelques secondes.",
        )
    }

    pub(super) const fn answer(self) -> &'static str {
        self.choose("Answer", "Répondre")
    }

    pub(super) const fn send(self) -> &'static str {
        self.choose("Send", "Envoyer")
    }

    pub(super) const fn cancel(self) -> &'static str {
        self.choose("Cancel", "Annuler")
    }

    pub(super) const fn your_answer(self) -> &'static str {
        self.choose("Answer as", "Répondre en tant que")
    }

    pub(super) const fn from(self) -> &'static str {
        self.choose("from", "de")
    }

    pub(super) const fn to(self) -> &'static str {
        self.choose("to", "à")
    }

    /// How the language calls itself.
    pub(super) const fn name(self) -> &'static str {
        self.choose("English", "Français")
    }

    pub(super) const fn languages(self) -> &'static str {
        self.choose("Language", "Langue")
    }

    pub(super) const fn boxes(self) -> &'static str {
        self.choose("Telephones and mailboxes", "Téléphones et boîtes aux lettres")
    }

    pub(super) const fn messages(self) -> &'static str {
        self.choose("Messages, newest first", "Messages, le plus récent d’abord")
    }

    pub(super) const fn course(self) -> &'static str {
        self.choose("What became of it", "Ce qu’il est devenu")
    }

    pub(super) const fn reloads(self) -> &'static str {
        self.choose("Reloads every 3 seconds.", "Se recharge toutes les 3 secondes.")
    }

    pub(super) const fn hold(self) -> &'static str {
        self.choose("Hold still", "Figer la page")
    }

    pub(super) const fn still(self) -> &'static str {
        self.choose("Holds still.", "Page figée.")
    }

    pub(super) const fn go_on(self) -> &'static str {
        self.choose("Reload again", "Recharger à nouveau")
    }

    pub(super) const fn writing(self) -> &'static str {
        self.choose(
            "Does not reload while you write.",
            "Ne se recharge pas pendant que vous écrivez.",
        )
    }

    pub(super) const fn not_sent(self) -> &'static str {
        self.choose(
            "The answer was not sent: nobody has said where messages that come in are posted to.",
            "La réponse n’est pas partie : personne n’a dit où livrer les messages entrants.",
        )
    }

    pub(super) const fn channel(self, channel: Channel) -> &'static str {
        match channel {
            Channel::Email => self.choose("e-mail", "e-mail"),
            Channel::Sms => "SMS",
            Channel::Whatsapp => "WhatsApp",
            Channel::Number => self.choose("number", "numéro"),
        }
    }

    pub(super) const fn status(self, status: Status) -> &'static str {
        match status {
            Status::Queued => self.choose("queued", "en attente"),
            Status::Sent => self.choose("sent", "envoyé"),
            Status::Delayed => self.choose("delayed", "retardé"),
            Status::Delivered => self.choose("delivered", "remis"),
            Status::Read => self.choose("read", "lu"),
            Status::Opened => self.choose("opened", "ouvert"),
            Status::Clicked => self.choose("clicked", "cliqué"),
            Status::Undelivered => self.choose("undelivered", "non remis"),
            Status::Failed => self.choose("failed", "échoué"),
            Status::Bounced => self.choose("bounced", "rejeté"),
            Status::Dropped => self.choose("dropped", "abandonné"),
            Status::Complained => self.choose("complained", "signalé"),
            Status::Unsubscribed => self.choose("unsubscribed", "désabonné"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_first_one_that_the_page_speaks() {
        for (header, expected) in [
            ("fr-FR,fr;q=0.9,en;q=0.8", Language::French),
            ("de, en-GB;q=0.7, fr;q=0.5", Language::English),
            ("de", Language::English),
            ("", Language::English),
            ("é", Language::English),
        ] {
            assert_eq!(Language::preferred(header), expected, "{header}");
        }
    }
}
