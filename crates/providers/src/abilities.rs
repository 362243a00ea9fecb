//! What each provider is able to do, for whoever decides before there is an account of it.
//!
//! Nothing here has a catch-all: a new provider and a new channel have to be decided about.

use domain::Channel;

use crate::event::Provider;

impl Provider {
    /// The provider of that stored word, if it is one that sends.
    #[must_use]
    pub fn sending(word: &str) -> Option<Self> {
        Self::all_sending().find(|provider| provider.as_str() == word)
    }

    /// The providers that messages can go by.
    pub fn all_sending() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|provider| provider.sends())
    }

    fn sends(self) -> bool {
        Channel::ALL.iter().any(|channel| self.carries(*channel))
    }

    /// Whether messages of a channel can go by it.
    #[must_use]
    pub const fn carries(self, channel: Channel) -> bool {
        match (self, channel) {
            (Self::Smtp | Self::SendGrid | Self::Resend, Channel::Email)
            | (Self::Twilio, Channel::Sms | Channel::Whatsapp)
            | (Self::GreenApi, Channel::Whatsapp) => true,
            (Self::Smtp | Self::SendGrid | Self::Resend, Channel::Sms | Channel::Whatsapp)
            | (Self::Twilio, Channel::Email)
            | (Self::GreenApi, Channel::Email | Channel::Sms)
            | (Self::StandardWebhooks | Self::Vapi, _) => false,
        }
    }

    /// Whether it can be asked how far a message came: [`Sender::fetch`](crate::Sender::fetch).
    #[must_use]
    pub const fn is_asked(self) -> bool {
        match self {
            Self::Twilio | Self::GreenApi => true,
            Self::Smtp | Self::SendGrid | Self::Resend | Self::StandardWebhooks | Self::Vapi => false,
        }
    }

    /// Whether it is told with each message where to report what becomes of it. The others have that among their settings.
    #[must_use]
    pub const fn is_told_where_to_report(self) -> bool {
        match self {
            Self::Twilio => true,
            Self::Smtp | Self::SendGrid | Self::Resend | Self::GreenApi | Self::StandardWebhooks | Self::Vapi => false,
        }
    }

    /// Whether who writes STOP, START or HELP is answered in the answer to its webhook. The others are sent a message.
    #[must_use]
    pub const fn sends_what_its_webhook_is_answered(self) -> bool {
        match self {
            Self::Twilio => true,
            Self::Smtp | Self::SendGrid | Self::Resend | Self::GreenApi | Self::StandardWebhooks | Self::Vapi => false,
        }
    }

    /// Whether it follows by itself who opens a mail and its links.
    #[must_use]
    pub const fn follows_mail(self) -> bool {
        match self {
            Self::SendGrid | Self::Resend => true,
            Self::Smtp | Self::Twilio | Self::GreenApi | Self::StandardWebhooks | Self::Vapi => false,
        }
    }

    /// Whether an account of it has one sender, so that a message names none: an instance of Green-API is one telephone.
    #[must_use]
    pub const fn has_one_sender(self) -> bool {
        match self {
            Self::GreenApi => true,
            Self::Smtp | Self::SendGrid | Self::Resend | Self::Twilio | Self::StandardWebhooks | Self::Vapi => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_words_are_what_they_always_were_and_who_sends_is_found_by_them() {
        let words: Vec<_> = Provider::ALL.iter().map(|provider| provider.as_str()).collect();
        let expected = [
            "sendgrid",
            "resend",
            "smtp",
            "standard_webhooks",
            "twilio",
            "green_api",
            "vapi",
        ];
        assert_eq!(words, expected);
        let sending: Vec<_> = words
            .into_iter()
            .filter(|word| Provider::sending(word).is_some())
            .collect();
        assert_eq!(sending, ["sendgrid", "resend", "smtp", "twilio", "green_api"]);
        assert_eq!(Provider::sending("pigeon"), None);
    }
}
