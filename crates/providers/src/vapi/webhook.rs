//! Is this request genuine?

use std::fmt;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use super::body;
use super::error::VapiWebhookError;
use super::plan::{HmacPlan, Piece, UnusablePlan};
use crate::event::Event;
use crate::key::{HmacKeys, UnusableKey, base64};
use crate::token::{Tokens, after_scheme};
use crate::{Request, Verified, time};

/// The header with an inline secret.
pub const SECRET_HEADER: &str = "X-Vapi-Secret";
/// How far a signed time of sending may lie from now, in either direction.
pub const TIMESTAMP_AGE_SECONDS_MAX: i64 = 300;

const BEARER_HEADER: &str = "Authorization";
const BEARER: &str = "Bearer";
/// Where `{svix-id}` is found when the plan does not say.
const MESSAGE_ID_HEADER: &str = "svix-id";

/// Checks the requests of one endpoint.
#[derive(Clone)]
pub struct VapiVerifier(Way);

#[derive(Clone)]
enum Way {
    Secret(Tokens),
    Bearer { tokens: Tokens, header: String },
    Hmac(Box<Signing>),
}

#[derive(Clone)]
struct Signing {
    keys: HmacKeys,
    plan: HmacPlan,
    pieces: Vec<Piece>,
}

impl VapiVerifier {
    /// A verifier that takes any of `secrets` in [`SECRET_HEADER`]: two while one replaces the other, else one. Without
    /// any, every request is refused.
    ///
    /// # Errors
    /// [`UnusableKey`] when one of them is empty.
    pub fn secret<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Result<Self, UnusableKey> {
        Ok(Self(Way::Secret(Tokens::new(secrets)?)))
    }

    /// A verifier that takes any of `tokens` in the header `Authorization`, or in `header`, with `Bearer ` in front or
    /// without.
    ///
    /// # Errors
    /// [`UnusableKey`] when one of them is empty.
    pub fn bearer<'a>(
        tokens: impl IntoIterator<Item = &'a SecretString>,
        header: Option<&str>,
    ) -> Result<Self, UnusableKey> {
        Ok(Self(Way::Bearer {
            tokens: Tokens::new(tokens)?,
            header: header.unwrap_or(BEARER_HEADER).to_owned(),
        }))
    }

    /// A verifier that takes a signature by any of `secrets`, made as `plan` says.
    ///
    /// # Errors
    /// [`UnusablePlan`] when the plan leaves the body unsigned, or a secret is empty or not written as the plan says.
    pub fn hmac<'a>(secrets: impl IntoIterator<Item = &'a SecretString>, plan: HmacPlan) -> Result<Self, UnusablePlan> {
        let mut keys = HmacKeys::default();
        for secret in secrets {
            let text = secret.expose_secret();
            if plan.secret_is_base64 {
                let key = base64(text).ok_or(UnusableKey::NOT_BASE64)?;
                keys.add(plan.algorithm.hmac(), &key)?;
            } else {
                keys.add(plan.algorithm.hmac(), text.as_bytes())?;
            }
        }
        let pieces = plan.pieces()?;
        Ok(Self(Way::Hmac(Box::new(Signing { keys, plan, pieces }))))
    }

    /// Checks and reads one request. Credentials that Vapi puts into the body are not in the event.
    ///
    /// # Errors
    /// [`VapiWebhookError`] names the first thing that is wrong.
    pub fn verify(&self, request: &Request<'_>) -> Result<Verified<Event>, VapiWebhookError> {
        match &self.0 {
            Way::Secret(tokens) => check_token(tokens, header(request, SECRET_HEADER)?)?,
            Way::Bearer { tokens, header: name } => {
                let shown = header(request, name)?;
                check_token(tokens, after_scheme(shown, BEARER).unwrap_or(shown))?;
            }
            Way::Hmac(signing) => signing.check(request)?,
        }
        Ok(Verified::vouch(body::read(request.body, request.received_at)?))
    }
}

/// Shows the way only.
impl fmt::Debug for VapiVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match &self.0 {
            Way::Secret(_) => "secret",
            Way::Bearer { .. } => "bearer",
            Way::Hmac(_) => "hmac",
        };
        f.debug_tuple("VapiVerifier").field(&way).finish()
    }
}

impl Signing {
    fn check(&self, request: &Request<'_>) -> Result<(), VapiWebhookError> {
        let plan = &self.plan;
        let signature = header(request, &plan.signature_header)?;
        let prefix = plan.signature_prefix.as_deref().unwrap_or_default();
        let signature = signature
            .strip_prefix(prefix.as_bytes())
            .and_then(|text| plan.signature_encoding.decode(text))
            .ok_or(VapiWebhookError::SignatureMalformed)?;
        if !self.keys.vouch(&self.signed(request)?, &[signature]) {
            return Err(VapiWebhookError::SignatureWrong);
        }
        if !self.pieces.contains(&Piece::Timestamp) {
            return Ok(());
        }
        let sent_at = instant(header(request, &plan.timestamp_header)?).ok_or(VapiWebhookError::TimestampMalformed)?;
        time::check_fresh(sent_at, request.received_at, TIMESTAMP_AGE_SECONDS_MAX)?;
        Ok(())
    }

    fn signed<'a>(&'a self, request: &Request<'a>) -> Result<Vec<&'a [u8]>, VapiWebhookError> {
        let pieces = self.pieces.iter().map(|piece| {
            Ok(match piece {
                Piece::Text(text) => text.as_bytes(),
                Piece::Body => request.body,
                Piece::Timestamp => header(request, &self.plan.timestamp_header)?,
                Piece::Method => request.method.as_bytes(),
                Piece::Url => request.url.as_bytes(),
                Piece::MessageId => {
                    let name = self.plan.message_id_header.as_deref();
                    header(request, name.unwrap_or(MESSAGE_ID_HEADER))?
                }
            })
        });
        pieces.collect()
    }
}

fn header<'a>(request: &Request<'a>, name: &str) -> Result<&'a [u8], VapiWebhookError> {
    request.header(name).ok_or_else(|| VapiWebhookError::ProofMissing {
        header: name.to_owned(),
    })
}

fn check_token(tokens: &Tokens, shown: &[u8]) -> Result<(), VapiWebhookError> {
    if tokens.vouch(shown) {
        Ok(())
    } else {
        Err(VapiWebhookError::SecretWrong)
    }
}

/// Vapi does not say whether it means seconds or milliseconds.
fn instant(text: &[u8]) -> Option<DateTime<Utc>> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number = digits.then(|| str::from_utf8(text).ok()).flatten()?.parse().ok()?;
    time::from_unix_seconds_or_millis(number)
}
