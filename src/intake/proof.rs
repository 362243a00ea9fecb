//! One secret of an endpoint, with whatever else decides what it vouches for.
//!
//! Lies sealed in the table of endpoints: the secret by itself when nothing but the secret matters, else a JSON object.
//! The second of two secrets may have settings of its own, so that the way of proving can be changed like a secret.

use providers::green_api::GreenApiVerifier;
use providers::resend::ResendVerifier;
use providers::sendgrid::SendGridVerifier;
use providers::standard_webhooks::StandardVerifier;
use providers::twilio::TwilioVerifier;
use providers::vapi::{HmacPlan, UnusablePlan, VapiVerifier};
use providers::{UnusableKey, Verifier};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::poster::Poster;

/// What every stored object begins with. A secret that does too is stored as an object.
const OBJECT: char = '{';

/// One secret and what it vouches for.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The secret, token or public key, in its provider's own form ([`Poster::secret_form`]).
    pub secret: SecretString,
    /// What else is checked.
    pub terms: Terms,
}

/// What is checked besides the secret. By default nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// Only what concerns this account: Twilio's account SID, Green-API's instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// How old a request of SendGrid may be, in seconds; 300 when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds_max: Option<i64>,
    /// How Vapi proves itself. When not given, any of its ways counts that shows this secret with Vapi's own defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<VapiWay>,
}

/// How Vapi was configured to prove itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VapiWay {
    /// The secret in `X-Vapi-Secret`.
    Secret,
    /// The secret as a Bearer token, in `Authorization` or in another header.
    Bearer {
        /// The other header.
        header: Option<String>,
    },
    /// A signature by the secret.
    Hmac(Box<HmacPlan>),
}

