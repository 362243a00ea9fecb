//! Is a request genuine, by any of the secrets that its endpoint has?

use domain::EndpointId;
use providers::email::EmailVerifier;
use providers::vapi::VapiWebhookError;
use providers::{Event, Refusal, Request, Verified, Verifier, WebhookError};
use secrecy::SecretString;

use super::poster::Poster;
use super::proof::{Proof, UnusableProof};
use crate::problem::{Code, Problem};

/// What checks the requests of one endpoint. Its secrets are read once, when the endpoint is.
#[derive(Clone, Debug)]
pub enum Check {
    /// E-mail events of any system.
    Email(EmailVerifier),
    /// Events of a provider: any one of these has to be content.
    Provider(Vec<Way>),
}

/// One way to be content with a request.
#[derive(Clone, Debug)]
pub struct Way {
    verifier: Verifier,
    /// Only what concerns this account. Events that name none are not held back: the secret is the account's own.
    account: Option<String>,
}

impl Check {
    /// A secret that cannot be used vouches for nothing, and does not keep the other one from doing so.
    pub(super) fn new(endpoint: EndpointId, poster: Poster, secrets: &[SecretString]) -> Self {
        if poster == Poster::Email {
            return Self::Email(EmailVerifier::new(secrets));
        }
        let mut all = Vec::new();
        for secret in secrets {
            match ways(poster, secret) {
                Ok(some) => all.extend(some),
                Err(error) => tracing::error!(%endpoint, %error, "A secret of an endpoint cannot be used."),
            }
        }
        Self::Provider(all)
    }
}

fn ways(poster: Poster, secret: &SecretString) -> Result<Vec<Way>, UnusableProof> {
    let proof = Proof::read(secret)?;
    let verifiers = proof.verifiers(poster)?.into_iter();
    let account = proof.terms.account;
    Ok(verifiers
        .map(|verifier| Way {
            verifier,
            account: account.clone(),
        })
        .collect())
}

/// Checks and reads a request by the first of `all` that is content with it.
///
/// # Errors
/// What the one says that knows the request to be genuine; else what is wrong with the proof that was shown.
pub(super) fn verify(all: &[Way], request: &Request<'_>) -> Result<Verified<Vec<Event>>, Problem> {
    let mut refused: Option<WebhookError> = None;
    for Way { verifier, account } in all {
        match verifier.verify(request) {
            Ok(events) if concerns(&events, account.as_deref()) => return Ok(events),
            Ok(_) => return Err(other_account()),
            Err(error) if error.refusal() != Refusal::Unproven => return Err(error.into()),
            // One that looks for a header that is not there has less to say than one that found its own.
            Err(error) if refused.as_ref().is_none_or(is_missing) => refused = Some(error),
            Err(_) => {}
        }
    }
    Err(refused.map_or_else(without_secret, Problem::from))
}

fn concerns(events: &[Event], account: Option<&str>) -> bool {
    let named = |event: &Event| {
        account
            .zip(event.account.as_deref())
            .is_none_or(|(ours, named)| ours == named)
    };
    events.iter().all(named)
}

const fn is_missing(error: &WebhookError) -> bool {
    matches!(error, WebhookError::Vapi(VapiWebhookError::ProofMissing { .. }))
}

fn other_account() -> Problem {
    Problem::new(
        Code::SignatureInvalid,
        "The request is about another account than this endpoint takes.",
    )
}

