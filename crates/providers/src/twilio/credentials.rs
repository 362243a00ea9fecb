//! How we show Twilio who we are.

use std::fmt;

use secrecy::SecretString;

use crate::credentials::UnusableCredentials;
use crate::outgoing::sid;
use crate::preview;

/// An account, and either its auth token or an API key of it.
///
/// Webhooks are signed with the account's auth token also where requests are made with an API key, so whoever uses a key
/// has to keep both.
#[derive(Clone)]
pub struct TwilioCredentials {
    pub(super) account: String,
    pub(super) user: String,
    pub(super) password: SecretString,
}

impl TwilioCredentials {
    /// With the account's auth token.
    ///
    /// # Errors
    /// [`UnusableCredentials`] when one of the two has another form.
    pub fn with_token(account_sid: &str, auth_token: &SecretString) -> Result<Self, UnusableCredentials> {
        UnusableCredentials::check_token("auth_token", auth_token)?;
        let account = account(account_sid)?;
        Ok(Self {
            user: account.clone(),
            account,
            password: auth_token.clone(),
        })
    }

    /// With an API key, as Twilio recommends.
    ///
    /// # Errors
    /// [`UnusableCredentials`] when one of the three has another form.
    pub fn with_key(account_sid: &str, key_sid: &str, key_secret: &SecretString) -> Result<Self, UnusableCredentials> {
        UnusableCredentials::check_token("api_key_secret", key_secret)?;
        let unusable = |_| UnusableCredentials::new("api_key_sid", "must be SK and 32 hex digits");
        Ok(Self {
            account: account(account_sid)?,
            user: sid("SK", key_sid).map_err(unusable)?,
            password: key_secret.clone(),
        })
    }

    /// What may be shown of it: `AC6a…89`.
    #[must_use]
    pub fn preview(&self) -> String {
        preview::short(&self.account)
    }
}

fn account(text: &str) -> Result<String, UnusableCredentials> {
    let unusable = |_| UnusableCredentials::new("account_sid", "must be AC and 32 hex digits");
    sid("AC", text).map_err(unusable)
}

/// Shows what [`preview`](Self::preview) does.
impl fmt::Debug for TwilioCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TwilioCredentials({})", self.preview())
    }
}
