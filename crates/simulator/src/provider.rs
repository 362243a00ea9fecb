//! Who is played, and by which way messages go.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the outside services that are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the service of its name")]
pub enum Provider {
    Twilio,
    #[serde(rename = "sendgrid")]
    SendGrid,
    Resend,
    GreenApi,
    /// The server that takes mail.
    Smtp,
    /// The server that mail is fetched from.
    Imap,
    /// Anybody who receives webhooks.
    Hook,
}

impl Provider {
    /// The word in URLs, JSON and on the page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::SendGrid => "sendgrid",
            Self::Resend => "resend",
            Self::GreenApi => "green_api",
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Hook => "hook",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The way of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the way of its name")]
pub enum Channel {
    Email,
    Sms,
    Whatsapp,
    /// No message: a telephone number that was bought.
    Number,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_provider_is_written_in_json_as_everywhere_else() {
        use Provider::{GreenApi, Hook, Imap, Resend, SendGrid, Smtp, Twilio};
        for provider in [Twilio, SendGrid, Resend, GreenApi, Smtp, Imap, Hook] {
            assert_eq!(serde_json::to_value(provider).unwrap(), provider.as_str());
        }
    }
}