fn without_secret() -> Problem {
    Problem::new(
        Code::SignatureInvalid,
        "The endpoint has no secret that could be used: `relais endpoint rotate` gives it one.",
    )
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        let code = match error.refusal() {
            Refusal::Unproven => Code::SignatureInvalid,
            Refusal::Stale => Code::TimestampStale,
            Refusal::Unreadable => Code::Unreadable,
        };
        Self::new(code, super::sentence(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chrono::Utc;
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::super::proof::Terms;
    use super::*;

    const BODY: &str = r#"{"typeWebhook":"stateInstanceChanged","instanceData":{"idInstance":7},"stateInstance":"x"}"#;
    const VAPI_BODY: &str = r#"{"message":{"type":"status-update","status":"ended","call":{"id":"c"}}}"#;

    /// What a request that shows `header` is answered by an endpoint with these secrets.
    fn check(poster: Poster, secrets: &[SecretString], header: (&str, &str), body: &str) -> Result<usize, Code> {
        let name: HeaderName = header.0.parse().unwrap();
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(header.1).unwrap())]);
        let request = Request {
            method: "POST",
            url: "https://hooks.test/webhooks/x/y",
            headers: &headers,
            body: body.as_bytes(),
            received_at: Utc::now(),
        };
        let Check::Provider(all) = Check::new(EndpointId(uuid::Uuid::nil()), poster, secrets) else {
            panic!("{poster:?} is no provider")
        };
        let verified = verify(&all, &request);
        verified.map(|events| events.len()).map_err(|problem| problem.code)
    }

    #[test]
    fn either_of_two_secrets_is_good_and_a_third_is_not() {
        let secrets = ["new".into(), "old".into()];
        for (shown, expected) in [
            ("Bearer new", Ok(1)),
            ("Bearer old", Ok(1)),
            ("Bearer older", Err(Code::SignatureInvalid)),
        ] {
            assert_eq!(
                check(Poster::GreenApi, &secrets, ("authorization", shown), BODY),
                expected
            );
        }
    }

    #[test]
    fn a_secret_that_cannot_be_used_vouches_for_nothing_and_leaves_the_other_one_good() {
        let shown = ("authorization", "Bearer good");
        let unusable: SecretString = "{never written".into();
        assert_eq!(
            check(Poster::GreenApi, &[unusable.clone(), "good".into()], shown, BODY),
            Ok(1)
        );
        assert_eq!(
            check(Poster::GreenApi, &[unusable], shown, BODY),
            Err(Code::SignatureInvalid)
        );
        assert_eq!(check(Poster::GreenApi, &[], shown, BODY), Err(Code::SignatureInvalid));
    }

    #[test]
    fn vapi_may_show_its_secret_in_any_of_its_ways_unless_one_is_set() {
        let stored = |way: &str| SecretString::from(format!(r#"{{"secret":"s","way":{way}}}"#));
        let inline = ("x-vapi-secret", "s");
        let bearer = ("authorization", "Bearer s");
        for shown in [inline, bearer] {
            assert_eq!(check(Poster::Vapi, &["s".into()], shown, VAPI_BODY), Ok(1), "{shown:?}");
        }
        assert_eq!(check(Poster::Vapi, &[stored("\"secret\"")], inline, VAPI_BODY), Ok(1));
        let other = check(Poster::Vapi, &[stored("\"secret\"")], bearer, VAPI_BODY);
        assert_eq!(other, Err(Code::SignatureInvalid));
    }

    #[test]
    fn what_concerns_another_account_is_refused() {
        let of = |account: &str| {
            let terms = Terms {
                account: Some(account.into()),
                ..Terms::default()
            };
            let secret = "t".into();
            Proof { secret, terms }.stored(Poster::GreenApi)
        };
        let shown = ("authorization", "Bearer t");
        assert_eq!(check(Poster::GreenApi, &[of("7")], shown, BODY), Ok(1));
        assert_eq!(
            check(Poster::GreenApi, &[of("8")], shown, BODY),
            Err(Code::SignatureInvalid)
        );
    }

    #[test]
    fn a_genuine_request_that_cannot_be_read_is_told_apart_from_a_forged_one() {
        let shown = ("x-vapi-secret", "s");
        assert_eq!(check(Poster::Vapi, &["s".into()], shown, "[]"), Err(Code::Unreadable));
        assert_eq!(
            check(Poster::Vapi, &["t".into()], shown, "[]"),
            Err(Code::SignatureInvalid)
        );
    }
}
