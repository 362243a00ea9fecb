//! What accounts at providers are used with.

use secrecy::{ExposeSecret as _, SecretString};

use crate::event::Provider;
use crate::green_api::GreenApiCredentials;
use crate::json::{self, Fields as _, Object};
use crate::resend::ResendCredentials;
use crate::sendgrid::{Region, SendGridCredentials};
use crate::smtp::{Dkim, Security, SmtpCredentials};
use crate::twilio::TwilioCredentials;

/// What one account at any provider is used with.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is what its provider asks for")]
pub enum Credentials {
    Smtp(SmtpCredentials),
    SendGrid(SendGridCredentials),
    Resend(ResendCredentials),
    Twilio(TwilioCredentials),
    GreenApi(GreenApiCredentials),
}

/// Credentials that cannot be used. Never repeats them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {reason}")]
pub struct UnusableCredentials {
    /// The field at fault; `body` for the whole.
    pub field: &'static str,
    /// What is wrong with it, to be read after the field's name.
    pub reason: &'static str,
}

impl Credentials {
    /// Reads credentials from a JSON object.
    ///
    /// | provider | fields |
    /// |---|---|
    /// | `smtp` | `host`, `port`, `security` (`tls`, `starttls`, `none`); optional `username` and `password`, `hello`, `root_certificate`, `dkim` with `domain`, `selector`, `key` |
    /// | `sendgrid` | `api_key`; optional `region` (`global`, `eu`) |
    /// | `resend` | `api_key` |
    /// | `twilio` | `account_sid`, and `api_key_sid` with `api_key_secret`, or `auth_token` |
    /// | `green_api` | `id_instance`, `api_token_instance`; optional `api_url` |
    ///
    /// # Errors
    /// [`UnusableCredentials`] names the first field that is missing or cannot be used.
    pub fn parse(provider: Provider, body: &[u8]) -> Result<Self, UnusableCredentials> {
        let fields = json::object(body).map_err(|_| UnusableCredentials::new("body", "must be a JSON object"))?;
        match provider {
            Provider::Smtp => smtp(&fields).map(Self::Smtp),
            Provider::SendGrid => sendgrid(&fields).map(Self::SendGrid),
            Provider::Resend => ResendCredentials::new(&secret(&fields, "api_key")?).map(Self::Resend),
            Provider::Twilio => twilio(&fields).map(Self::Twilio),
            Provider::GreenApi => green_api(&fields).map(Self::GreenApi),
            Provider::StandardWebhooks | Provider::Vapi => {
                Err(UnusableCredentials::new("provider", "is none that sends"))
            }
        }
    }

    /// Whose they are.
    #[must_use]
    pub const fn provider(&self) -> Provider {
        match self {
            Self::Smtp(_) => Provider::Smtp,
            Self::SendGrid(_) => Provider::SendGrid,
            Self::Resend(_) => Provider::Resend,
            Self::Twilio(_) => Provider::Twilio,
            Self::GreenApi(_) => Provider::GreenApi,
        }
    }

    /// What may be shown of them, so that people can tell two apart.
    #[must_use]
    pub fn preview(&self) -> String {
        match self {
            Self::Smtp(known) => known.preview(),
            Self::SendGrid(known) => known.preview(),
            Self::Resend(known) => known.preview(),
            Self::Twilio(known) => known.preview(),
            Self::GreenApi(known) => known.preview(),
        }
    }
}

