//! Is this request genuine?

use http::header::CONTENT_TYPE;
use ring::digest::{SHA256, digest};
use ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::error::TwilioWebhookError;
use super::form::Form;
use super::{body, url};
use crate::event::Event;
use crate::key::{HmacKeys, UnusableKey, base64, to_base64};
use crate::{Request, Verified};

/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "X-Twilio-Signature";

/// The URL's parameter with the hash of a body that is no form.
const BODY_HASH: &str = "bodySHA256";
const FORM: &str = "application/x-www-form-urlencoded";
const SIGNATURE_BYTES: usize = 20;

/// Checks the requests of one endpoint.
#[derive(Clone, Debug)]
pub struct TwilioVerifier {
    tokens: HmacKeys,
}

/// What a request says, and what of it is signed beside the URL.
pub(super) enum Content {
    /// Parameters: signed when they came as a body, part of the URL when they came in it.
    Form(Form),
    /// Bytes that the URL vouches for by their hash.
    Hashed,
}

impl TwilioVerifier {
    /// A verifier that takes a signature by any of `tokens`: two while one replaces the other, else one. It has to be the
    /// auth token of the account or subaccount that the requests come from; API keys sign nothing.
    ///
    /// Without any token, every request is refused.
    ///
    /// # Errors
    /// [`UnusableKey`] when one of them is empty.
    pub fn new<'a>(tokens: impl IntoIterator<Item = &'a SecretString>) -> Result<Self, UnusableKey> {
        let mut keys = HmacKeys::default();
        for token in tokens {
            keys.add(HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.expose_secret().as_bytes())?;
        }
        Ok(Self { tokens: keys })
    }

    /// Checks and reads one request. Its URL has to be the public one.
    ///
    /// # Errors
    /// [`TwilioWebhookError`] names the first thing that is wrong.
    pub fn verify(&self, request: &Request<'_>) -> Result<Verified<Event>, TwilioWebhookError> {
        use TwilioWebhookError as E;
        let signature = request.header(SIGNATURE_HEADER).ok_or(E::SignatureMissing {
            header: SIGNATURE_HEADER,
        })?;
        let signature = base64(signature).filter(|signature| signature.len() == SIGNATURE_BYTES);
        let signature = signature.ok_or(E::SignatureMalformed)?;

        let query = Form::read(url::query(request.url).as_bytes());
        let is_form = is_form(request);
        let is_hashed = query.has(BODY_HASH);
        if !is_form && !is_hashed && !request.body.is_empty() {
            return Err(E::BodyHashMissing);
        }
        let form = Form::read(if is_form { request.body } else { b"" });
        if !self.vouch(request.url, &form, &signature) {
            return Err(E::SignatureWrong);
        }
        if is_hashed && !hash_fits(&query, request.body) {
            return Err(E::BodyHashWrong);
        }
        let content = match (request.body, is_form) {
            (b"", _) => Content::Form(query),
            (_, true) => Content::Form(form),
            (_, false) => Content::Hashed,
        };
        Ok(Verified::vouch(body::read(request, content)?))
    }

    fn vouch(&self, url: &str, form: &Form, signature: &[u8]) -> bool {
        let spellings = url::spellings(url);
        // All are tried, so that the time does not tell which one fits.
        spellings.iter().fold(false, |any, url| {
            any | self.tokens.vouch(&signed(url, form), &[signature])
        })
    }
}

/// What Twilio puts into `X-Twilio-Signature` when it posts the form `body` to `url`. For anything else than a form
/// `body` has to be empty here.
///
/// # Errors
/// [`UnusableKey`] when the token is empty.
pub fn sign(token: &SecretString, url: &str, body: &[u8]) -> Result<String, UnusableKey> {
    let verifier = TwilioVerifier::new([token])?;
    let tag = verifier.tokens.sign(&signed(url, &Form::read(body)));
    tag.map(to_base64).ok_or(UnusableKey::EMPTY)
}

fn signed<'a>(url: &'a str, form: &'a Form) -> Vec<&'a [u8]> {
    let pairs = form
        .sorted()
        .into_iter()
        .flat_map(|(name, value)| [name.as_slice(), value]);
    std::iter::once(url.as_bytes()).chain(pairs).collect()
}

/// Whether the body is signed as parameters.
fn is_form(request: &Request<'_>) -> bool {
    let value = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(FORM)
}

fn hash_fits(query: &Form, body: &[u8]) -> bool {
    let claimed = query.text(BODY_HASH).and_then(|text| hex::decode(&*text).ok());
    claimed.is_some_and(|claimed| digest(&SHA256, body).as_ref().ct_eq(&claimed).into())
}
