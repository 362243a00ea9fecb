//! Who may post webhooks: the closed list, and what is asked of each.

use http::Method;

/// Declares who may post together with their words and the list of all, so that nobody can be forgotten in it.
macro_rules! posters {
    ($($(#[$meta:meta])* $poster:ident = $name:literal),+ $(,)?) => {
        /// Who posts to an endpoint.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each is the poster of its name")]
        pub enum Poster { $($(#[$meta])* $poster),+ }

        impl Poster {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$poster),+];

            /// The word in addresses, in commands and in the table of endpoints.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$poster => $name),+ }
            }
        }
    };
}

posters! {
    /// Any system that can compute an HMAC and reports e-mail events.
    Email = "email",
    SendGrid = "sendgrid",
    Resend = "resend",
    /// Any system that signs by Standard Webhooks.
    Standard = "standard",
    Twilio = "twilio",
    GreenApi = "green_api",
    Vapi = "vapi",
}

/// The other name of [`Poster::Standard`], taken wherever a name is read.
const STANDARD_WHOLE: &str = "standard_webhooks";

impl Poster {
    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = if name == STANDARD_WHOLE { "standard" } else { name };
        Self::ALL.iter().copied().find(|poster| poster.name() == name)
    }

    /// Whether its requests come by this method. Twilio may be told to use GET; then everything is in the URL.
    pub(super) fn uses(self, method: &Method) -> bool {
        *method == Method::POST || (self == Self::Twilio && *method == Method::GET)
    }

    /// What its secrets look like and where they are found, to be read after "a secret of `NAME` is".
    #[must_use]
    pub const fn secret_form(self) -> &'static str {
        match self {
            Self::Email => "any text that both sides know",
            Self::SendGrid => {
                "the verification key that SendGrid shows with its signed event webhook: base64 beginning with `MFkw`, \
                 or the same as a PEM file"
            }
            Self::Resend => "the signing secret that Resend shows with the webhook: `whsec_` and base64",
            Self::Standard => "a shared secret, `whsec_` and base64, or the sender's public key, `whpk_` and base64",
            Self::Twilio => "the auth token of the account or subaccount that posts (an API key signs nothing)",
            Self::GreenApi => "the text that the instance is given as `webhookUrlToken`",
            Self::Vapi => "the text that Vapi is given as the server's secret, Bearer token or HMAC key",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_poster_is_found_by_its_name_and_standard_webhooks_by_both() {
        for &poster in Poster::ALL {
            assert_eq!(Poster::named(poster.name()), Some(poster));
        }
        assert_eq!(Poster::named("standard_webhooks"), Some(Poster::Standard));
        assert_eq!(Poster::named("Twilio"), None);
        assert_eq!(Poster::named(""), None);
    }

    #[test]
    fn only_twilio_asks_by_get() {
        for &poster in Poster::ALL {
            assert!(poster.uses(&Method::POST), "{poster:?}");
            assert_eq!(poster.uses(&Method::GET), poster == Poster::Twilio, "{poster:?}");
            assert!(!poster.uses(&Method::HEAD) && !poster.uses(&Method::PUT), "{poster:?}");
        }
    }
}