fn smtp(fields: &Object) -> Result<SmtpCredentials, UnusableCredentials> {
    let port = fields.whole("port").and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or(UnusableCredentials::new("port", "must be a number from 1 to 65535"))?;
    let security = match text(fields, "security")? {
        "tls" => Security::Tls,
        "starttls" => Security::StartTls,
        "none" => Security::None,
        _ => return Err(UnusableCredentials::new("security", "must be tls, starttls or none")),
    };
    let mut known = SmtpCredentials::new(text(fields, "host")?, port, security)?;
    if given(fields, "username") || given(fields, "password") {
        known = known.with_login(text(fields, "username")?, &secret(fields, "password")?)?;
    }
    if given(fields, "hello") {
        known = known.with_hello(text(fields, "hello")?)?;
    }
    if given(fields, "root_certificate") {
        known = known.with_root_certificate(text(fields, "root_certificate")?)?;
    }
    if given(fields, "dkim") {
        known = known.with_dkim(dkim(fields.object("dkim"))?);
    }
    Ok(known)
}

fn dkim(fields: &Object) -> Result<Dkim, UnusableCredentials> {
    let (domain, selector) = (text(fields, "domain")?, text(fields, "selector")?);
    Dkim::new(domain, selector, &secret(fields, "key")?)
        .map_err(|unusable| UnusableCredentials::new(unusable.field, unusable.reason))
}

fn sendgrid(fields: &Object) -> Result<SendGridCredentials, UnusableCredentials> {
    let region = match fields.get("region").map(|region| region.as_str()) {
        None | Some(Some("global")) => Region::Global,
        Some(Some("eu")) => Region::Eu,
        Some(_) => return Err(UnusableCredentials::new("region", "must be global or eu")),
    };
    SendGridCredentials::new(&secret(fields, "api_key")?, region)
}

fn twilio(fields: &Object) -> Result<TwilioCredentials, UnusableCredentials> {
    let account = text(fields, "account_sid")?;
    // The token may be there beside the key, for webhooks.
    if given(fields, "api_key_sid") || given(fields, "api_key_secret") {
        let (key, secret) = (text(fields, "api_key_sid")?, secret(fields, "api_key_secret")?);
        return TwilioCredentials::with_key(account, key, &secret);
    }
    TwilioCredentials::with_token(account, &secret(fields, "auth_token")?)
}

fn green_api(fields: &Object) -> Result<GreenApiCredentials, UnusableCredentials> {
    let instance = fields.id("id_instance").and_then(|id| id.parse().ok());
    let instance = instance.ok_or(UnusableCredentials::new("id_instance", "must be a whole number"))?;
    let known = GreenApiCredentials::new(instance, &secret(fields, "api_token_instance")?)?;
    if given(fields, "api_url") {
        return known.with_api_url(text(fields, "api_url")?);
    }
    Ok(known)
}

fn given(fields: &Object, name: &str) -> bool {
    fields.get(name).is_some_and(|value| !value.is_null())
}

fn text<'a>(fields: &'a Object, name: &'static str) -> Result<&'a str, UnusableCredentials> {
    fields
        .text(name)
        .ok_or(UnusableCredentials::new(name, "must be a text that is not empty"))
}

fn secret(fields: &Object, name: &'static str) -> Result<SecretString, UnusableCredentials> {
    text(fields, name).map(SecretString::from)
}

impl UnusableCredentials {
    pub(crate) const fn new(field: &'static str, reason: &'static str) -> Self {
        Self { field, reason }
    }

    /// A text that can be a user's name.
    pub(crate) fn check_text(field: &'static str, text: &str) -> Result<(), Self> {
        if text.is_empty() {
            Err(Self::new(field, "is empty"))
        } else if text.chars().any(char::is_control) {
            Err(Self::new(field, "has control characters"))
        } else {
            Ok(())
        }
    }

    /// A text that can be a password.
    pub(crate) fn check_secret(field: &'static str, secret: &SecretString) -> Result<(), Self> {
        Self::check_text(field, secret.expose_secret())
    }

    /// A text that can be a key or a token: what a header or a path takes as it is.
    pub(crate) fn check_token(field: &'static str, secret: &SecretString) -> Result<(), Self> {
        Self::check_secret(field, secret)?;
        if secret.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(())
        } else {
            Err(Self::new(field, "has characters that no key has"))
        }
    }
}
