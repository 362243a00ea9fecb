//! Who may read a mailbox.

use std::fmt;

use secrecy::SecretString;
use serde::Deserialize;

use crate::account::Named;
use crate::mail::is_address;
use crate::secret;
use crate::unusable::Unusable;

/// A mailbox, and the password that opens it. Mail for any other address is kept too, but nobody can fetch it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImapAccount {
    /// Its address: also the name to log in with.
    pub address: String,
    /// Opens it.
    pub password: SecretString,
}

impl ImapAccount {
    /// A mailbox.
    #[must_use]
    pub fn new(address: &str, password: &str) -> Self {
        Self {
            address: address.to_owned(),
            password: password.into(),
        }
    }

    pub(super) fn is_opened_by(&self, user: &str, password: &str) -> bool {
        self.address.eq_ignore_ascii_case(user) && secret::is(&self.password, password)
    }
}

impl Named for ImapAccount {
    fn name(&self) -> &str {
        &self.address
    }

    fn check(&self) -> Result<(), Unusable> {
        if is_address(&self.address) {
            Ok(())
        } else {
            Err(Unusable("a mailbox has an address"))
        }
    }
}

/// Shows that there is one.
impl fmt::Debug for ImapAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ImapAccount")
    }
}
