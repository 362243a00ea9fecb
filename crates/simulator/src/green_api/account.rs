//! An instance, and how a caller proves to be its owner.

use std::fmt;
use std::sync::Arc;

use axum::response::Response;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use super::error;
use crate::account::Named;
use crate::secret;
use crate::unusable::Unusable;
use crate::world::World;

/// An instance of Green-API: one telephone.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GreenApiAccount {
    /// A number, as text.
    #[serde(deserialize_with = "digits")]
    pub id_instance: String,
    /// `apiTokenInstance`.
    pub api_token: SecretString,
    /// The telephone's number, as in E.164.
    pub number: String,
    /// Where notifications are posted to.
    #[serde(default)]
    pub webhook_url: Option<String>,
    /// `webhookUrlToken`: what they show.
    #[serde(default)]
    pub webhook_token: SecretString,
}

/// A number or a text of digits.
fn digits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Number(number) => number.to_string(),
        Either::Text(text) => text,
    })
}

impl GreenApiAccount {
    /// An instance whose notifications nobody hears.
    #[must_use]
    pub fn new(id_instance: u64, api_token: &str, number: &str) -> Self {
        Self {
            id_instance: id_instance.to_string(),
            api_token: api_token.into(),
            number: number.to_owned(),
            webhook_url: None,
            webhook_token: SecretString::default(),
        }
    }

    /// The instance's id as notifications have it.
    pub(super) fn id(&self) -> u64 {
        self.id_instance.parse().unwrap_or_default()
    }
}

impl Named for GreenApiAccount {
    fn name(&self) -> &str {
        &self.id_instance
    }

    fn check(&self) -> Result<(), Unusable> {
        if self.id_instance.parse::<u64>().is_err() {
            return Err(Unusable("id_instance is a number"));
        }
        if secret::is(&self.api_token, "") {
            return Err(Unusable("a Green-API instance has an API token"));
        }
        if self.webhook_url.is_some() && secret::is(&self.webhook_token, "") {
            return Err(Unusable("a Green-API instance with a webhook URL has a webhook token"));
        }
        Ok(())
    }
}

/// The number stays hidden.
impl fmt::Debug for GreenApiAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GreenApiAccount")
            .field("id_instance", &self.id_instance)
            .finish_non_exhaustive()
    }
}

/// The instance that the request is for, if the token in its path is the right one.
pub(super) fn authenticate(world: &World, instance: &str, token: &str) -> Result<Arc<GreenApiAccount>, Box<Response>> {
    let id = instance.strip_prefix("waInstance").unwrap_or_default();
    let account = world.look(|state| state.accounts.green_api.named(id));
    match account {
        None => Err(Box::new(error::forbidden())),
        Some(account) if secret::is(&account.api_token, token) => Ok(account),
        Some(_) => Err(Box::new(error::unauthorized())),
    }
}
