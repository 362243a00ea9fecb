//! An account at SendGrid.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::SendGridKey;
use crate::account::Named;
use crate::fault::HOLD_MS_MAX;
use crate::secret;
use crate::unusable::Unusable;

/// An account at SendGrid.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendGridAccount {
    /// What the ledger calls it.
    pub name: String,
    /// `SG.…`.
    pub api_key: SecretString,
    /// Where events are posted to.
    #[serde(default)]
    pub events_url: Option<String>,
    /// What they are signed with. In JSON: base64 of PKCS #8. One of its own when none is given.
    #[serde(default)]
    pub key: SendGridKey,
    /// How long events are gathered before they are posted. SendGrid gathers for 30 seconds; here they are posted at once
    /// when nothing is said.
    #[serde(default)]
    pub batch_ms: u64,
}

impl SendGridAccount {
    /// An account whose events nobody hears, with a signing key of its own.
    #[must_use]
    pub fn new(name: &str, api_key: &str) -> Self {
        Self {
            name: name.to_owned(),
            api_key: api_key.into(),
            events_url: None,
            key: SendGridKey::default(),
            batch_ms: 0,
        }
    }

    pub(super) fn is_opened_by(&self, token: &str) -> bool {
        secret::is(&self.api_key, token)
    }

    pub(super) fn gathers_for(&self) -> Duration {
        Duration::from_millis(self.batch_ms)
    }
}

impl Named for SendGridAccount {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), Unusable> {
        if self.name.is_empty() {
            return Err(Unusable("a SendGrid account has a name"));
        }
        if secret::is(&self.api_key, "") {
            return Err(Unusable("a SendGrid account has an API key"));
        }
        if self.batch_ms > HOLD_MS_MAX {
            return Err(Unusable("batch_ms is too large"));
        }
        Ok(())
    }
}

/// URLs may hold tokens.
impl fmt::Debug for SendGridAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendGridAccount")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
