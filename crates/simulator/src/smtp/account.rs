//! An account at the mail server.

use std::fmt;

use secrecy::SecretString;
use serde::Deserialize;

use crate::account::Named;
use crate::secret;
use crate::unusable::Unusable;

/// Who may send mail. As long as there is no account, anybody may; as soon as there is one, nobody without.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpAccount {
    /// Logs in, and is what the ledger calls it.
    pub username: String,
    /// Logs in.
    pub password: SecretString,
    /// Where signed e-mail events are posted to.
    #[serde(default)]
    pub events_url: Option<String>,
    /// What they are signed with.
    #[serde(default)]
    pub events_secret: SecretString,
    /// What they call themselves in `provider`.
    #[serde(default = "smtp")]
    pub events_provider: String,
}

fn smtp() -> String {
    "smtp".to_owned()
}

impl SmtpAccount {
    /// An account whose events nobody hears.
    #[must_use]
    pub fn new(username: &str, password: &str) -> Self {
        Self {
            username: username.to_owned(),
            password: password.into(),
            events_url: None,
            events_secret: SecretString::default(),
            events_provider: smtp(),
        }
    }

    pub(super) fn is_opened_by(&self, username: &str, password: &str) -> bool {
        self.username == username && secret::is(&self.password, password)
    }
}

impl Named for SmtpAccount {
    fn name(&self) -> &str {
        &self.username
    }

    fn check(&self) -> Result<(), Unusable> {
        if self.username.is_empty() {
            return Err(Unusable("an SMTP account has a username"));
        }
        if self.events_url.is_some() && secret::is(&self.events_secret, "") {
            return Err(Unusable("an SMTP account with an events URL has an events secret"));
        }
        Ok(())
    }
}

/// Usernames are often addresses.
impl fmt::Debug for SmtpAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpAccount")
    }
}