/// A secret that could not vouch for anything. Never repeats it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableProof {
    /// It is not of its provider's form.
    #[error(transparent)]
    Key(#[from] UnusableKey),
    /// It signs by a plan that would leave the body open.
    #[error(transparent)]
    Plan(#[from] UnusablePlan),
    /// The account is none of this provider's.
    #[error("the account {0}")]
    Account(&'static str),
    /// What is stored is no object that was ever written.
    #[error("what is stored cannot be read")]
    Stored,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    secret: String,
    #[serde(flatten)]
    terms: Terms,
}

impl Proof {
    /// The secret alone.
    #[must_use]
    pub fn plain(secret: impl Into<SecretString>) -> Self {
        Self {
            secret: secret.into(),
            terms: Terms::default(),
        }
    }

    /// As it is stored for `poster`. What signs e-mail events is never anything but a secret.
    #[must_use]
    pub fn stored(&self, poster: Poster) -> SecretString {
        let secret = self.secret.expose_secret();
        if poster == Poster::Email || self.terms == Terms::default() && !secret.starts_with(OBJECT) {
            return self.secret.clone();
        }
        let stored = Stored {
            secret: secret.to_owned(),
            terms: self.terms.clone(),
        };
        // Texts and numbers only: this cannot fail.
        serde_json::to_string(&stored).unwrap_or_default().into()
    }

    /// What [`stored`](Self::stored) gave.
    ///
    /// # Errors
    /// [`UnusableProof::Stored`] for anything else that begins like an object.
    pub fn read(stored: &SecretString) -> Result<Self, UnusableProof> {
        if !stored.expose_secret().starts_with(OBJECT) {
            return Ok(Self::plain(stored.clone()));
        }
        let stored: Stored = serde_json::from_str(stored.expose_secret()).map_err(|_| UnusableProof::Stored)?;
        Ok(Self {
            secret: stored.secret.into(),
            terms: stored.terms,
        })
    }

    /// What checks `poster`'s requests by it; one of several has to be content. None for e-mail events, which have a
    /// verifier of another kind.
    ///
    /// # Errors
    /// When the secret or the settings are not what this poster uses.
    pub fn verifiers(&self, poster: Poster) -> Result<Vec<Verifier>, UnusableProof> {
        let secret = [&self.secret];
        Ok(match poster {
            Poster::Email => Vec::new(),
            Poster::SendGrid => {
                let verifier = SendGridVerifier::new(secret)?;
                vec![Verifier::SendGrid(match self.terms.age_seconds_max {
                    Some(seconds) => verifier.with_age_seconds_max(seconds),
                    None => verifier,
                })]
            }
            Poster::Resend => vec![Verifier::Resend(ResendVerifier::new(secret)?)],
            Poster::Standard => vec![Verifier::StandardWebhooks(StandardVerifier::new(secret)?)],
            Poster::Twilio => {
                self.check_twilio_account()?;
                vec![Verifier::Twilio(TwilioVerifier::new(secret)?)]
            }
            Poster::GreenApi => {
                let verifier = GreenApiVerifier::new(secret)?;
                vec![Verifier::GreenApi(match self.instance()? {
                    Some(instance) => verifier.for_instance(instance),
                    None => verifier,
                })]
            }
            Poster::Vapi => self.vapi()?.into_iter().map(Verifier::Vapi).collect(),
        })
    }

    fn vapi(&self) -> Result<Vec<VapiVerifier>, UnusableProof> {
        let secret = [&self.secret];
        Ok(match &self.terms.way {
            Some(VapiWay::Secret) => vec![VapiVerifier::secret(secret)?],
            Some(VapiWay::Bearer { header }) => vec![VapiVerifier::bearer(secret, header.as_deref())?],
            Some(VapiWay::Hmac(plan)) => vec![VapiVerifier::hmac(secret, (**plan).clone())?],
            // Whoever shows the secret in one way could do so in the others: none of them is weaker than the rest.
            None => vec![
                VapiVerifier::secret(secret)?,
                VapiVerifier::bearer(secret, None)?,
                VapiVerifier::hmac(secret, HmacPlan::default())?,
            ],
        })
    }

    fn instance(&self) -> Result<Option<u64>, UnusableProof> {
        let account = self.terms.account.as_deref();
        let unusable = UnusableProof::Account("of Green-API is its `idInstance`, a number");
        account.map(|id| id.parse().map_err(|_| unusable)).transpose()
    }

    fn check_twilio_account(&self) -> Result<(), UnusableProof> {
        let is_sid = |id: &str| {
            let digits = id.strip_prefix("AC").unwrap_or_default();
            digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        match self.terms.account.as_deref() {
            Some(id) if !is_sid(id) => Err(UnusableProof::Account("of Twilio is its SID: `AC` and 32 hex digits")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with(secret: &str, terms: Terms) -> Proof {
        Proof {
            terms,
            ..Proof::plain(secret)
        }
    }

    #[test]
    fn a_proof_is_read_as_it_was_stored() {
        let hmac = VapiWay::Hmac(Box::new(HmacPlan {
            signature_prefix: Some("v1,".into()),
            ..HmacPlan::default()
        }));
        let bearer = VapiWay::Bearer {
            header: Some("X-Call".into()),
        };
        let all = [
            Terms::default(),
            Terms {
                account: Some("1101".into()),
                age_seconds_max: Some(86_400),
                way: None,
            },
            Terms {
                way: Some(VapiWay::Secret),
                ..Terms::default()
            },
            Terms {
                way: Some(bearer),
                ..Terms::default()
            },
            Terms {
                way: Some(hmac),
                ..Terms::default()
            },
        ];
        for terms in all {
            for secret in ["plain", "{\"secret\":\"x\"}", "{"] {
                let read = Proof::read(&with(secret, terms.clone()).stored(Poster::Vapi)).unwrap();
                assert_eq!((read.secret.expose_secret(), &read.terms), (secret, &terms));
            }
        }
    }

    #[test]
    fn a_secret_that_needs_nothing_else_is_stored_as_it_is() {
        assert_eq!(
            Proof::plain("whsec_AAAA").stored(Poster::Resend).expose_secret(),
            "whsec_AAAA"
        );
        assert_eq!(Proof::plain("{").stored(Poster::Email).expose_secret(), "{");
    }

    /// These lie in databases.
    #[test]
    fn forms_that_were_ever_stored_are_still_read() {
        let forms = [
            r#"{"secret":"a","account":"1101000001"}"#,
            r#"{"secret":"a","age_seconds_max":86400}"#,
            r#"{"secret":"a","way":"secret"}"#,
            r#"{"secret":"a","way":{"bearer":{"header":null}}}"#,
            r#"{"secret":"a","way":{"hmac":{"algorithm":"sha512"}}}"#,
        ];
        for form in forms {
            let read = Proof::read(&form.into()).unwrap();
            assert_eq!(read.secret.expose_secret(), "a", "{form}");
            assert_ne!(read.terms, Terms::default(), "{form}");
        }
    }

    #[test]
    fn what_is_no_secret_of_its_provider_is_refused_and_never_repeated() {
        let account = |id: &str| Terms {
            account: Some(id.into()),
            ..Terms::default()
        };
        let unusable = [
            (Poster::SendGrid, with("SG.abc", Terms::default())),
            (Poster::Resend, with("re_abc", Terms::default())),
            (Poster::Standard, with("whsk_AAAA", Terms::default())),
            (Poster::Twilio, with("", Terms::default())),
            (
                Poster::Twilio,
                with("abc", account("SK00000000000000000000000000000000")),
            ),
            (Poster::GreenApi, with("abc", account("instance"))),
            (Poster::Vapi, with("", Terms::default())),
        ];
        for (poster, proof) in unusable {
            let told = proof.verifiers(poster).unwrap_err().to_string();
            assert!(!told.contains("abc") && !told.contains("AAAA"), "{poster:?}: {told}");
        }
        assert_eq!(Proof::read(&"{not one".into()).unwrap_err(), UnusableProof::Stored);
    }
}
