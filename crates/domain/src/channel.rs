//! How a message goes, and in which language.

stored! {
    /// The way a message takes.
    Channel {
        /// Electronic mail.
        Email = "email",
        /// Text messages of the telephone network.
        Sms = "sms",
        /// WhatsApp.
        Whatsapp = "whatsapp",
    }
}

impl Channel {
    /// Whether it reaches people by their phone number.
    #[must_use]
    pub const fn is_by_number(self) -> bool {
        match self {
            Self::Sms | Self::Whatsapp => true,
            Self::Email => false,
        }
    }
}

stored! {
    /// A language that the texts of relais itself are written in (ISO 639-1).
    Language {
        /// English.
        English = "en",
        /// French.
        French = "fr",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_words_are_what_they_always_were() {
        let words: Vec<_> = Channel::ALL.iter().map(|channel| channel.as_str()).collect();
        assert_eq!(words, ["email", "sms", "whatsapp"]);
        let words: Vec<_> = Language::ALL.iter().map(|language| language.as_str()).collect();
        assert_eq!(words, ["en", "fr"]);
    }

    #[test]
    fn only_mail_needs_no_number() {
        let by_number: Vec<_> = Channel::ALL.iter().filter(|channel| channel.is_by_number()).collect();
        assert_eq!(by_number, [&Channel::Sms, &Channel::Whatsapp]);
    }
}
